//! What a machine's systemd says of its units.

use super::script::{said, script};
use super::{Machine, PATIENCE};

impl Machine {
    /// A property of a unit, such as `ActiveState` or `NRestarts`; empty where it has none.
    ///
    /// # Panics
    /// Where systemd does not answer.
    #[must_use]
    pub fn show(&self, unit: &str, property: &str) -> String {
        let property = format!("--property={property}");
        let words = ["systemctl", "show", &property, "--value", "--", unit];
        said(script("ctl", &self.name).args(words), PATIENCE).ok().trim_end().to_owned()
    }

    /// The loaded units of these patterns, each with its `SUB` state: `running`, `listening`, `failed` and so on.
    ///
    /// # Panics
    /// Where systemd does not answer.
    #[must_use]
    pub fn units(&self, patterns: &[&str]) -> Vec<(String, String)> {
        let words = ["systemctl", "list-units", "--plain", "--no-legend", "--"];
        let listed = said(script("ctl", &self.name).args(words).args(patterns), PATIENCE).ok();
        let line = |line: &str| {
            let mut fields = line.split_whitespace();
            Some((fields.next()?.to_owned(), fields.nth(2)?.to_owned()))
        };
        listed.lines().filter_map(line).collect()
    }

    /// Sends the main process of a unit a signal, such as `KILL`.
    ///
    /// # Panics
    /// Where it has none.
    #[track_caller]
    pub fn kill(&self, unit: &str, signal: &str) {
        let signal = format!("--signal={signal}");
        let words = ["systemctl", "kill", "--kill-whom=main", &signal, "--", unit];
        said(script("ctl", &self.name).args(words), PATIENCE).ok();
    }
}
