//! How a program fails: with which exit status, and why.

use std::io;
use std::process::ExitCode;

/// The end of a program that could not do its work: the reason and the exit status that says what may help.
///
/// What arrives by `?` is taken as [`Failure::again`]: most surprises pass, and an init system that tries again costs
/// less than one that waits for a person. Where only a person can help say so with [`Failure::config`].
#[derive(Debug)]
pub struct Failure {
    status: u8,
    error: anyhow::Error,
}

impl Failure {
    /// The answer is no, or the command failed. Exit status 1.
    pub const FAILED: u8 = 1;
    /// The command line is wrong. Exit status 64, sysexits(3) `EX_USAGE`.
    pub const USAGE: u8 = 64;
    /// A later try may succeed. Exit status 75, sysexits(3) `EX_TEMPFAIL`.
    pub const AGAIN: u8 = 75;
    /// A person must look first. Exit status 78, sysexits(3) `EX_CONFIG`; units say `RestartPreventExitStatus=78`.
    pub const CONFIG: u8 = 78;

    /// A person must look first: exit status 78, and nobody starts the program again by itself.
    pub fn config(error: impl Into<anyhow::Error>) -> Self {
        Self { status: Self::CONFIG, error: error.into() }
    }

    /// A later try may succeed: exit status 75.
    pub fn again(error: impl Into<anyhow::Error>) -> Self {
        Self { status: Self::AGAIN, error: error.into() }
    }

    /// What was asked for did not succeed: exit status 1.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { status: Self::FAILED, error: error.into() }
    }

    /// What the system refused: [`Failure::config`] where its answer stays the same until a person has changed something
    /// (a mode, an owner, what lies in the place of what), [`Failure::again`] for everything else, such as a full disk.
    pub fn of_system(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let kind = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        if kind.is_some_and(needs_a_person) { Self::config(error) } else { Self::again(error) }
    }

    /// The exit status that this failure ends the program with.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.status
    }

    /// The reason, with its chain of causes.
    #[must_use]
    pub fn error(&self) -> &anyhow::Error {
        &self.error
    }

    /// What happens next, in words for the log.
    pub(crate) fn consequence(&self) -> &'static str {
        match self.status {
            Self::CONFIG => "a person must look; not to be started again as it is (exit 78)",
            Self::AGAIN => "a later start may succeed (exit 75)",
            _ => "given up",
        }
    }
}

fn needs_a_person(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidFilename, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
    };
    matches!(
        kind,
        AlreadyExists
            | InvalidFilename
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | ReadOnlyFilesystem
    )
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::again(error)
    }
}

impl From<&Failure> for ExitCode {
    fn from(failure: &Failure) -> Self {
        Self::from(failure.status)
    }
}

#[cfg(test)]
mod tests {
    use nix::libc::{EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EROFS};

    use super::Failure;

    fn refused() -> Result<(), Failure> {
        Err(std::io::Error::other("the disk is away"))?;
        Ok(())
    }

    #[test]
    fn what_arrives_by_question_mark_may_be_tried_again() {
        let status = refused().map_err(|f| f.status());
        assert_eq!(status, Err(75));
    }

    #[test]
    fn what_the_system_refuses_is_for_a_person_unless_it_passes() {
        let status = |errno: i32| {
            let error = anyhow::Error::new(std::io::Error::from_raw_os_error(errno)).context("make \"x\"");
            Failure::of_system(error).status()
        };
        assert_eq!([EACCES, ENAMETOOLONG, ENOENT, ENOTDIR, EROFS].map(status), [78; 5]);
        assert_eq!([EIO, ENOSPC, ELOOP].map(status), [75; 3]);
        assert_eq!(Failure::of_system(anyhow::anyhow!("no word of the system's")).status(), 75);
    }

    #[test]
    fn each_kind_has_its_status() {
        let error = || anyhow::anyhow!("x");
        assert_eq!(Failure::config(error()).status(), 78);
        assert_eq!(Failure::again(error()).status(), 75);
        assert_eq!(Failure::failed(error()).status(), 1);
    }
}
