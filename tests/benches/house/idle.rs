//! What the programs use when nothing happens.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nc_testkit::Toolkit;
use nc_testkit::processes::{self, Process};

use crate::figures::{Figures, Unit};

/// What one program has used so far.
pub(crate) struct Usage {
    pub(crate) pid: i32,
    pub(crate) name: String,
    /// How often a thread of it waited, and so woke up.
    pub(crate) switches: u64,
    cpu_ticks: u64,
}

/// Memory at rest, and processor time and wake-ups over `span`, of every program of the house.
pub(crate) fn measure(figures: &mut Figures, kit: &mut Toolkit, span: Duration) {
    let before = usage(kit);
    // The one place where time itself is what is measured.
    std::thread::sleep(span);
    keep(figures, "", &before, &usage(kit), span);
}

/// Keeps what each program used between two looks; `place` stands before its name.
pub(crate) fn keep(figures: &mut Figures, place: &str, before: &[Usage], after: &[Usage], span: Duration) {
    let minutes = span.as_secs_f64() / 60.0;
    let a_minute = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / minutes;
    let mut whole = 0.0;
    let mut programs: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for Usage { pid, name, switches, cpu_ticks } in after {
        let Some(earlier) = before.iter().find(|u| u.pid == *pid) else { continue };
        let pss = pss_kib(*pid) / 1024.0;
        whole += pss;
        // A tick is a hundredth of a second.
        let used = [pss, a_minute(switches - earlier.switches), a_minute(cpu_ticks - earlier.cpu_ticks) * 10.0];
        let sum = programs.entry(name).or_default();
        sum.iter_mut().zip(used).for_each(|(sum, more)| *sum += more);
    }
    for (name, [pss, switches, processor]) in programs {
        figures.one(format!("{place}{name} idle: memory (PSS)"), "10 MiB", Unit::Mebibytes, pss);
        figures.one(format!("{place}{name} idle: wake-ups"), "0", Unit::PerMinute, switches);
        figures.one(format!("{place}{name} idle: processor in a minute"), "0", Unit::Milliseconds, processor);
    }
    figures.one(format!("{place}all programs idle: memory (PSS)"), "30 MiB", Unit::Mebibytes, whole);
}

/// Every program of the house.
pub(crate) fn usage(kit: &Toolkit) -> Vec<Usage> {
    let up = kit.up_ref().pid();
    let mut all = processes::below(up);
    all.extend(processes::all().into_iter().filter(|process| process.pid == up));
    all.sort_by_key(|process| process.pid);
    usage_of(all)
}

/// What these have used so far; who is gone is left out.
pub(crate) fn usage_of(processes: impl IntoIterator<Item = Process>) -> Vec<Usage> {
    let usages = processes.into_iter().filter_map(|process| {
        let (switches, cpu_ticks) = threads(process.pid)?;
        Some(Usage { pid: process.pid, name: process.name, switches, cpu_ticks })
    });
    usages.collect()
}

/// Voluntary context switches and processor ticks of all threads.
fn threads(pid: i32) -> Option<(u64, u64)> {
    let (mut switches, mut ticks) = (0, 0);
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        switches += line.split_whitespace().nth(1)?.parse::<u64>().ok()?;
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        ticks += fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    }
    Some((switches, ticks))
}

/// The memory of a process, with its share of what it shares.
pub(crate) fn pss_kib(pid: i32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find(|line| line.starts_with("Pss:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0.0)
}
