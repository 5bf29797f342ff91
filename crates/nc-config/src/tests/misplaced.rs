//! Links, names and directories that nobody could follow.

use std::fs;

use super::{complaint, installation, load_set};

#[test]
fn a_link_to_nothing_in_place_of_a_file_is_named() {
    for name in ["nanoclaw.toml", "nanoclaw.toml.d", "nanoclaw.toml.d/1.toml"] {
        let dir = installation(&[]);
        let link = dir.path().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/nowhere", &link).unwrap();
        let said = complaint(dir.path(), load_set(dir.path(), &[], &[]));
        assert_eq!(said, format!("\"DIR/{name}\" is not a configuration file: it is a link to nothing"));
    }
}

#[test]
fn a_variable_has_one_spelling() {
    let dir = installation(&[]);
    for name in ["NANOCLAW_max_runs", "NANOCLAW_Max_Runs"] {
        let said = complaint(dir.path(), load_set(dir.path(), &[(name, "3")], &[]));
        let expected =
            format!("environment variable {name}: unknown key {name:?}, did you mean \"NANOCLAW_MAX_RUNS\"?");
        assert_eq!(said, expected);
    }
    assert_eq!(load_set(dir.path(), &[("NANOCLAW_MAX_RUNS", "3")], &[]).unwrap().config.max_runs, 3);
}

#[test]
fn a_directory_too_deep_for_a_database_is_named_before_anything_is_made() {
    let dir = installation(&[]);
    for (key, most) in [("data_dir", 433), ("store_dir", 492)] {
        let set = |length: usize| load_set(dir.path(), &[], &[&format!("{key}=/{}", "x".repeat(length - 1))]);
        assert!(set(most).is_ok(), "{key} {:?}", set(most));
        let said = complaint(dir.path(), set(most + 1));
        assert!(said.contains(&format!("has a name of {} bytes", most + 1)), "{said}");
        assert!(said.contains(&format!("at most {most}: choose another")), "{said}");
    }
}
