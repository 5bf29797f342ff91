//! What the tries prove.

use std::path::Path;

use nc_sandbox::escape::{ABSTRACT_SOCKET, HOST_DISK, LOOPBACK_PORT, Tried, WRITE};
use nc_sandbox::{Access, Mount};
use serde_json::{Value, json};

use super::report::{FLOOD, MAX_REPORT, Report};

/// The longest text that is handed on, in characters: a line of nc-run(5) has 4,096 bytes.
const SHOWN: usize = 600;

/// What is said of a try of which nobody knows whether it would have noticed.
pub(super) const UNPROVED: &str = "; it does not succeed outside either, so this proves little";

/// What is reached by design where nothing stands against it, and what would.
const SHARED: &[(&str, &str)] = &[
    (LOOPBACK_PORT, "the network is the host's"),
    (
        ABSTRACT_SOCKET,
        "the network is the host's, and nothing here keeps abstract sockets apart: that takes Landlock's scopes (Linux 6.12)",
    ),
    (HOST_DISK, "only a quota of the file system would limit it"),
];

/// What every sandbox has besides its mounts.
const OF_EVERY_SANDBOX: &[(&str, &str, &str)] = &[
    ("/usr", "/usr", "read"),
    ("/etc", "a few files of /etc, and some made up", "read"),
    ("/proc", "its own processes", "read"),
    ("/dev", "devices that hold nothing", "read"),
    ("/tmp", "memory", "write"),
    ("/dev/shm", "memory", "write"),
    ("/home/node", "memory", "write"),
];

/// What came of everything.
#[derive(Debug)]
pub(super) struct Verdicts {
    /// The sandbox's user.
    pub(super) uid: u32,
    /// What is mounted in the sandbox.
    pub(super) mounts: Vec<Mount>,
    /// The tries from inside.
    pub(super) inside: Report,
    /// The same outside.
    pub(super) outside: Vec<Tried>,
}

impl Verdicts {
    /// As lines, first what the sandbox is, then what was tried.
    pub(super) fn lines(&self) -> Vec<Value> {
        let limits = self.inside.enforcement.map_or("unknown", nc_sandbox::cgroup::Enforcement::meaning);
        let mut lines = vec![json!({ "uid": self.uid, "limits": limits })];
        let system = OF_EVERY_SANDBOX.iter();
        lines.extend(system.map(|(path, from, access)| json!({ "mount": path, "from": from, "access": access })));
        lines.extend(self.mounts.iter().map(|mount| {
            let access = if mount.access == Access::ReadWrite { "write" } else { "read" };
            json!({ "mount": mount.target, "from": mount.source, "access": access })
        }));
        lines.extend(self.inside.tried.iter().map(|tried| self.line(tried)));
        let missing = self.outside.iter().filter(|one| !self.inside.tried.iter().any(|tried| tried.name == one.name));
        lines.extend(missing.map(|one| line(&one.name, "fail", "the try was not made, or did not end", Some(one))));
        lines.push(self.flood());
        lines
    }

    fn line(&self, tried: &Tried) -> Value {
        let outside = self.outside.iter().find(|one| one.name == tried.name);
        if let Some(mount) = tried.name.strip_prefix(WRITE) {
            return line(&tried.name, self.written(Path::new(mount), tried.reached), &tried.found, None);
        }
        let by_design = SHARED.iter().find(|(name, _)| *name == tried.name && tried.reached);
        if let Some((_, why)) = by_design {
            return line(&tried.name, "warn", &format!("{}: {why}", tried.found), outside);
        }
        let state = match (tried.reached, outside) {
            (true, _) => "fail",
            (false, Some(outside)) if outside.reached => "pass",
            (false, _) => "warn",
        };
        let unproved = if state == "warn" { UNPROVED } else { "" };
        line(&tried.name, state, &format!("{}{unproved}", tried.found), outside)
    }

    /// Whether a place may be written that was, or was not.
    fn written(&self, place: &Path, written: bool) -> &'static str {
        let mount = self.mounts.iter().find(|mount| mount.target == place);
        let may = mount.is_some_and(|mount| mount.access == Access::ReadWrite);
        match (may, written) {
            (true, true) | (false, false) => "pass",
            (true, false) => "warn",
            (false, true) => "fail",
        }
    }

    /// The flood: all of it came, and little of it stayed.
    fn flood(&self) -> Value {
        let (came, kept) = (self.inside.came, self.inside.kept);
        let state = if came < FLOOD {
            "warn"
        } else if kept > MAX_REPORT {
            "fail"
        } else {
            "pass"
        };
        line("output without end", state, &format!("{came} bytes were printed, {kept} were kept"), None)
    }
}

fn line(name: &str, state: &str, inside: &str, outside: Option<&Tried>) -> Value {
    let outside = outside.map(|one| shown(&one.found));
    json!({ "try": shown(name), "state": state, "inside": shown(inside), "outside": outside })
}

/// A text that fits into a line.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, reached: bool) -> Tried {
        Tried { name: name.to_owned(), reached, found: "x".to_owned() }
    }

    #[test]
    fn what_is_reached_fails_and_what_nobody_would_notice_is_a_warning() {
        let inside = ["a", "b", "c", LOOPBACK_PORT].map(|name| tried(name, name == "a" || name == LOOPBACK_PORT));
        let outside = [tried("a", true), tried("b", true), tried("c", false), tried("d", true)];
        let report = Report { tried: inside.to_vec(), came: FLOOD, kept: 7, enforcement: None };
        let verdicts = Verdicts { uid: 7, mounts: Vec::new(), inside: report, outside: outside.to_vec() };
        let states = verdicts.lines();
        let states: Vec<_> = states.iter().filter_map(|line| line["state"].as_str()).collect();
        assert_eq!(states, ["fail", "pass", "warn", "warn", "fail", "pass"]);
    }

    #[test]
    fn a_place_is_written_where_it_may_be_and_nowhere_else() {
        let mounts = vec![Mount::read_only("/a", "/a"), Mount::read_write("/b", "/b")];
        let verdicts = Verdicts { uid: 7, mounts, inside: Report::default(), outside: Vec::new() };
        let states = [("/a", false), ("/a", true), ("/b", true), ("/b", false), ("/usr", true)];
        let states = states.map(|(place, written)| verdicts.written(Path::new(place), written));
        assert_eq!(states, ["pass", "fail", "pass", "warn", "fail"]);
    }
}
