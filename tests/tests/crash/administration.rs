//! Commands of an administrator, killed at each of their failpoints: typed again they do what they were to do, and nothing
//! of the first time is left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use nc_store::NewChat;
use nc_testkit::{Action, Failpoints, Toolkit, finish};

/// A command, and the one that takes it back.
type Pair = (&'static [&'static str], &'static [&'static str]);

const CHAT: &str = "slack:acme:C1";
const KEY: &str = "ANTHROPIC_API_KEY";

const PAIRS: &[Pair] = &[
    (&["group", "add", "Fresh"], &["group", "remove", "fresh"]),
    (&["group", "edit", "family", "--name", "Kin"], &["group", "edit", "family", "--name", "Family"]),
    (&["member", "add", "slack:U1", "family"], &["member", "remove", "slack:U1", "family"]),
    (&["role", "grant", "slack:U1", "owner"], &["role", "revoke", "slack:U1", "owner"]),
    (&["destination", "add", "family", "general", CHAT], &["destination", "remove", "family", "general"]),
    (&["wire", CHAT, "family"], &["unwire", CHAT, "family"]),
    (&["chat", "edit", CHAT, "--unknown-senders", "public"], &["chat", "edit", CHAT, "--unknown-senders", "strict"]),
    (&["channel", "disable", "terminal"], &["channel", "enable", "terminal"]),
    (&["secret", "set", KEY], &["secret", "rm", KEY]),
];

/// An installation in which nothing runs, with a main group, another, a chat and a user.
pub(crate) struct Office {
    kit: Toolkit,
    pub(crate) points: Failpoints,
}

impl Office {
    pub(crate) fn new() -> Self {
        let mut kit = Toolkit::new();
        let points = kit.failpoints();
        kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
        kit.ctl_ok(["group", "add", "Family"]);
        let chat = NewChat { channel: "slack:acme", platform_id: "C1", name: Some("General"), is_group: true };
        kit.store().ensure_chat(&chat).expect("a chat");
        kit.store().upsert_user("slack:U1", Some("Ana")).expect("a user");
        Self { kit, points }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let input = self.kit.beside().join("input");
        fs::write(&input, "sk-ant-dummy").expect("an input");
        let input = fs::File::open(&input).expect("an input");
        finish(self.kit.program("nanoclawctl").args(arguments).stdin(input))
    }

    fn must(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Every command once; gives the points at which it and what takes it back came by.
    pub(crate) fn survey(&self) -> Vec<(BTreeSet<String>, BTreeSet<String>)> {
        let came_by = |arguments: &[&str]| {
            for point in self.points.reached() {
                self.points.forget(&point);
            }
            self.must(arguments);
            self.points.reached()
        };
        PAIRS.iter().map(|(command, back)| (came_by(command), came_by(back))).collect()
    }

    /// Kills the command at the point, and has it typed again, whether the first time did it or not.
    fn kill(&self, arguments: &[&str], point: &str) {
        println!("{arguments:?} at {point}");
        self.points.arm(point, Action::Kill);
        assert_eq!(self.run(arguments).status.code(), None, "{arguments:?} did not come by {point}");
        let again = self.run(arguments);
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(matches!(again.status.code(), Some(0 | 1 | 78)), "{arguments:?} after {point}: {said}");
    }
}

pub(crate) fn killed_at_every_point() {
    let office = Office::new();
    let points = office.survey();
    let fresh = office.kit.installation().groups_dir().join("fresh");
    fs::remove_dir_all(&fresh).ok();
    for ((command, back), (forth, undone)) in PAIRS.iter().zip(&points) {
        for point in forth {
            office.kill(command, point);
            assert_eq!(empty_pages(&fresh), Vec::<PathBuf>::new());
            // It could not be taken back if it were not there.
            office.must(back);
            fs::remove_dir_all(&fresh).ok();
        }
        for point in undone {
            office.must(command);
            office.kill(back, point);
        }
    }
    let check = office.run(&["ledger", "--check"]);
    assert!(check.status.success(), "{check:?}");
    let mut left = Vec::new();
    collect(&office.kit.dir(), &mut left);
    left.retain(|path| path.to_string_lossy().ends_with("new"));
    assert_eq!(left, Vec::<PathBuf>::new());
}

/// Pages without a word.
fn empty_pages(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(directory, &mut files);
    files.retain(|file| fs::metadata(file).is_ok_and(|found| found.len() == 0));
    files
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
