//! Who an agent is on the host.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User};

use crate::SandboxError;

/// The first of the uids that root takes for sandboxes where nobody owns the installation. systemd's page on users and
/// groups calls 60578 to 61183 unused, and neither Debian nor systemd gives them to anybody.
pub const FIRST_UNNAMED_UID: u32 = 60_578;

/// The last of them.
pub const LAST_UNNAMED_UID: u32 = 61_183;

/// Who an agent is on the host, and so which files it may touch. It is never root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Whoever runs this program.
    Own,
    /// This user: root started us, and bubblewrap is started as that user.
    Drop {
        /// The user.
        uid: u32,
        /// The group; there are no others.
        gid: u32,
    },
}

impl Identity {
    /// Takes the user that we are; for root the owner of `data_dir`, or where that is root an unnamed uid.
    ///
    /// An unnamed uid is the first from [`FIRST_UNNAMED_UID`] that has no name on this machine, so it stays the same.
    ///
    /// # Errors
    /// [`SandboxError`] where `data_dir` or the users cannot be read, or every unnamed uid has a name.
    pub fn for_installation(data_dir: &Path) -> Result<Self, SandboxError> {
        if !Uid::effective().is_root() {
            return Ok(Self::Own);
        }
        let owner = std::fs::metadata(data_dir).map_err(|e| SandboxError::file("read", data_dir, e))?;
        if owner.uid() != 0 {
            let gid = if owner.gid() == 0 { owner.uid() } else { owner.gid() };
            return Ok(Self::Drop { uid: owner.uid(), gid });
        }
        let uid = unnamed_uid()?;
        Ok(Self::Drop { uid, gid: uid })
    }

    /// The uid on the host.
    #[must_use]
    pub fn uid(self) -> u32 {
        match self {
            Self::Own => Uid::effective().as_raw(),
            Self::Drop { uid, .. } => uid,
        }
    }

    /// The gid on the host.
    #[must_use]
    pub fn gid(self) -> u32 {
        match self {
            Self::Own => Gid::effective().as_raw(),
            Self::Drop { gid, .. } => gid,
        }
    }
}

fn unnamed_uid() -> Result<u32, SandboxError> {
    for uid in FIRST_UNNAMED_UID..=LAST_UNNAMED_UID {
        if User::from_uid(Uid::from_raw(uid)).map_err(SandboxError::system("look for a uid without a name"))?.is_none()
        {
            return Ok(uid);
        }
    }
    let source = std::io::Error::other("every uid from 60578 to 61183 has a name: give the data directory to a user");
    Err(SandboxError::System { operation: "find a uid for sandboxes", source })
}
