//! The package in which the binary is published, for this kind of machine.

use std::path::Path;

use nc_config::ClaudeVersion;

/// The version that this program was made and tested with.
pub(crate) const PINNED: ClaudeVersion = ClaudeVersion(2, 1, 331);

/// The packages of [`PINNED`], by kind of machine: the name, and the integrity that was published with it.
const PACKAGES: &[Package] = &[
    Package {
        machine: ("x86_64", Libc::Gnu),
        name: "@anthropic-ai/claude-code-linux-x64",
        pinned: "sha512-IpvZ9c/NopO/sr8ThWLVAUDXVAFT3auLWrhbR6wq1dgkuJfZYdTtoXf6GajE5KL9R58iTt/86OPXrJAsM4+l8g==",
    },
    Package {
        machine: ("x86_64", Libc::Musl),
        name: "@anthropic-ai/claude-code-linux-x64-musl",
        pinned: "sha512-LZLU4vTmzNeExLi6+om9FminQf/PeAOe6l3YLp2cUoTA+I5/tAUMeoV9xSkDzlerocGry4LifMpT7QPrc+UOHA==",
    },
    Package {
        machine: ("aarch64", Libc::Gnu),
        name: "@anthropic-ai/claude-code-linux-arm64",
        pinned: "sha512-zy+OOB7i1J7rCjNoPB2ZBD7EAtT0Eus1wH+toklZGL2XpwHyw+POGUGOpEBBE6xe5EkAYWXzFSTQ3uD8UtWlRg==",
    },
    Package {
        machine: ("aarch64", Libc::Musl),
        name: "@anthropic-ai/claude-code-linux-arm64-musl",
        pinned: "sha512-Af2TZDXhIqwDT1KpPmXXJvyH7BHk1WaBrKp8H7lbzfMMtUWflEuQCKTrsHrqHK4AVipcMiySNkqfSaIsDGsQMQ==",
    },
];

/// About how large the package is and its binary, in bytes: those of [`PINNED`] for x86-64. For what is shown and for
/// whether there is room; nothing depends on it.
pub(crate) const USUAL_PACKAGE: u64 = 176 << 20;
pub(crate) const USUAL_BINARY: u64 = 380 << 20;

/// Which C library the programs of a machine use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Libc {
    Gnu,
    Musl,
}

/// A package of npm.
#[derive(Debug)]
pub(crate) struct Package {
    machine: (&'static str, Libc),
    /// Its name.
    pub(crate) name: &'static str,
    pinned: &'static str,
}

impl Package {
    /// The one for this machine; none where there is none for its kind.
    pub(crate) fn for_this_machine() -> Option<&'static Self> {
        let machine = (std::env::consts::ARCH, libc());
        PACKAGES.iter().find(|package| package.machine == machine && cfg!(target_os = "linux"))
    }

    /// The integrity of `version` that this program knows by itself.
    pub(crate) fn known_integrity(&self, version: ClaudeVersion) -> Option<&'static str> {
        (version == PINNED).then_some(self.pinned)
    }
}

/// The machine's, not this program's own, which may be a static one: musl's where only musl's loader is there.
fn libc() -> Libc {
    let has = |name: &str| Path::new("/lib").join(format!("{name}{}.so.1", std::env::consts::ARCH)).exists();
    let gnu = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].iter().any(|path| Path::new(path).exists());
    if has("ld-musl-") && !gnu { Libc::Musl } else { Libc::Gnu }
}

#[cfg(test)]
mod tests {
    use super::super::integrity::Integrity;
    use super::*;

    #[test]
    fn every_package_has_an_integrity_of_its_own() {
        let mut all: Vec<_> = PACKAGES.iter().map(|package| Integrity::parse(package.pinned).unwrap()).collect();
        all.dedup();
        assert_eq!(all.len(), PACKAGES.len());
        let package = &PACKAGES[0];
        assert_eq!(package.known_integrity(PINNED), Some(package.pinned));
        assert_eq!(package.known_integrity(ClaudeVersion(2, 1, 330)), None);
    }
}
