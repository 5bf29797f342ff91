//! The machine's own npm, which knows the way to its registry.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nc_config::ClaudeVersion;
use tokio::process::Command;

use super::integrity::Integrity;
use super::package::Package;
use super::progress::Progress;
use crate::bounded::{self, Group};
use crate::ending::Refusal;

/// How long npm may take to answer a question: its own patience with a registry that does not answer, and some.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// How long a package may bring no byte. A guess: npm tries again by itself after 10 s and 60 s.
const STALLED: Duration = Duration::from_secs(180);

/// How often is looked how much there is, for whoever watches.
const LOOK: Duration = Duration::from_millis(200);

/// How deep npm's files are looked through; its cache has seven levels.
const DEEPEST: usize = 12;

/// How many lines of what npm says an error shows.
const SHOWN: usize = 8;

/// What to do where there is no npm.
pub(crate) const WITHOUT: &str = "npm, which fetches it, is not in PATH: `apt-get install npm`, or put a Claude Code binary into \
                                  PATH or name one with the key claude_path";

/// npm.
#[derive(Debug)]
pub(crate) struct Npm(PathBuf);

impl Npm {
    /// The one in `PATH`.
    pub(crate) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let found = std::env::split_paths(&path)
            .map(|dir| dir.join("npm"))
            .find(|file| file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok());
        found.map(Self)
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The integrity that was published with `version` of `package`.
    pub(crate) async fn integrity(&self, package: &Package, version: ClaudeVersion) -> anyhow::Result<Integrity> {
        let mut command = self.command(&std::env::temp_dir());
        command.args(["view", "--loglevel=error"]).arg(named(package, version)).arg("dist.integrity");
        let ran = bounded::run(command, ANSWER_WITHIN).await;
        let ran = ran.map_err(|error| Refusal::again(format!("npm {error}")))?;
        if !ran.status.success() {
            return Err(failed("npm view", &ran.status.to_string(), &ran.stderr));
        }
        Integrity::parse(&ran.stdout).ok_or_else(|| {
            Refusal::no(format!("npm knows no version {version} of {}, or no sha512 of it", package.name))
        })
    }

    /// Fetches `version` of `package` into the empty directory `into`, and returns the file.
    pub(crate) async fn pack(
        &self,
        package: &Package,
        version: ClaudeVersion,
        into: &Path,
        progress: &mut Progress,
    ) -> anyhow::Result<PathBuf> {
        let mut command = self.command(into);
        command.args(["pack", "--loglevel=error", "--ignore-scripts"]);
        // A cache of its own: it goes with the directory, and what comes can be watched there.
        command.arg("--cache").arg(into.join("cache")).arg("--pack-destination").arg(into);
        command.arg(named(package, version));
        let mut child = command.spawn().map_err(|error| Refusal::again(format!("npm cannot be started: {error}")))?;
        let _killed_after = Group::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let whole = async { tokio::join!(bounded::said(stdout), bounded::said(stderr), child.wait()) };
        let (_, stderr, status) = tokio::select! {
            ended = whole => ended,
            () = stall(into, progress) => {
                let seconds = STALLED.as_secs();
                return Err(Refusal::again(format!("npm brought nothing for {seconds} s and was ended: try again later")));
            }
        };
        let status = status?;
        if !status.success() {
            return Err(failed("npm pack", &status.to_string(), &stderr));
        }
        let files = fs::read_dir(into)?.flatten().map(|entry| entry.path());
        let mut packages = files.filter(|path| path.extension().is_some_and(|extension| extension == "tgz"));
        packages.next().ok_or_else(|| Refusal::again("npm ended well and brought no package"))
    }

    fn command(&self, directory: &Path) -> Command {
        let mut command = bounded::command(&self.0);
        // It does not ask, nor tell that there is a newer one of itself.
        command.current_dir(directory).env("CI", "1").env("NO_UPDATE_NOTIFIER", "1");
        command
    }
}

fn named(package: &Package, version: ClaudeVersion) -> OsString {
    format!("{}@{version}", package.name).into()
}

fn failed(what: &str, how: &str, stderr: &str) -> anyhow::Error {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).take(SHOWN).collect();
    let said = if lines.is_empty() { "it said nothing".to_owned() } else { lines.join("\n  ") };
    Refusal::again(format!("{what} ended with {how}:\n  {said}"))
}

/// Shows how much has come, and returns when nothing has for too long.
async fn stall(directory: &Path, progress: &mut Progress) {
    let (mut most, mut since) = (0, Instant::now());
    while since.elapsed() < STALLED {
        tokio::time::sleep(LOOK).await;
        let size = largest(directory, DEEPEST);
        if size > most {
            (most, since) = (size, Instant::now());
            progress.show(size);
        }
    }
}

/// The size of the largest file below `directory`.
fn largest(directory: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_file() => found.len(),
        Ok(found) if found.is_dir() && depth > 0 => largest(&entry.path(), depth - 1),
        _ => 0,
    };
    entries.map(size).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_file_is_found_below_directories_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("x"), [0; 7]).unwrap();
        fs::write(dir.path().join("y"), [0; 3]).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        assert_eq!(largest(dir.path(), DEEPEST), 7);
        assert_eq!(largest(dir.path(), 1), 3);
        assert_eq!(largest(&dir.path().join("nowhere"), DEEPEST), 0);
    }

    #[test]
    fn of_what_npm_says_the_first_lines_are_shown() {
        let said = failed("npm view", "exit status: 1", "npm error code E404\n\nnpm error 404 Not Found\n").to_string();
        assert_eq!(said, "npm view ended with exit status: 1:\n  npm error code E404\n  npm error 404 Not Found");
    }
}
