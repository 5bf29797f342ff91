//! Reports on disk: one file of JSON and one picture for each, beside the build, so that two can be compared.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::figures::{Figure, Figures};

/// The layout of the files; another one is refused.
const FORMAT: u64 = 1;

/// A report as it is kept.
pub(crate) struct Kept {
    pub(crate) when: String,
    pub(crate) machine: String,
    pub(crate) figures: Figures,
}

/// Where reports are kept: `NC_BENCH_KEEP`, or `bench/` in the directory of the build.
pub(crate) fn directory() -> PathBuf {
    if let Some(named) = std::env::var_os("NC_BENCH_KEEP") {
        return named.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(3).unwrap_or(Path::new("target")).join("bench")
}

impl Kept {
    /// A report of now.
    pub(crate) fn now(figures: Figures) -> Self {
        Self { when: nc_store::now().to_string(), machine: crate::machine::description(), figures }
    }

    /// Writes `<kind>-<when>.json` and `.svg`, and returns the former's path.
    pub(crate) fn write(&self, kind: &str) -> anyhow::Result<PathBuf> {
        let directory = directory();
        fs::create_dir_all(&directory).with_context(|| format!("{}", directory.display()))?;
        let name = format!("{kind}-{}", self.when.replace(':', ""));
        let figures: Vec<Value> = self.figures.0.iter().map(Figure::to_json).collect();
        let whole = json!({"format": FORMAT, "when": self.when, "machine": self.machine, "figures": figures});
        let file = directory.join(format!("{name}.json"));
        fs::write(&file, format!("{whole:#}\n")).with_context(|| format!("{}", file.display()))?;
        let picture = directory.join(format!("{name}.svg"));
        fs::write(&picture, crate::picture::draw(self)).with_context(|| format!("{}", picture.display()))?;
        Ok(file)
    }

    /// # Errors
    /// Where the file is not a report, with what is wrong in it.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        let whole: Value = serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
        if whole.get("format").and_then(Value::as_u64) != Some(FORMAT) {
            bail!("{}: \"format\" is not {FORMAT}: this is no report, or one of another version", file.display());
        }
        let text = |name: &str| whole.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = whole.get("figures").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut figures = Figures::default();
        for (n, value) in list.iter().enumerate() {
            let figure = Figure::from_json(value);
            figures.0.push(figure.with_context(|| format!("{}: figure {n} is not whole", file.display()))?);
        }
        Ok(Self { when: text("when"), machine: text("machine"), figures })
    }
}

/// The two newest reports of the benchmark, the older first.
pub(crate) fn newest_two() -> anyhow::Result<[PathBuf; 2]> {
    let directory = directory();
    let entries = fs::read_dir(&directory).with_context(|| format!("{}", directory.display()))?;
    let mut reports: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_report(path)).collect();
    // The name ends with the time.
    reports.sort();
    let newest = reports.last_chunk::<2>();
    newest.cloned().with_context(|| format!("{}: fewer than two reports; run make bench", directory.display()))
}

fn is_report(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bench-"));
    named && path.extension().is_some_and(|extension| extension == "json")
}
