//! `nanoclawctl backoff`: a unit that failed waits before it is started again, longer each time, and its owners are told
//! once. Units call it by `ExecStopPost=`.
//!
//! systemd 252 has one delay for all restarts, and none where a socket has a ring that nobody reads: a program that ends
//! before it reads is started again at once, until its socket fails for good. While this waits the unit is not over, and
//! its socket starts nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use nc_config::Options;
use nc_daemon::Failure;
use nc_model::Timestamp;
use nc_store::now;

use crate::cli;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::notice;
use crate::output::quoted;
use crate::restarts::{Fault, Restarts};

/// The owners are told of a program that failed so often in a row: what a restart mends is no news. A guess.
const TOLD_AFTER: u32 = 3;

/// What is remembered of a unit's ends: how many failures there were in a row, when it was last let go on, in milliseconds
/// since 1970, and whether the owners were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    in_a_row: u32,
    began: i64,
    told: bool,
}

pub(crate) fn run(options: &Options, backoff: &cli::Backoff) -> anyhow::Result<ExitCode> {
    let unit = &backoff.unit;
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (result, status) = (variable("SERVICE_RESULT"), variable("EXIT_STATUS"));
    if result.is_empty() {
        let text = "backoff is for ExecStopPost= of a unit: $SERVICE_RESULT, which systemd sets there, is not set";
        return Err(Refusal::with(Failure::USAGE, text));
    }
    let Some(fault) = fault(&result, &status) else { return Ok(ExitCode::SUCCESS) };
    let (installed, _) = Installed::load_what_is_right(options)?;
    let file = installed.paths().run_dir().join("ends").join(unit);
    let (mut ends, delay) = read(&file).after(fault, now());
    if ends.in_a_row >= TOLD_AFTER && !ends.told {
        match notice::tell_of(&installed, unit, words(unit, ends.in_a_row)) {
            Ok(_) => ends.told = true,
            Err(error) => eprintln!("nanoclawctl: the owners are not told of {unit} yet, since {error:#}"),
        }
    }
    if let Err(error) = write(&installed, &file, ends) {
        eprintln!("nanoclawctl: that {unit} has failed is not remembered: {error:#}");
    }
    if delay >= Duration::from_secs(1) {
        let times = ends.in_a_row;
        eprintln!("nanoclawctl: {unit} failed {times} times in a row: it is started again in {} s", delay.as_secs());
    }
    thread::sleep(delay);
    Ok(ExitCode::SUCCESS)
}

/// Whose fault an end is, by what systemd says of it, systemd.exec(5); none where it is no failure.
fn fault(result: &str, status: &str) -> Option<Fault> {
    match (result, status) {
        ("success", _) => None,
        ("signal", "KILL" | "TERM" | "INT") => Some(Fault::Outside),
        _ => Some(Fault::Own),
    }
}

impl Ends {
    /// What is remembered after one more failure, and how long to wait.
    fn after(self, fault: Fault, now: Timestamp) -> (Self, Duration) {
        let mut restarts = Restarts::after(self.in_a_row);
        let lived = Duration::from_millis(now.ms_since(Timestamp(self.began)));
        let delay = restarts.delay(lived, fault);
        let in_a_row = restarts.in_a_row();
        let began = now.plus_ms(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)).0;
        (Self { in_a_row, began, told: self.told && in_a_row > 1 }, delay)
    }
}

fn words(unit: &str, in_a_row: u32) -> String {
    format!(
        "{unit} has failed {in_a_row} times in a row. It is started again by itself, at last every half minute, and comes back \
         when it is mended; `{}` says why, and `nanoclawctl doctor` what to do.",
        notice::manager().journal(unit)
    )
}

fn read(file: &Path) -> Ends {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut numbers = text.split_whitespace().map_while(|word| word.parse::<i64>().ok());
    let mut next = || numbers.next().unwrap_or_default();
    Ends { in_a_row: u32::try_from(next()).unwrap_or_default(), began: next(), told: next() != 0 }
}

fn write(installed: &Installed, file: &Path, ends: Ends) -> anyhow::Result<()> {
    let failed = || format!("failed to write {}", quoted(file));
    if let Some(directory) = file.parent() {
        installed.make_dir(directory)?;
    }
    // Beside it first: one who was killed in between would leave half of it.
    let new = PathBuf::from(format!("{}.new", file.display()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(failed),
        _ => {}
    }
    installed.make_file(&new, &format!("{} {} {}\n", ends.in_a_row, ends.began, i32::from(ends.told)))?;
    fs::rename(&new, file).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_programs_own_unless_somebody_ended_it() {
        assert_eq!(fault("success", "0"), None);
        for own in
            [("exit-code", "1"), ("exit-code", "78"), ("core-dump", "SEGV"), ("watchdog", "ABRT"), ("timeout", "KILL")]
        {
            assert_eq!(fault(own.0, own.1), Some(Fault::Own), "{own:?}");
        }
        assert_eq!(fault("oom-kill", "KILL"), Some(Fault::Own));
        assert_eq!(fault("signal", "KILL"), Some(Fault::Outside));
        assert_eq!(fault("signal", "SEGV"), Some(Fault::Own));
    }

    #[test]
    fn failures_in_a_row_wait_longer_and_a_minute_of_life_ends_the_row() {
        let mut at = 1_000_000;
        let mut ends = Ends::default();
        let mut fail = |lived: i64| {
            at += lived;
            let (next, delay) = ends.after(Fault::Own, Timestamp(at));
            at += i64::try_from(delay.as_millis()).unwrap();
            ends = Ends { told: next.in_a_row >= TOLD_AFTER, ..next };
            (next.in_a_row, delay.as_secs(), next.told)
        };
        assert_eq!(
            [fail(0), fail(10), fail(10), fail(10)],
            [(1, 0, false), (2, 1, false), (3, 2, false), (4, 4, true)]
        );
        assert_eq!([fail(61_000), fail(10)], [(1, 0, false), (2, 1, false)]);
    }

    #[test]
    fn what_is_no_record_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.service");
        assert_eq!(read(&file), Ends::default());
        for (text, ends) in [
            ("nonsense", Ends::default()),
            ("3 99 1\n", Ends { in_a_row: 3, began: 99, told: true }),
            ("-3 99", Ends { in_a_row: 0, began: 99, told: false }),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(read(&file), ends, "{text}");
        }
    }
}
