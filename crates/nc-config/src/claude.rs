//! Finds the Claude Code binary that an installation uses. Nothing is run for it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nc_model::ClaudeVersion;

use crate::{Config, Installation};

/// How the binary's file is called.
pub const CLAUDE: &str = "claude";

/// Where the binary was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaudeSource {
    /// The key `claude_path` names it.
    Configured,
    /// `PATH` has it.
    Path,
    /// `nanoclawctl claude fetch` put it into the installation.
    Fetched(ClaudeVersion),
}

/// The binary that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claude {
    /// The file itself, behind all links.
    pub path: PathBuf,
    /// Where it was found.
    pub source: ClaudeSource,
    /// What was found before it and is of no use, with why.
    pub passed_over: Vec<Unusable>,
}

/// A file that is called like the binary and is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// Why, in words that fit after its name.
    pub why: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.path.to_string_lossy(), self.why)
    }
}

/// There is no binary that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoClaude {
    /// The key `claude_path` names something else.
    #[error("claude_path names {0}")]
    Configured(Unusable),
    /// Neither `PATH` nor the installation has one.
    #[error(
        "there is no Claude Code binary in PATH or in {fetched:?}{}: `nanoclawctl claude fetch` brings one",
        .passed_over.iter().map(|one| format!("; {one}")).collect::<Vec<_>>().concat()
    )]
    Nowhere {
        /// Where a fetched one would lie.
        fetched: PathBuf,
        /// What was found, with why it is of no use.
        passed_over: Vec<Unusable>,
    },
}

/// Finds the binary: the one that `claude_path` names or, where it names none, the first in `search_path` (the value of
/// `PATH`), else the newest that was fetched.
///
/// # Errors
/// [`NoClaude`]
pub fn find_claude(
    config: &Config,
    installation: &Installation,
    search_path: Option<&OsStr>,
) -> Result<Claude, NoClaude> {
    if let Some(configured) = &config.claude_path {
        let path = installation.dir().join(configured);
        return match examine(&path) {
            Ok(path) => Ok(Claude { path, source: ClaudeSource::Configured, passed_over: Vec::new() }),
            Err(why) => Err(NoClaude::Configured(Unusable { path, why })),
        };
    }
    let in_path = std::env::split_paths(search_path.unwrap_or_default()).filter(|dir| dir.is_absolute());
    let candidates = in_path.map(|dir| (dir.join(CLAUDE), ClaudeSource::Path)).chain(fetched(installation));
    let mut passed_over = Vec::new();
    for (path, source) in candidates.filter(|(path, _)| path.symlink_metadata().is_ok()) {
        match examine(&path) {
            Ok(path) => return Ok(Claude { path, source, passed_over }),
            Err(why) => passed_over.push(Unusable { path, why }),
        }
    }
    Err(NoClaude::Nowhere { fetched: installation.claude_dir(), passed_over })
}

/// The binaries that were fetched, the newest first.
fn fetched(installation: &Installation) -> impl Iterator<Item = (PathBuf, ClaudeSource)> {
    let dir = installation.claude_dir();
    let names = fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut versions: Vec<_> = names.filter_map(|name| ClaudeVersion::parse(name.to_str()?)).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions
        .into_iter()
        .map(move |version| (dir.join(version.to_string()).join(CLAUDE), ClaudeSource::Fetched(version)))
}

/// The file behind all links, where it is a program for this machine; else why it is not.
fn examine(path: &Path) -> Result<PathBuf, String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "is not there, or a link in it leads nowhere".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let real = fs::canonicalize(path).map_err(cannot)?;
    let found = fs::metadata(&real).map_err(cannot)?;
    if !found.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Err("may not be executed: chmod +x".to_owned());
    }
    let mut head = [0; 20];
    let length = read_head(&real, &mut head).map_err(cannot)?;
    check_head(&head[..length])?;
    Ok(real)
}

