//! Users, groups and directories: what the units name is made.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::files_below;
use crate::stage::{Stage, is_possible};

/// The values of a key in all units and drop-ins, word by word.
fn values(stage: &Stage, key: &str) -> BTreeSet<String> {
    let texts = stage.files().into_iter().map(|path| fs::read_to_string(path).expect("a file of the stage"));
    let of_key = |line: &str| Some(line.split_once('=')?).filter(|(name, _)| *name == key).map(|(_, v)| v.to_owned());
    let found: Vec<String> = texts.flat_map(|text| text.lines().filter_map(of_key).collect::<Vec<_>>()).collect();
    found.iter().flat_map(|value| value.split_whitespace().map(str::to_owned)).collect()
}

/// The paths of such values that must be there, for a service to start at all; without those of an instance.
fn must_be_there(stage: &Stage) -> BTreeSet<String> {
    let paths = values(stage, "ReadWritePaths").into_iter().chain(values(stage, "ReadOnlyPaths"));
    let loaded = values(stage, "LoadCredential").into_iter();
    let paths = paths.chain(loaded.filter_map(|value| Some(value.split_once(':')?.1.to_owned())));
    paths.filter(|path| !path.starts_with('-') && !path.contains('%')).collect()
}

#[test]
fn every_user_and_directory_that_a_unit_names_is_made_and_closed_to_others() {
    let what = "users and directories of the units";
    if !is_possible(what) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return nc_testkit::skip(what, "only root gives directories away");
    }
    let stage = Stage::complete();
    fs::create_dir_all(stage.path("etc")).expect("a directory");
    let users = stage.ask("systemd-sysusers", &[]);
    assert!(users.success, "{}", users.text);
    let made = stage.ask("systemd-tmpfiles", &["--create", "nanoclaw.conf"]);
    assert!(made.success && made.text.is_empty(), "{}", made.text);

    let passwd = fs::read_to_string(stage.path("etc/passwd")).expect("users were made");
    let made: BTreeSet<String> = passwd.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect();
    assert_eq!(made, values(&stage, "User"), "made, and named by units");
    let group = fs::read_to_string(stage.path("etc/group")).expect("groups were made");
    let members = group.lines().find_map(|line| line.strip_prefix("nanoclaw:")?.rsplit_once(':')).expect("the group").1;
    assert_eq!(made, members.split(',').map(str::to_owned).collect(), "made, and in the group");

    let missing: Vec<String> =
        must_be_there(&stage).into_iter().filter(|path| !stage.path(&path[1..]).exists()).collect();
    assert_eq!(missing, [""; 0], "no service whose unit names these would start");
    for directory in ["var/lib/nanoclaw", "run/nanoclaw", "etc/nanoclaw/credentials", "etc/nanoclaw/channels"] {
        let directory = stage.path(directory);
        for path in files_below(&directory).into_iter().chain([directory]) {
            let open = fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(open & 0o007, 0, "{}: open to others", path.display());
        }
    }
}
