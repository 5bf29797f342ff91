//! The failpoints that the sources name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The place of each crate whose commits are named by an argument of a function of its own.
const COMMITS: [(&str, &str); 3] = [
    ("crates/nc-store/src", "store"),
    ("crates/nc-wire/src/mailbox/host", "inbound"),
    ("crates/nc-wire/src/mailbox/container", "outbound"),
];

/// Every `<place>.<what>.before` and `.after`.
pub(crate) fn named() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace");
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files);
    collect(&root.join("bins"), &mut files);
    let mut found = BTreeSet::new();
    for (path, text) in files {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for when in ["before", "after"] {
            for call in text.split(&format!("nc_failpoint::{when}(\"")).skip(1) {
                let mut words = call.split('"');
                let (Some(place), Some(_), Some(what)) = (words.next(), words.next(), words.next()) else { continue };
                if call.starts_with(&format!("{place}\", \"")) {
                    found.insert(format!("{place}.{what}.{when}"));
                }
            }
        }
        for (below, place) in COMMITS.iter().filter(|(below, _)| path.starts_with(root.join(below))) {
            assert!(!below.is_empty());
            for name in text.split("self.write(\"").skip(1).filter_map(|call| call.split('"').next()) {
                found.extend(["before", "after"].map(|when| format!("{place}.{name}.{when}")));
            }
        }
    }
    assert!(found.len() > 100, "only {} points were found", found.len());
    found
}

fn collect(directory: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["tests", "examples", "benches", "nc-failpoint", "nc-testkit"].contains(&&*name) {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            files.push((path, text));
        }
    }
}
