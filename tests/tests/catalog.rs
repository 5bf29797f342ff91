//! Every event has an entry of the journal's catalog and a line of the page, and the journal takes the catalog.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace");
    fs::read_to_string(root.join(path)).expect("a file of the tree")
}

fn events() -> Vec<String> {
    let sources = [read("crates/nc-model/src/event.rs"), read("crates/nc-daemon/src/event.rs")].concat();
    let consts = sources.lines().filter_map(|line| line.split_once(": &str = \""));
    consts.map(|(_, id)| id.trim_end_matches("\";").to_owned()).collect()
}

/// Id, subject and text of each entry.
fn entries() -> Vec<(String, String, String)> {
    let catalog = read("systemd/nanoclaw.catalog");
    let entry = |entry: &str| {
        let (id, rest) = entry.split_once('\n').expect("an id, then its header");
        let (header, text) = rest.split_once("\n\n").expect("a header, then its text");
        let subject = header.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject");
        (id.to_owned(), subject.to_owned(), text.trim().to_owned())
    };
    catalog.split("\n-- ").skip(1).map(entry).collect()
}

#[test]
fn each_event_has_an_entry_that_says_what_to_do_and_the_page_lists_it() {
    let (mut events, entries, page) = (events(), entries(), read("man/nanoclaw.7"));
    let mut ids: Vec<String> = entries.iter().map(|(id, ..)| id.clone()).collect();
    assert!(events.len() > 10, "{events:?}");
    events.sort();
    ids.sort();
    assert_eq!(events, ids);
    events.dedup();
    assert_eq!(events.len(), ids.len(), "two events have one id");
    for (id, subject, text) in entries {
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert!(!text.is_empty(), "{subject}: says nothing");
        assert!(page.contains(&format!(".It\n{subject}\n")), "{subject}: not in nanoclaw(7)");
    }
}

#[test]
fn the_journal_takes_the_catalog() {
    let there = Command::new("journalctl").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        return nc_testkit::skip("the catalog in the journal", "there is no journalctl(1)");
    }
    let root = tempfile::tempdir().expect("a directory");
    let catalogs = root.path().join("usr/lib/systemd/catalog");
    fs::create_dir_all(&catalogs).expect("a directory");
    fs::create_dir_all(root.path().join("var/lib/systemd/catalog")).expect("a directory");
    fs::write(catalogs.join("nanoclaw.catalog"), read("systemd/nanoclaw.catalog")).expect("a catalog");
    let journalctl = |what: &[&str]| {
        let mut command = Command::new("journalctl");
        let output = command.arg("--root").arg(root.path()).args(what).stdin(Stdio::null()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{what:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    journalctl(&["--update-catalog"]);
    let listed = journalctl(&["--list-catalog"]);
    for (id, subject, _) in entries() {
        assert!(listed.contains(&id) && listed.contains(&subject), "{subject}: not in\n{listed}");
    }
}
