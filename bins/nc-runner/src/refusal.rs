//! Why a run does not begin.

use std::path::Path;

use nc_daemon::Failure;
use nc_store::{Exit, StoreError};

/// Why a run does not begin.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The session has a run, or one that is not yet accounted for.
    Busy,
    /// This request cannot be granted as things are; the next may.
    Request(String),
    /// This program cannot do its work.
    Failure(Failure),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failure(failed(error))
    }
}

impl Refusal {
    /// Refuses because of a file or directory.
    pub(crate) fn file(doing: &str, path: &Path, error: std::io::Error) -> Self {
        Self::Failure(Failure::of_system(anyhow::Error::new(error).context(at(doing, path))))
    }
}

/// What was tried and on which file, as the context of an error.
pub(crate) fn at(doing: &str, path: &Path) -> String {
    format!("{doing} \"{}\"", path.display())
}

/// The store's word on whether a later try may succeed.
pub(crate) fn failed(error: StoreError) -> Failure {
    match error.exit() {
        Exit::Look => Failure::config(error),
        Exit::Again => Failure::again(error),
    }
}
