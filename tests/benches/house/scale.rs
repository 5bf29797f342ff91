//! A house after years beside an empty one: what grows with what is stored?

use std::process::Stdio;
use std::time::{Duration, Instant};

use nc_testkit::{Size, Toolkit, fill};

use crate::figures::Figures;
use crate::{house, starts, turns};

const GROUPS: u32 = 10_000;
const MESSAGES: u64 = 1_000_000;

/// Turns, starts and lists in a house of 10,000 groups and so many messages (a million, unless told).
pub(crate) fn measure(figures: &mut Figures, turns: usize, history: Option<u64>) {
    let messages = history.unwrap_or(MESSAGES);
    let mut kit = house();
    let size = Size { groups: GROUPS, messages: u32::try_from(messages).unwrap_or(u32::MAX) };
    fill(&kit.installation().store_file(), size);
    let whose = format!(" ({messages} messages, {GROUPS} groups)");
    starts::measure_in(figures, &mut kit, &whose, turns.min(20));
    lists(figures, &kit, messages, &whose);
    turns::measure_in(figures, kit, &whose, turns);
}

fn lists(figures: &mut Figures, kit: &Toolkit, messages: u64, whose: &str) {
    let (session, seq) = (format!("0190{:032}", 77), messages.to_string());
    let lists: [&[&str]; 16] = [
        &["group", "list"],
        &["group", "show", "g77"],
        &["chat", "list"],
        &["chat", "list", "--unwired"],
        &["chat", "list", "--group", "g9999"],
        &["session", "list"],
        &["session", "list", "--group", "g1", "--status", "closed"],
        &["session", "show", &session],
        &["run", "list"],
        &["run", "list", "--outcome", "failed"],
        &["run", "list", "--outcome", "failed", "--group", "g9999"],
        &["user", "list"],
        &["user", "list", "--role", "admin"],
        &["destination", "list", "g77"],
        &["why", &seq],
        &["ledger", "--check"],
    ];
    for arguments in lists {
        let samples: Vec<_> = (0..5).map(|_| command(kit, arguments)).collect();
        let shown =
            if arguments[0] == "why" { "why SEQ".to_owned() } else { arguments.join(" ").replace(&session, "ID") };
        figures.spans(format!("nanoclawctl {shown}{whose}"), "1 s", &samples);
    }
}

fn command(kit: &Toolkit, arguments: &[&str]) -> Duration {
    let mut command = kit.program("nanoclawctl");
    command.args(arguments).stdout(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("nanoclawctl starts");
    let took = begun.elapsed();
    assert!(status.success(), "nanoclawctl {arguments:?}: {status}");
    took
}
