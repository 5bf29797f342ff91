//! What can be wrong with a credential.

use std::io;
use std::path::PathBuf;

use super::secret::Fault;

/// Why credentials cannot be had. It says nothing of their values. A program that meets one exits with 78.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A directory or file lets others in.
    #[error("the {what} {path:?} is open to others (mode {mode:04o}): chmod {mend} {path:?}")]
    Open {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Which they should be.
        mend: &'static str,
    },
    /// Something else lies in a file's or the directory's place.
    #[error("{path:?} is not a {what}: move it away")]
    NotPlain {
        /// What should be there.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot read the credential {path:?}")]
    File {
        /// What was to be read.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What a file holds cannot be a credential.
    #[error("the credential in {path:?} {fault}: `nanoclawctl secret set` writes it anew")]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        fault: Fault,
    },
    /// What an environment variable holds cannot be a credential.
    #[error("the credential in the environment variable {name} {fault}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with its value.
        fault: Fault,
    },
    /// What another program handed over is no list of credentials.
    #[error("what was handed over is no list of credentials: all programs must be of one version")]
    Handed,
}
