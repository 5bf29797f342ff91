//! What was measured: a figure is a name, a unit, an aim and its samples.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// What a sample counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    PerSecond,
    PerMinute,
    Mebibytes,
    Count,
}

impl Unit {
    const ALL: [Self; 6] =
        [Self::Milliseconds, Self::Microseconds, Self::PerSecond, Self::PerMinute, Self::Mebibytes, Self::Count];

    /// As people write it behind a number, and as it is kept.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::PerSecond => "/s",
            Self::PerMinute => "/min",
            Self::Mebibytes => "MiB",
            Self::Count => "",
        }
    }

    /// Whether more of it is worse.
    pub(crate) fn is_better_small(self) -> bool {
        self != Self::PerSecond
    }
}

/// One figure; its samples are in the order in which they were taken.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    /// What it should be, in words; empty where nothing was promised.
    pub(crate) aim: String,
    pub(crate) unit: Unit,
    pub(crate) samples: Vec<f64>,
}

impl Figure {
    /// The sample below which `percent` of all lie.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": self.unit.name(),
            "aim": self.aim,
            "p50": self.percentile(50),
            "p95": self.percentile(95),
            "samples": self.samples,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let unit = text("unit")?;
        let samples = value.get("samples")?.as_array()?.iter().filter_map(Value::as_f64).collect();
        Some(Self {
            what: text("what")?,
            aim: text("aim")?,
            unit: Unit::ALL.into_iter().find(|known| known.name() == unit)?,
            samples,
        })
    }
}

/// What was measured in one go, in order.
#[derive(Debug, Default)]
pub(crate) struct Figures(pub(crate) Vec<Figure>);

impl Figures {
    /// Keeps the samples of a span.
    pub(crate) fn spans(&mut self, what: impl Into<String>, aim: &str, samples: &[Duration]) {
        let samples = samples.iter().map(|sample| sample.as_secs_f64() * 1e3).collect();
        self.samples(what, aim, Unit::Milliseconds, samples);
    }

    /// Keeps a figure that was taken once.
    pub(crate) fn one(&mut self, what: impl Into<String>, aim: &str, unit: Unit, value: f64) {
        self.samples(what, aim, unit, vec![value]);
    }

    pub(crate) fn samples(&mut self, what: impl Into<String>, aim: &str, unit: Unit, samples: Vec<f64>) {
        let figure = Figure { what: what.into(), aim: aim.to_owned(), unit, samples };
        eprintln!("  {} {}", figure.what, in_words(figure.percentile(50), unit));
        self.0.push(figure);
    }

    pub(crate) fn table(&self) -> String {
        let width = self.0.iter().map(|figure| figure.what.chars().count()).max().unwrap_or(0);
        let mut table = format!("{:<width$} {:>6} {:>12} {:>12} {:>12} {:>10}\n", "", "n", "p50", "p95", "most", "aim");
        for figure in &self.0 {
            let of = |percent| in_words(figure.percentile(percent), figure.unit);
            let (p95, most) = if figure.samples.len() > 1 { (of(95), of(100)) } else { (String::new(), String::new()) };
            let Figure { what, aim, samples, .. } = figure;
            let n = samples.len();
            let line = writeln!(table, "{what:<width$} {n:>6} {:>12} {p95:>12} {most:>12} {aim:>10}", of(50));
            line.expect("a string takes everything");
        }
        table
    }
}

/// A value with its unit, with as many digits as help.
pub(crate) fn in_words(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let digits = if value >= 100.0 || value == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {}", unit.name())
}
