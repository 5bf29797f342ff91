//! `install.sh` installs what is in `systemd/`, and of programs that are not built nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::stage::{OPTIONAL, Stage};
use crate::{files_below, root};

/// What is for a user's own manager, and not installed for the system; and what is for packages alone.
const NOT_OF_THE_SYSTEM: &[&str] = &["user/", "user-preset/"];

/// What is for the system's manager, and not installed for a user.
const NOT_OF_USERS: &[&str] =
    &["system/", "system-preset/", "user-preset/", "sysusers.d/", "tmpfiles.d/", "nanoclaw.catalog"];

/// Where in the installation files go that are no units.
const PLACES: &[(&str, &str)] = &[
    ("10-installed.toml", "etc/nanoclaw/nanoclaw.toml.d/10-installed.toml"),
    ("nanoclaw.catalog", "usr/local/lib/systemd/catalog/nanoclaw.catalog"),
    ("sysusers.d/nanoclaw.conf", "usr/local/lib/sysusers.d/nanoclaw.conf"),
    ("tmpfiles.d/nanoclaw.conf", "usr/local/lib/tmpfiles.d/nanoclaw.conf"),
    ("system-preset/80-nanoclaw.preset", "usr/local/lib/systemd/system-preset/80-nanoclaw.preset"),
];

/// Where a file of `systemd/` belongs; none for what is not for the system.
fn place(name: &str) -> Option<PathBuf> {
    if NOT_OF_THE_SYSTEM.iter().any(|not| name.starts_with(not)) {
        return None;
    }
    let fixed = PLACES.iter().find(|(from, _)| *from == name).map(|(_, to)| PathBuf::from(to));
    let unit = || Path::new("usr/local/lib/systemd/system").join(name.strip_prefix("system/").unwrap_or(name));
    Some(fixed.unwrap_or_else(unit))
}

fn names() -> Vec<String> {
    let systemd = root().join("systemd");
    let below = |path: PathBuf| path.strip_prefix(&systemd).expect("below it").to_string_lossy().into_owned();
    files_below(&systemd).into_iter().map(below).collect()
}

/// The files of a stage that come from `systemd/`, by where they are.
fn installed(stage: &Stage) -> BTreeSet<PathBuf> {
    let below = |path: PathBuf| path.strip_prefix(stage.root()).expect("below it").to_owned();
    let is_unit = |path: &PathBuf| path.starts_with("usr/local/lib") || path.starts_with("etc/nanoclaw");
    files_below(stage.root()).into_iter().map(below).filter(is_unit).collect()
}

#[test]
fn what_is_installed_is_what_there_is() {
    let is_of = |name: &String, programs: &[&str]| programs.iter().any(|program| name.contains(program));
    for built in [OPTIONAL, &OPTIONAL[..1], &[]] {
        let left_out: Vec<&str> = OPTIONAL.iter().filter(|program| !built.contains(program)).copied().collect();
        let wanted: BTreeSet<PathBuf> =
            names().iter().filter(|name| !is_of(name, &left_out)).filter_map(|name| place(name)).collect();
        assert_eq!(installed(&Stage::with(built)), wanted, "with {built:?}");
    }
}

#[test]
fn a_user_gets_every_unit_and_what_is_for_users() {
    let stage = Stage::of_user();
    let units = stage.unit_file("");
    let below = |path: PathBuf| path.strip_prefix(&units).expect("below it").to_string_lossy().into_owned();
    let there: BTreeSet<String> = stage.files().into_iter().map(below).collect();
    let is_wanted =
        |name: &String| !NOT_OF_USERS.iter().any(|not| name.starts_with(not)) && name != "10-installed.toml";
    let wanted = names().into_iter().filter(is_wanted);
    let wanted: BTreeSet<String> = wanted.map(|name| name.strip_prefix("user/").unwrap_or(&name).to_owned()).collect();
    assert_eq!(there, wanted);
}