fn read_head(path: &Path, head: &mut [u8]) -> io::Result<usize> {
    let mut file = File::open(path)?;
    let mut length = 0;
    while length < head.len() {
        match file.read(&mut head[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// What the ELF header calls this machine (`e_machine`, elf(5)); none where this program does not know.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else {
    None
};

fn check_head(head: &[u8]) -> Result<(), String> {
    if head.starts_with(b"#!") {
        return Err("is a script that wants an interpreter, and not the binary itself".to_owned());
    }
    if head.len() < 20 || !head.starts_with(b"\x7fELF") {
        return Err("is not an ELF program".to_owned());
    }
    let order: fn([u8; 2]) -> u16 = if head[5] == 2 { u16::from_be_bytes } else { u16::from_le_bytes };
    if MACHINE.is_some_and(|ours| ours != order([head[18], head[19]])) {
        return Err("is a program for another kind of machine".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::{Options, load};

    /// A directory with an installation, and directories `a` and `b` for `PATH`.
    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            for name in ["house", "a", "b"] {
                fs::create_dir(dir.path().join(name)).unwrap();
            }
            Self(dir)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn put(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        }

        fn program(&self, name: &str) -> PathBuf {
            let mut elf = fs::read("/proc/self/exe").unwrap();
            elf.truncate(64);
            self.put(name, &elf)
        }

        fn find(&self, configured: &str) -> Result<Claude, NoClaude> {
            let set = vec![format!("claude_path={configured}")];
            let loaded = load(&Options { dir: Some(self.path("house")), set }).unwrap();
            let search = std::env::join_paths([self.path("a"), self.path("b"), PathBuf::from(".")]).unwrap();
            find_claude(&loaded.config, &loaded.installation, Some(&search))
        }
    }

    #[test]
    fn path_comes_before_what_was_fetched_and_of_that_the_newest() {
        let place = Place::new();
        assert!(matches!(place.find(""), Err(NoClaude::Nowhere { .. })));
        place.program("house/data/claude/2.1.9/claude");
        let newest = place.program("house/data/claude/2.1.10/claude");
        place.program("house/data/claude/9.9/claude");
        place.program("house/data/claude/.fetching/claude");
        let found = place.find("").unwrap();
        assert_eq!((found.path, found.source), (newest, ClaudeSource::Fetched(ClaudeVersion(2, 1, 10))));
        let real = place.program("b/claude-2.1.5");
        symlink(&real, place.path("b/claude")).unwrap();
        let found = place.find("").unwrap();
        assert_eq!((found.path, found.source), (real, ClaudeSource::Path));
    }

    #[test]
    fn what_is_no_program_is_passed_over_with_why() {
        let place = Place::new();
        place.put("a/claude", b"#!/usr/bin/env node\n");
        let said = place.find("").unwrap_err().to_string();
        assert!(said.contains("a/claude\" is a script") && said.contains("claude fetch"), "{said}");
        let program = place.program("b/claude");
        let found = place.find("").unwrap();
        assert_eq!(found.path, program);
        assert!(found.passed_over[0].to_string().contains("is a script"), "{found:?}");
    }

    #[test]
    fn what_the_configuration_names_is_used_or_nothing() {
        let place = Place::new();
        place.program("a/claude");
        let own = place.program("house/own/claude");
        assert_eq!(place.find("own/claude").unwrap().path, own);
        let other = [b"\x7fELF\x02\x01\x01".to_vec(), vec![0; 11], vec![0xff, 0xff]].concat();
        let cases: [(&[u8], &str); 4] = [
            (b"#!/bin/sh", "is a script"),
            (b"", "is not an ELF program"),
            (b"\x7fELF", "is not an ELF program"),
            (&other, "for another kind of machine"),
        ];
        for (content, why) in cases {
            place.put("house/own/claude", content);
            let said = place.find("own/claude").unwrap_err().to_string();
            assert!(said.starts_with("claude_path names ") && said.contains(why), "{said}");
        }
        for (path, why) in [("own", "is not a regular file"), ("nowhere", "is not there")] {
            let said = place.find(path).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
        fs::set_permissions(place.program("house/own/claude"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(place.find("own/claude").unwrap_err().to_string().contains("may not be executed"));
    }
}
