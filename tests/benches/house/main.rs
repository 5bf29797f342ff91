//! The figures of the house, measured on the real programs: `make bench`.
//!
//! Each is a median and a 95th percentile of many turns through a whole installation in a temporary directory, with the
//! `echo` provider, and with Claude Code where its binary is there. Nothing is asserted: what a figure should be stands
//! beside it. The report is printed as a table, and kept as JSON and as a picture, so that two can be compared:
//! `make bench-compare`.
//!
//! `NC_BENCH_TURNS`, `NC_BENCH_IDLE` (seconds) and `NC_BENCH_HISTORY` (stored messages) make it shorter, and
//! `NC_BENCH_ONLY` names the parts to measure, with spaces between.
#![expect(clippy::expect_used, reason = "a benchmark stops at the first surprise")]

mod beside;
mod booted;
mod claude;
mod compared;
mod figures;
mod idle;
mod kept;
mod machine;
mod picture;
mod routing;
mod scale;
mod soak;
mod starts;
mod turns;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nc_testkit::Toolkit;

use figures::Figures;
use kept::Kept;

/// Turns for each figure.
const TURNS: usize = 60;

/// Seconds for which idle programs are watched.
const IDLE_SECONDS: u64 = 60;

/// A part of the report: its name, and what measures it.
type Part = (&'static str, fn(&mut Figures));

const PARTS: [Part; 8] = [
    ("starts", |figures| starts::measure(figures, turns())),
    ("turns", |figures| turns::measure(figures, turns())),
    ("claude", |figures| claude::measure(figures, turns())),
    ("routing", |figures| routing::measure(figures, number("NC_BENCH_HISTORY"))),
    ("scale", |figures| scale::measure(figures, turns(), number("NC_BENCH_HISTORY"))),
    ("beside", |figures| beside::measure(figures, turns())),
    ("idle", |figures| idle::measure(figures, &mut quiet_house(), idle_span())),
    ("booted", |figures| booted::measure(figures, turns(), idle_span())),
];

fn main() -> anyhow::Result<ExitCode> {
    // cargo bench adds --bench; cargo test runs benchmarks once, with --test, to see that they build.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--test"] => {}
        [] => measure()?,
        ["soak"] => soak::run(number("NC_SOAK_SECONDS").map_or(soak::HOUR, Duration::from_secs))?,
        ["compare"] => return compare(&kept::newest_two()?),
        ["compare", older, newer] => return compare(&[older.into(), newer.into()]),
        _ => bail!("{arguments:?}: allowed is nothing, soak, or: compare [OLDER.json NEWER.json]"),
    }
    Ok(ExitCode::SUCCESS)
}

fn measure() -> anyhow::Result<()> {
    let only = std::env::var("NC_BENCH_ONLY").unwrap_or_default();
    let only: Vec<&str> = only.split_whitespace().collect();
    let names = PARTS.map(|(name, _)| name);
    if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
        bail!("NC_BENCH_ONLY: {unknown} is no part; there are {}", names.join(", "));
    }
    println!("{}\n", machine::description());
    let mut figures = Figures::default();
    for (name, measure) in PARTS.iter().filter(|(name, _)| only.is_empty() || only.contains(name)) {
        eprintln!("{name}:");
        measure(&mut figures);
    }
    print!("\n{}", figures.table());
    let file = Kept::now(figures).write("bench").context("the report could not be kept")?;
    println!("\nkept: {} (and .svg)", file.display());
    Ok(())
}

/// Exits with 1 where something became worse, so that a script can ask.
fn compare([older, newer]: &[PathBuf; 2]) -> anyhow::Result<ExitCode> {
    Ok(if compared::print(older, newer)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn idle_span() -> Duration {
    Duration::from_secs(number("NC_BENCH_IDLE").unwrap_or(IDLE_SECONDS))
}

fn turns() -> usize {
    number("NC_BENCH_TURNS").map_or(TURNS, |n| usize::try_from(n).unwrap_or(TURNS))
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
