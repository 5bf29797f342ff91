//! Holds that the units are what systemd understands, that what is installed is what there is, and how tightly each program
//! is held. Nothing is booted: `install.sh` lays everything out below a directory, and systemd's own tools look at that.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod accounts;
mod lint;
mod papers;
mod presets;
mod scores;
mod stage;
mod table;

use std::path::{Path, PathBuf};

/// The root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// Every file below a directory.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let entry = entry.expect("an entry");
            let into = if entry.file_type().expect("a type").is_dir() { &mut left } else { &mut found };
            into.push(entry.path());
        }
    }
    found.sort();
    found
}
