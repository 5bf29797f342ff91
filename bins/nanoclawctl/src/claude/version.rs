//! Asking a binary for its version.

use std::path::Path;
use std::time::Duration;

use nc_model::{ClaudeVersion, OLDEST_CLAUDE};

use crate::bounded::{self, Unfinished};
use crate::output::{harmless, quoted};

/// How long a binary may take to say its version. Ordinary are 0.02 s, and 0.2 s from a cold disk.
const LONGEST: Duration = Duration::from_secs(10);

/// How much of what is no version an error shows, in characters.
const SHOWN: usize = 60;

/// The version that the binary `path` says it has, where it is one that can be used; else why not, as a sentence.
///
/// It is run without our environment, and with a home that does not exist.
pub(crate) async fn ask(path: &Path) -> Result<ClaudeVersion, String> {
    ask_within(path, LONGEST).await
}

async fn ask_within(path: &Path, longest: Duration) -> Result<ClaudeVersion, String> {
    let mut command = bounded::command(path);
    command.arg("--version").env_clear().env("HOME", "/nonexistent").env("DISABLE_AUTOUPDATER", "1").current_dir("/");
    let name = quoted(path);
    let ran = match bounded::run(command, longest).await {
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
        Some(version) if version < OLDEST_CLAUDE => {
            Err(format!("{name} is version {version}: it must be {OLDEST_CLAUDE} or newer"))
        }
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What is said of a program that is this script.
    fn asked(script: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claude");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Another test's child may have the script open for writing for a moment.
        let busy = |answer: &String| answer.contains("Text file busy");
        let ask = || runtime.block_on(ask_within(&path, Duration::from_secs(1)));
        let mut answers = std::iter::repeat_with(|| ask().map_or_else(|why| why, |version| version.to_string()));
        answers.by_ref().take(1000).find(|answer| !busy(answer)).unwrap().replace(path.to_str().unwrap(), "PATH")
    }

    #[test]
    fn a_binary_that_is_old_hangs_or_says_rubbish_is_refused_in_a_sentence() {
        assert_eq!(asked("[ \"$1\" = --version ] && echo '2.1.274 (Claude Code)'"), "2.1.274");
        let old = "\"PATH\" is version 2.1.273: it must be 2.1.274 or newer";
        assert_eq!(asked("echo '2.1.273 (Claude Code)'"), old);
        let late = "\"PATH\" did not end within 1 s when it was asked for its version";
        assert_eq!(asked("echo '2.1.331 (Claude Code)'; exec sleep 3600"), late);
        let rubbish = "\"PATH\" is no Claude Code: asked for its version it says \"␛[2J2.1.331\"";
        assert_eq!(asked("printf '\\033[2J2.1.331\\nmore'"), rubbish);
        let failed = "\"PATH\" ended with exit status: 3 when it was asked for its version: \"no\"";
        assert_eq!(asked("echo no >&2; exit 3"), failed);
        assert!(asked("yes").contains("did not end within 1 s"));
        assert!(asked("env | grep -v -e ^HOME= -e ^DISABLE -e ^PWD= -e ^_=; exit 1").ends_with("version: \"\""));
    }

    #[test]
    fn a_version_is_read_and_nothing_else_is_taken_for_one() {
        assert_eq!(parse("2.1.331 (Claude Code)\n"), Some(ClaudeVersion(2, 1, 331)));
        for other in ["", "2.1.331", "2.1.331 (Other)", "v2.1.331 (Claude Code)", "x\n2.1.331 (Claude Code)"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
