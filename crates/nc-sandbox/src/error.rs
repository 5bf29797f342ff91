//! Why a sandbox could not be built.

use std::io;
use std::path::PathBuf;

/// Why a sandbox could not be built or looked after.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A program that every sandbox needs is not on this machine.
    #[error("{program} is not installed: install the package {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package of Debian and of most others that has it.
        package: &'static str,
    },
    /// bubblewrap gave up before the command ran.
    #[error("bubblewrap could not build the sandbox: {said}")]
    NotBuilt {
        /// The last of what it wrote.
        said: String,
    },
    /// The system refused something with a file or directory.
    #[error("{operation} {path:?}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system refused something without a path.
    #[error("{operation}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Something lies where the sandbox needs a directory or a plain file.
    #[error("{path:?} is not {wanted}: move it away")]
    Misplaced {
        /// Where.
        path: PathBuf,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A seccomp filter could not be made for this processor.
    #[error("the seccomp filters cannot be made: {reason}")]
    Filter {
        /// Why not.
        reason: String,
    },
}

impl SandboxError {
    pub(crate) fn system(operation: &'static str) -> impl Fn(nix::Error) -> Self {
        move |errno| Self::System { operation, source: errno.into() }
    }

    pub(crate) fn io(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { operation, source }
    }

    pub(crate) fn file(operation: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::File { operation, path: path.into(), source: source.into() }
    }

    /// Whether trying again without a change to the machine is of no use.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Filter { .. } | Self::Misplaced { .. })
    }
}
