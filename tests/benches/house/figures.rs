//! A table of medians.

use std::time::Duration;

/// What was measured, in order.
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    what: &'static str,
    aim: &'static str,
    samples: Vec<Duration>,
}

impl Report {
    pub(crate) fn begin() -> Self {
        Self { rows: Vec::new() }
    }

    /// Keeps the samples of one figure.
    pub(crate) fn add(&mut self, what: &'static str, aim: &'static str, mut samples: Vec<Duration>) {
        samples.sort_unstable();
        self.rows.push(Row { what, aim, samples });
    }

    pub(crate) fn print(&self) {
        println!("{:<58} {:>6} {:>9} {:>9} {:>9}", "", "n", "p50", "p95", "aim");
        for Row { what, aim, samples } in &self.rows {
            let (middle, high) = (percentile(samples, 50), percentile(samples, 95));
            println!("{what:<58} {:>6} {middle:>9} {high:>9} {aim:>9}", samples.len());
        }
    }
}

/// The sample below which `percent` of all lie, in words; the samples are sorted.
fn percentile(samples: &[Duration], percent: usize) -> String {
    let index = (samples.len() * percent).div_ceil(100).saturating_sub(1);
    samples.get(index).map_or_else(|| "-".to_owned(), |sample| format!("{:.2} ms", sample.as_secs_f64() * 1000.0))
}
