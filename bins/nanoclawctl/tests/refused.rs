//! What is wrong is refused with its field and what is allowed, and nothing is half done.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use serde_json::Value;
use support::House;

/// A command line, its exit status, and what is said.
type Case = (&'static [&'static str], i32, &'static [&'static str]);

impl House {
    /// Everything that administration changes, as the commands show it.
    fn state(&self) -> Vec<Value> {
        let all: &[&[&str]] = &[
            &["group", "list"],
            &["group", "show", "main"],
            &["group", "show", "family"],
            &["chat", "list"],
            &["user", "list"],
            &["member", "list", "family"],
            &["destination", "list", "family"],
            &["session", "list"],
        ];
        all.iter().map(|arguments| self.json(arguments)).collect()
    }

    /// Tries each command, and looks that nothing has changed.
    fn refuses(&self, cases: &[Case]) {
        let before = self.state();
        for (arguments, status, parts) in cases {
            let ran = self.ctl(arguments);
            assert_eq!((ran.status, ran.stdout.as_str()), (*status, ""), "{arguments:?}: {}", ran.stderr);
            for part in *parts {
                assert!(ran.stderr.contains(part), "{arguments:?}: {part:?} is not in {:?}", ran.stderr);
            }
        }
        assert_eq!(self.state(), before, "nothing is half done");
    }
}

const WIRINGS: &[Case] = &[
    // Patterns that are none.
    (&["wire", "slack:acme:C1", "family", "--pattern", "(a"], 78, &["--pattern", "not a regular expression"]),
    (&["wire", "slack:acme:C1", "family", "--pattern", ""], 78, &["--pattern"]),
    (&["wire", "slack:acme:C1", "family", "--pattern", "a{1000}{1000}{1000}"], 78, &["--pattern"]),
    (
        &["wire", "slack:acme:C1", "family", "--pattern", "a", "--engage", "mention"],
        78,
        &["--pattern \"a\" counts only"],
    ),
    // Wirings to nothing, and words outside their sets.
    (
        &["wire", "slack:acme:C2", "family"],
        1,
        &["no chat \"slack:acme:C2\" (did you mean \"slack:acme:C1\"?)", "chat list"],
    ),
    (&["wire", "Generl", "family"], 1, &["(did you mean \"General\"?)"]),
    (&["wire", "99", "family"], 1, &["chat \"99\"", "there is none"]),
    (&["wire", "slack:acme:C1", "famly"], 1, &["\"famly\" (did you mean \"family\"?)", "group list"]),
    (&["wire", "slack:acme:C1", "99"], 1, &["group \"99\""]),
    (&["wire", "slack:acme:C1", "family", "--engage", "often"], 64, &["--engage", "pattern, mention, mention-sticky"]),
    (
        &["wire", "slack:acme:C1", "family", "--session-mode", "x"],
        64,
        &["--session-mode", "shared, per-thread, agent-shared"],
    ),
    (&["wire", "slack:acme:C1", "family", "--as", "Not A Slug"], 78, &["lower-case letters and digits"]),
    (&["chat", "edit", "slack:acme:C1", "--unknown-senders", "some"], 64, &["strict, request_approval, public"]),
    (&["chat", "show", "slack:acme:C9"], 1, &["(did you mean \"slack:acme:C1\"?)"]),
];

const PEOPLE: &[Case] = &[
    // Roles that would leave no owner, and roles of nobody and nowhere.
    (&["role", "grant", "slack:U1", "owner", "--group", "family"], 78, &["--group", "an owner is one everywhere"]),
    (&["role", "grant", "slack:U1", "king"], 64, &["owner, admin"]),
    (&["role", "grant", "slack:U3", "admin"], 1, &["no user \"slack:U3\" (did you mean \"slack:U", "user list"]),
    (&["role", "grant", "U1", "admin"], 1, &["(did you mean \"slack:U1\"?)"]),
    (&["role", "grant", "slack:U1", "admin", "--group", "famly"], 1, &["(did you mean \"family\"?)"]),
    (&["role", "grant", "terminal:no-such-user", "admin"], 1, &["there is no user"]),
    (&["role", "revoke", "slack:U1", "admin"], 1, &["slack:U1 is not admin everywhere, but no role"]),
    (&["member", "add", "slack:U9", "family"], 1, &["no user \"slack:U9\""]),
    (&["member", "add", "slack:U1", "nobody"], 1, &["no group in the folder \"nobody\""]),
    (&["member", "remove", "slack:U1", "family"], 1, &["is no member of \"family\""]),
];

const OTHERS: &[Case] = &[
    // Destinations.
    (&["destination", "add", "family", "Bad Name", "slack:acme:C1"], 78, &["name of a destination", "lower-case"]),
    (&["destination", "add", "family", "x", "slack:acme:C7"], 1, &["no chat"]),
    (&["destination", "add", "family", "x", "--agent", "family"], 78, &["--agent family", "itself"]),
    (&["destination", "add", "family", "x"], 64, &["CHAT"]),
    (&["destination", "remove", "family", "x"], 1, &["no destination \"x\""]),
    // What is not there.
    (&["session", "show", "x"], 1, &["no session \"x\"", "session list"]),
    (&["session", "reset", "--group", "family"], 1, &["no open session"]),
    (&["session", "reset"], 64, &["SESSION"]),
    (&["session", "list", "--status", "open"], 64, &["active, set_aside, closed"]),
    (&["run", "show", "famly"], 1, &["no run \"famly\", nor a group (did you mean \"family\"?)"]),
    (&["run", "show", "family"], 1, &["has had no run"]),
    (&["run", "list", "--outcome", "good"], 64, &["completed, failed, timeout, killed, lost, live"]),
    (&["run", "list", "--since", "soon"], 78, &["--since \"soon\" is not a time"]),
    (&["run", "list", "--after", "x"], 1, &["run \"x\""]),
    (&["why", "7"], 1, &["message \"7\"", "there is none"]),
    (&["why", "--chat", "slack:acme:C1"], 1, &["nobody has written"]),
    (&["why"], 64, &["MESSAGE"]),
    (&["chat", "list", "--limit", "0"], 64, &["--limit"]),
    (&["chat", "list", "--after", "x"], 78, &["--after \"x\" is not the number of a chat"]),
];

#[test]
fn bad_patterns_and_wirings_to_nothing() {
    House::with_family().refuses(WIRINGS);
}

#[test]
fn roles_of_nobody_and_nowhere_and_unknown_members() {
    House::with_family().refuses(PEOPLE);
}

#[test]
fn unknown_names_and_words_outside_their_sets() {
    House::with_family().refuses(OTHERS);
}

#[test]
fn a_role_that_would_leave_no_owner() {
    let house = House::with_family();
    let (owner, before) = (house.owner(), house.state());
    let ran = house.ctl(&["role", "revoke", &owner, "owner"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    for part in ["nobody would own the installation", "make another owner first"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert_eq!(house.state(), before, "nothing is half done");
}
