//! What is built to be installed has no failpoints.

use std::collections::BTreeSet;
use std::process::Command;

/// The features of a package in the build of `packages`, as cargo would make it.
fn features(of: &str, packages: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p} [{f}]"]);
    cargo.args(packages.iter().flat_map(|name| ["-p", name])).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = nc_testkit::finish(&mut cargo);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let begins = format!("{of} v");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with(&begins)).collect();
    assert!(!lines.is_empty(), "{packages:?} do not use {of}");
    let features = |line: &str| line.rsplit_once('[').map(|(_, rest)| rest.split(']').next().unwrap_or("").to_owned());
    lines
        .into_iter()
        .filter_map(features)
        .flat_map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

pub(crate) fn nothing_installed_is_armed() {
    let armed = |packages: &[&str]| features("nc-failpoint", packages).contains("armed");
    assert!(!armed(nc_testkit::PROGRAMS), "a program that is installed could be killed by a variable");
    // What the tests start can be, or they would prove nothing.
    assert!(armed(&[nc_testkit::PROGRAMS, &["nc-testkit"]].concat()));
}
