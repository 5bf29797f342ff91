//! Holds that the pages and papers say what the programs do: options, keys, exit statuses, tables, limits, and every
//! warning and error. Each check is a function of texts, and is seen to complain of a text that is wrong.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod configuration;
mod diagnostics;
mod formats;
mod options;
mod page;
mod papers;
mod said;
mod statuses;

use std::fs;
use std::path::{Path, PathBuf};

/// The programs with their pages.
pub(crate) const PROGRAMS: &[(&str, &str)] = &[
    ("nanoclawctl", "nanoclawctl.1"),
    ("nc-router", "nc-router.8"),
    ("nc-runner", "nc-runner.8"),
    ("nc-ipcd", "nc-ipcd.8"),
    ("nc-agent", "nc-agent.8"),
];

/// The root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The text of a file of the tree.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `.rs` file below a directory of the tree.
pub(crate) fn sources(below: &str) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![root().join(below)]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the tree") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no source below {below}");
    found
}

/// Fails with a line for each thing that is not as it should be.
pub(crate) fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Fails where a check found nothing in a text that was made wrong.
pub(crate) fn some(wrong: &[String], what: &str) {
    assert!(!wrong.is_empty(), "the check does not notice {what}");
}
