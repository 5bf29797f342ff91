//! The programs under test: built once, found beside the test.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

/// The programs of the toolkit, each the package of its own name.
pub const PROGRAMS: &[&str] = &["nanoclawctl", "nc-router", "nc-ipcd", "nc-runner", "nc-agent"];

/// The directory of programs to test that are there already, such as installed ones; nothing is built then.
const VARIABLE: &str = "NC_PROGRAMS";

/// Returns the directory that holds [`PROGRAMS`], built with the profile of the calling test.
///
/// # Panics
/// Where they cannot be built; cargo has then said why.
#[must_use]
pub fn programs() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| env::var_os(VARIABLE).map_or_else(build_programs, PathBuf::from))
}

fn build_programs() -> PathBuf {
    let mut packages: Vec<_> = PROGRAMS.iter().flat_map(|name| ["-p", name]).collect();
    // As the tests of the workspace build them, so that they are built once; what is measured has no failpoints.
    if !profile_dir().ends_with("release") {
        packages.extend(["-p", "nc-failpoint", "--features", "nc-failpoint/armed"]);
    }
    build(&packages);
    profile_dir()
}

/// Returns the path of the example `name` of `package`, built.
///
/// # Panics
/// Where it cannot be built.
#[must_use]
pub fn example(package: &str, name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let path = built.entry(format!("{package} {name}")).or_insert_with(|| {
        build(&["-p", package, "--example", name]);
        profile_dir().join("examples").join(name)
    });
    path.clone()
}

/// The programs, hard-linked or copied to where every user can read and run them: a checkout may lie below a directory
/// that only its owner enters.
///
/// # Panics
/// Where they cannot be copied.
#[must_use]
pub fn public_programs() -> &'static Path {
    static DIR: OnceLock<TempDir> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = tempfile::Builder::new().prefix("nc-programs.").tempdir().expect("a temporary directory");
        open_to_all(dir.path());
        for name in PROGRAMS {
            let (from, to) = (programs().join(name), dir.path().join(name));
            if fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to).expect("the program is copied");
            }
            open_to_all(&to);
        }
        dir
    })
    .path()
}

/// Lets everybody read and enter, and only the owner write.
pub(crate) fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the mode is changed");
}

/// `target/debug` of `target/debug/deps/some_test-0123456789abcdef`.
fn profile_dir() -> PathBuf {
    let exe = env::current_exe().expect("a test has a path");
    let dir = exe.parent().expect("a program is in a directory");
    let inner = dir.ends_with("deps") || dir.ends_with("examples");
    if inner { dir.parent().expect("it lies below the profile's directory").to_owned() } else { dir.to_owned() }
}

fn build(what: &[&str]) {
    let profile = profile_dir();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("build").arg("--quiet").args(what).current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(target) = profile.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo starts");
    assert!(built.success(), "cargo {what:?} failed");
}
