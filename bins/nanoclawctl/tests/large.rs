//! A house of many groups and many messages: each list is there, and only a page of it.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use nc_testkit::{Size, fill};
use support::House;

/// Lines that a person gets at once; more is asked for.
const MOST_LINES: usize = 1_000;

#[test]
fn every_list_of_a_large_house_is_a_page() {
    let house = House::with_main();
    fill(&house.path().join("store/messages.db"), Size { groups: 10_000, messages: 50_000 });
    let (session, seq) = (format!("0190{:032}", 77), "50000".to_owned());
    let cases: &[&[&str]] = &[
        &["group", "list"],
        &["group", "show", "g77"],
        &["chat", "list"],
        &["chat", "list", "--unwired"],
        &["chat", "list", "--group", "g9999"],
        &["chat", "show", "slack:acme:C77"],
        &["chat", "show", "chat 9999"],
        &["session", "list"],
        &["session", "list", "--group", "g1", "--status", "closed"],
        &["session", "show", &session],
        &["run", "list"],
        &["run", "list", "--group", "g1"],
        &["run", "list", "--outcome", "failed"],
        &["run", "list", "--outcome", "failed", "--group", "g9999"],
        &["run", "list", "--session", &session, "--since", "2000-01-01"],
        &["run", "show", "g9999"],
        &["user", "list"],
        &["user", "list", "--role", "admin"],
        &["member", "list", "g1"],
        &["destination", "list", "g77"],
        &["why", &seq],
        &["why", "--chat", "slack:acme:C77"],
    ];
    for arguments in cases {
        let ran = house.ctl(arguments);
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.stderr);
        let lines = ran.stdout.lines().count();
        assert!((1..=MOST_LINES).contains(&lines), "{arguments:?} prints {lines} lines");
    }
    let ran = house.ctl(&["wire", "chat 9998x", "g1"]);
    assert!(ran.stderr.contains("(did you mean \"chat 9998\"?)"), "{ran:?}");
}
