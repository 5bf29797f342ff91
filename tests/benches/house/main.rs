//! The figures of the house, measured on the real programs: `make bench`.
//!
//! Each is a median and a 95th percentile of many turns through a whole installation in a temporary directory, with the
//! `echo` provider, and with Claude Code where its binary is there. Nothing is asserted: what a figure should be stands beside it. `NC_BENCH_TURNS`,
//! `NC_BENCH_IDLE` (seconds) and `NC_BENCH_HISTORY` (stored messages) make it shorter, and `NC_BENCH_ONLY=routing` leaves
//! out everything else.
#![expect(clippy::expect_used, reason = "a benchmark stops at the first surprise")]

mod claude;
mod figures;
mod idle;
mod machine;
mod routing;
mod starts;
mod turns;

use nc_testkit::Toolkit;

use figures::Report;

/// Turns for each figure.
const TURNS: usize = 60;

/// Seconds for which idle programs are watched.
const IDLE_SECONDS: u64 = 60;

fn main() {
    // cargo test runs benchmarks once, to see that they build.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let turns = number("NC_BENCH_TURNS").map_or(TURNS, |n| usize::try_from(n).unwrap_or(TURNS));
    let idle = number("NC_BENCH_IDLE").unwrap_or(IDLE_SECONDS);
    println!("{}\n", machine::description());
    if std::env::var("NC_BENCH_ONLY").is_ok_and(|only| only == "routing") {
        routing::print(number("NC_BENCH_HISTORY"));
        return;
    }
    let mut report = Report::begin();
    starts::measure(&mut report, turns);
    turns::measure(&mut report, turns);
    claude::measure(&mut report, turns);
    report.print();
    println!();
    routing::print(number("NC_BENCH_HISTORY"));
    println!();
    idle::print(&mut quiet_house(), std::time::Duration::from_secs(idle));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// An installation with a main group.
fn house() -> Toolkit {
    let kit = Toolkit::new();
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    kit
}

/// A house that has answered once, so that an agent is there and has nothing to do.
fn quiet_house() -> Toolkit {
    let mut kit = house();
    kit.up();
    assert!(kit.talk_once("hello").status.success(), "{}", kit.log());
    kit
}
