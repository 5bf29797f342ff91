//! A unit that fails again and again waits, and its owners are told once.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs;

use rusqlite::Connection;
use support::{House, Ran};

const UNIT: &str = "nc-ipcd.service";

impl House {
    /// Runs it as systemd does after a unit has ended so.
    fn ended(&self, result: &str, status: &str) -> Ran {
        let mut command = self.command(&["backoff", UNIT]);
        command.env("SERVICE_RESULT", result).env("EXIT_STATUS", status);
        Ran::of(&nc_testkit::finish(&mut command))
    }

    fn told(&self) -> Vec<String> {
        let sql = Connection::open(self.path().join("store/messages.db")).expect("the store");
        let mut told = sql.prepare("SELECT content FROM deliveries ORDER BY id").expect("a query");
        told.query_map((), |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("texts")
    }

    fn failures_in_a_row(&self) -> String {
        let kept = fs::read_to_string(self.run_dir().join("ends").join(UNIT)).expect("a record");
        kept.split(' ').next().expect("a number").to_owned()
    }
}

#[test]
fn owners_are_told_once_after_three_failures_in_a_row_also_with_a_wrong_configuration() {
    let house = House::with_main();
    fs::write(house.path().join("nanoclaw.toml"), "max_runs = \"many\"\n").expect("a configuration");
    assert_eq!(house.ended("exit-code", "1").status, 0);
    assert_eq!(house.ended("core-dump", "SEGV").status, 0);
    assert_eq!((house.failures_in_a_row().as_str(), house.told()), ("2", Vec::new()));
    let third = house.ended("exit-code", "203");
    assert!(third.stderr.contains("nc-ipcd.service failed 3 times in a row: it is started again in 2 s"), "{third:?}");
    let told = house.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("nc-ipcd.service has failed 3 times in a row"), "{told:?}");
    assert!(house.ended("watchdog", "ABRT").stderr.contains("4 times in a row"));
    assert_eq!(house.told().len(), 1);
}

#[test]
fn who_was_ended_by_others_or_in_good_order_does_not_wait() {
    let house = House::with_main();
    for (result, status) in [("success", "0"), ("success", "TERM")] {
        let ran = house.ended(result, status);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{result}");
    }
    assert!(!house.run_dir().join("ends").exists(), "nothing is remembered of it");
    for _ in 0..5 {
        let ran = house.ended("signal", "KILL");
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    }
    assert_eq!((house.failures_in_a_row().as_str(), house.told()), ("0", Vec::new()));
}

#[test]
fn only_a_unit_calls_it() {
    let house = House::new();
    let ran = house.ctl(&["backoff", UNIT]);
    assert_eq!(ran.status, 64);
    assert!(ran.stderr.contains("backoff is for ExecStopPost= of a unit"), "{}", ran.stderr);
    assert_eq!(house.ctl(&["backoff", "../x.service"]).status, 64);
}

#[test]
fn without_a_store_it_waits_all_the_same() {
    let house = House::new();
    for _ in 0..3 {
        assert_eq!(house.ended("exit-code", "1").status, 0);
    }
    let ran = house.ended("exit-code", "1");
    assert!(
        ran.stderr.contains("the owners are not told of nc-ipcd.service yet, since there is no store"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("4 times in a row"), "{}", ran.stderr);
}
