//! Why the agent ends out of order, and with which status.

use std::fmt;
use std::process::ExitCode;

/// Why the agent ends out of order.
pub(crate) enum Failure {
    /// A later start may go well.
    Again(anyhow::Error),
    /// It never will, until a person changed something.
    Look(anyhow::Error),
}

impl Failure {
    pub(crate) fn again(error: impl Into<anyhow::Error>) -> Self {
        Self::Again(error.into())
    }

    pub(crate) fn look(error: impl Into<anyhow::Error>) -> Self {
        Self::Look(error.into())
    }

    pub(crate) fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Again(_) => 75,
            Self::Look(_) => 78,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again(error) => write!(f, "{error:#}; what was not finished is given to the next agent"),
            Self::Look(error) => write!(f, "{error:#}; a person must look"),
        }
    }
}
