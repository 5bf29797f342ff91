//! A machine's journal.

use serde_json::Value;

use super::script::{said, script};
use super::{Machine, PATIENCE};

impl Machine {
    /// The records of the journal that journalctl(1) finds with these arguments, such as `NANOCLAW_RUN=ID` or `--unit=NAME`,
    /// oldest first; also while the machine is off.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn journal(&self, arguments: &[&str]) -> Vec<Value> {
        // What was logged before now is in the file after this; a machine that is off has nothing to say.
        let _off = said(script("ctl", &self.name).args(["journalctl", "--sync"]), PATIENCE);
        let mut query = script("journal", &self.name);
        query.args(["--output=json", "--all", "--quiet"]).args(arguments);
        let found = said(&mut query, PATIENCE);
        // It ends with 1 where nothing matches, with these words where no unit does.
        let nothing = found.stderr.is_empty() || found.stderr.contains("Failed to add filter for units: No data");
        assert!(found.success() || nothing, "{}: {}", found.command, found.stderr);
        found.stdout.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
    }

    /// The texts of those records.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn logged(&self, arguments: &[&str]) -> Vec<String> {
        self.journal(arguments).iter().filter_map(|record| Some(record.get("MESSAGE")?.as_str()?.to_owned())).collect()
    }
}
