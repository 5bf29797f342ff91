//! Two reports beside each other: `make bench-compare`.

use std::path::Path;

use crate::figures::{Figure, in_words};
use crate::kept::Kept;

/// What changed less than this share counts as the same.
const SHARE: f64 = 0.10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Better,
    Worse,
}

/// Prints the comparison, and says whether nothing is worse.
pub(crate) fn print(older: &Path, newer: &Path) -> anyhow::Result<bool> {
    let (older, newer) = (Kept::read(older)?, Kept::read(newer)?);
    println!("older: {}  {}\nnewer: {}  {}\n", older.when, older.machine, newer.when, newer.machine);
    let width = newer.figures.0.iter().map(|figure| figure.what.chars().count()).max().unwrap_or(0);
    println!("{:<width$} {:>12} {:>12} {:>9}", "p50", "older", "newer", "change");
    let mut worse = 0;
    for figure in &newer.figures.0 {
        let what = &figure.what;
        let Some(before) = older.figures.0.iter().find(|old| old.what == *what && old.unit == figure.unit) else {
            println!("{what:<width$} {:>12} {:>12}", "-", in_words(figure.percentile(50), figure.unit));
            continue;
        };
        let (change, verdict) = judge(before, figure);
        let of = |figure: &Figure| in_words(figure.percentile(50), figure.unit);
        let word = match verdict {
            Verdict::Same => "",
            Verdict::Better => "  better",
            Verdict::Worse => "  WORSE",
        };
        println!("{what:<width$} {:>12} {:>12} {:>+8.1} %{word}", of(before), of(figure), change * 100.0);
        worse += usize::from(verdict == Verdict::Worse);
    }
    for gone in older.figures.0.iter().filter(|old| !newer.figures.0.iter().any(|new| new.what == old.what)) {
        println!("{:<width$} {:>12} {:>12}", gone.what, in_words(gone.percentile(50), gone.unit), "-");
    }
    println!("\n{worse} worse (a change over {:.0} %, and the middle halves of the samples lie apart)", SHARE * 100.0);
    Ok(worse == 0)
}

/// The change of the median as a share, and what to think of it.
fn judge(older: &Figure, newer: &Figure) -> (f64, Verdict) {
    let (Some(before), Some(after)) = (older.percentile(50), newer.percentile(50)) else { return (0.0, Verdict::Same) };
    if before == 0.0 {
        return (0.0, if after == 0.0 { Verdict::Same } else { Verdict::Worse });
    }
    let change = after / before - 1.0;
    if change.abs() <= SHARE || halves_meet(older, newer) {
        return (change, Verdict::Same);
    }
    let verdict = if (change > 0.0) == newer.unit.is_better_small() { Verdict::Worse } else { Verdict::Better };
    (change, verdict)
}

/// Whether the samples between the quarters overlap; figures that were taken once never do.
fn halves_meet(one: &Figure, other: &Figure) -> bool {
    if one.samples.len() < 4 || other.samples.len() < 4 {
        return false;
    }
    let half = |figure: &Figure| Some((figure.percentile(25)?, figure.percentile(75)?));
    let (Some((low, high)), Some((other_low, other_high))) = (half(one), half(other)) else { return false };
    low <= other_high && other_low <= high
}
