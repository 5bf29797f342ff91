//! Asking a binary for its version.

use std::path::Path;
use std::time::Duration;

use nc_config::ClaudeVersion;

use crate::bounded::{self, Unfinished};
use crate::output::{harmless, quoted};

/// The oldest version that `nc-agent` can drive: it has the wire that the provider speaks.
pub(crate) const OLDEST: ClaudeVersion = ClaudeVersion(2, 1, 0);

/// How long a binary may take to say its version. Ordinary are 0.02 s, and 0.2 s from a cold disk.
const LONGEST: Duration = Duration::from_secs(10);

/// How much of what is no version an error shows, in characters.
const SHOWN: usize = 60;

/// The version that the binary `path` says it has, where it is one that can be used; else why not, as a sentence.
///
/// It is run without our environment, and with a home that does not exist.
pub(crate) async fn ask(path: &Path) -> Result<ClaudeVersion, String> {
    let mut command = bounded::command(path);
    command.arg("--version").env_clear().env("HOME", "/nonexistent").env("DISABLE_AUTOUPDATER", "1").current_dir("/");
    let name = quoted(path);
    let ran = match bounded::run(command, LONGEST).await {
        Ok(ran) => ran,
        Err(Unfinished::NotStarted(error)) => return Err(format!("{name} cannot be started: {error}")),
        Err(late) => return Err(format!("{name} {late} when it was asked for its version")),
    };
    if !ran.status.success() {
        let said = shown(if ran.stderr.trim().is_empty() { &ran.stdout } else { &ran.stderr });
        return Err(format!("{name} ended with {} when it was asked for its version: {said}", ran.status));
    }
    match parse(&ran.stdout) {
        None => Err(format!("{name} is no Claude Code: asked for its version it says {}", shown(&ran.stdout))),
        Some(version) if version < OLDEST => Err(format!("{name} is version {version}: it must be {OLDEST} or newer")),
        Some(version) => Ok(version),
    }
}

/// Reads `2.1.331 (Claude Code)`.
fn parse(said: &str) -> Option<ClaudeVersion> {
    let (version, name) = said.trim().split_once(' ')?;
    ClaudeVersion::parse(version).filter(|_| name == "(Claude Code)")
}

fn shown(said: &str) -> String {
    let line = said.trim().lines().next().unwrap_or_default();
    format!("{:?}", harmless(&line.chars().take(SHOWN).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_and_nothing_else_is_taken_for_one() {
        assert_eq!(parse("2.1.331 (Claude Code)\n"), Some(ClaudeVersion(2, 1, 331)));
        for other in ["", "2.1.331", "2.1.331 (Other)", "v2.1.331 (Claude Code)", "x\n2.1.331 (Claude Code)"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
