//! How nanoclawctl ends: which exit status a failure means, and how it is said.

use std::io;
use std::process::ExitCode;

use nc_channel::ChannelError;
use nc_config::{ConfigError, CredentialError};
use nc_daemon::Failure;
use nc_store::{Exit, StoreError};

/// A refusal of our own, with its exit status. The text says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refusal {
    status: u8,
    text: String,
}

impl Refusal {
    /// With the status of a program that failed for us.
    pub(crate) fn with(status: u8, text: impl Into<String>) -> anyhow::Error {
        Self { status, text: text.into() }.into()
    }

    /// The answer is no: 1.
    pub(crate) fn no(text: impl Into<String>) -> anyhow::Error {
        Self { status: Failure::FAILED, text: text.into() }.into()
    }

    /// A later try may succeed: 75.
    pub(crate) fn again(text: impl Into<String>) -> anyhow::Error {
        Self { status: Failure::AGAIN, text: text.into() }.into()
    }

    /// A person must change something first: 78.
    pub(crate) fn look(text: impl Into<String>) -> anyhow::Error {
        Self { status: Failure::CONFIG, text: text.into() }.into()
    }
}

/// The end of the program; a failure is said in one line on standard error, with its whole chain.
pub(crate) fn of(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(status) => status,
        // Whoever read our output has seen enough.
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nanoclawctl: {}", said(&error));
            ExitCode::from(status(&error))
        }
    }
}

/// The chain in one line. A cause that its effect already quotes is not said again.
fn said(error: &anyhow::Error) -> String {
    let mut text = if store_error(error.as_ref()).is_some() { "failed to ".to_owned() } else { String::new() };
    text.push_str(&error.to_string());
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn status(error: &anyhow::Error) -> u8 {
    error.chain().find_map(status_of).unwrap_or(Failure::FAILED)
}

fn status_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(refusal) = cause.downcast_ref::<Refusal>() {
        return Some(refusal.status);
    }
    if cause.is::<ConfigError>() || cause.is::<CredentialError>() {
        return Some(Failure::CONFIG);
    }
    if let Some(store) = store_error(cause) {
        return Some(status_of_store(store));
    }
    cause.downcast_ref::<io::Error>().map(status_of_io)
}

/// The store's own error, also where the channel hands it on.
fn store_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a StoreError> {
    match cause.downcast_ref::<ChannelError>() {
        Some(ChannelError::Store(store)) => Some(store),
        _ => cause.downcast_ref::<StoreError>(),
    }
}

fn status_of_store(error: &StoreError) -> u8 {
    match error {
        StoreError::NoSuch { .. } | StoreError::AlreadyWired { .. } | StoreError::LastOwner { .. } => Failure::FAILED,
        StoreError::FolderTaken { .. }
        | StoreError::MainExists { .. }
        | StoreError::NameTaken { .. }
        | StoreError::BadValue { .. } => Failure::CONFIG,
        other => match other.exit() {
            Exit::Again => Failure::AGAIN,
            Exit::Look => Failure::CONFIG,
        },
    }
}

fn status_of_io(error: &io::Error) -> u8 {
    use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    match error.kind() {
        AlreadyExists | IsADirectory | NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem => {
            Failure::CONFIG
        }
        _ => Failure::AGAIN,
    }
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<crate::output::Closed>().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_refuses_a_channel_ends_as_what_it_refuses_anybody() {
        let refusal = || StoreError::TooMany { given: 2, most: 1 };
        let direct = anyhow::Error::new(refusal());
        let through_a_channel = anyhow::Error::new(ChannelError::Store(refusal()));
        let deeper = anyhow::Error::new(ChannelError::Store(refusal())).context("failed to say it");
        for error in [&direct, &through_a_channel, &deeper] {
            assert_eq!((status(error), &said(error)[..10]), (Failure::AGAIN, "failed to "), "{error:?}");
        }
    }
}
