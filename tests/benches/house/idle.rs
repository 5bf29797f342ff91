//! What the programs use when nothing happens.

use std::fs;
use std::time::Duration;

use nc_testkit::{Toolkit, processes};

struct Usage {
    pid: i32,
    name: String,
    switches: u64,
    cpu_ticks: u64,
}

/// Prints memory at rest, and processor time and wake-ups over `span`, of every program of the house.
pub(crate) fn print(kit: &mut Toolkit, span: Duration) {
    let before = usage(kit);
    // The one place where time itself is what is measured.
    std::thread::sleep(span);
    let after = usage(kit);
    println!("Idle for {} s, an agent there      {:>10} {:>12} {:>10}", span.as_secs(), "PSS", "CPU", "wake-ups");
    for Usage { pid, name, switches, cpu_ticks } in &after {
        let Some(earlier) = before.iter().find(|u| u.pid == *pid) else { continue };
        let milliseconds = (cpu_ticks - earlier.cpu_ticks) * 10;
        println!(
            "{name:<35} {:>7.1} MiB {milliseconds:>9} ms {:>10}",
            pss_kib(*pid) / 1024.0,
            switches - earlier.switches
        );
    }
    println!("(aim: 10 MiB each and no wake-ups; a tick of CPU is 10 ms)");
}

fn usage(kit: &Toolkit) -> Vec<Usage> {
    let up = kit.up_ref().pid();
    let mut all = processes::below(up);
    all.extend(processes::all().into_iter().filter(|process| process.pid == up));
    all.sort_by_key(|process| process.pid);
    let usages = all.into_iter().filter_map(|process| {
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

fn pss_kib(pid: i32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find(|line| line.starts_with("Pss:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0.0)
}
