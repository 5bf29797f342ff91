//! The page names every unit, and every exception has its reason.

use std::fs;

use crate::{files_below, root};

const KINDS: &[&str] = &["target", "slice", "socket", "path", "service", "timer"];

#[test]
fn the_page_names_every_unit() {
    let page = fs::read_to_string(root().join("man/nanoclaw-units.7")).expect("the page");
    for entry in fs::read_dir(root().join("systemd")).expect("the units") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let is_unit = name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind));
        assert!(!is_unit || page.contains(&name), "{name} is not in nanoclaw-units(7)");
    }
}

#[test]
fn every_exception_has_its_reason() {
    let is_exception =
        |path: &&std::path::PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("50-"));
    let all = files_below(&root().join("systemd"));
    let exceptions: Vec<_> = all.iter().filter(is_exception).collect();
    assert!(exceptions.len() > 5, "{exceptions:?}");
    for path in exceptions {
        let text = fs::read_to_string(path).expect("a drop-in");
        assert!(text.lines().any(|line| line.starts_with("# ")), "{}: says no reason", path.display());
    }
}
