//! A wrong configuration, read by who has to tell of it.

use super::{complaint, installation};
use crate::{Options, load_what_is_right};

#[test]
fn what_is_right_counts_and_the_first_thing_that_is_wrong_is_named() {
    let dir = installation(&[
        (
            "nanoclaw.toml",
            b"max_runs = \"many\"\nstore_dir = \"elsewhere\"\nno_such_key = 1\n[channels.terminal]\nenabled = 3\n",
        ),
        ("nanoclaw.toml.d/1.toml", b"this is no TOML"),
        ("nanoclaw.toml.d/2.toml", b"data_dir = \"there\"\n"),
    ]);
    let options = Options { dir: Some(dir.path().to_owned()), set: Vec::new() };
    let (loaded, wrong) = load_what_is_right(&options).unwrap();
    assert_eq!(loaded.installation.store_dir(), dir.path().join("elsewhere"));
    assert_eq!(loaded.installation.data_dir(), dir.path().join("there"));
    assert_eq!(loaded.config.max_runs, 5);
    let said = complaint(dir.path(), Err(wrong.expect("something is wrong")));
    assert!(said.contains("DIR/nanoclaw.toml:") && !said.contains("1.toml"), "{said}");
}

#[test]
fn nothing_is_named_where_nothing_is_wrong() {
    let dir = installation(&[("nanoclaw.toml", b"max_runs = 3\n")]);
    let options = Options { dir: Some(dir.path().to_owned()), set: Vec::new() };
    let (loaded, wrong) = load_what_is_right(&options).unwrap();
    assert!(wrong.is_none() && loaded.config.max_runs == 3);
}
