//! Notices that the host wrote `inbound.db`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::error::MailboxError;
use crate::mailbox::schema::INBOUND_FILE;

/// A watch on `inbound.db`. Its descriptor becomes readable when the host wrote; then [`Watch::drain`] it, *then* look.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
}

impl Watch {
    /// Watches `inbound.db` in `workspace`.
    ///
    /// The file itself is watched and not its directory: it is a mount of its own, and a change made on the host's side of
    /// it is no event of the directory here.
    ///
    /// # Errors
    /// [`MailboxError::File`] where the system gives no watch: none are left, the file is not there, or it knows no inotify.
    /// Whoever gets it looks at intervals instead.
    pub fn new(workspace: &Path) -> Result<Self, MailboxError> {
        let refused = |errno: Errno| MailboxError::File {
            operation: "watch",
            name: INBOUND_FILE.to_owned(),
            source: errno.into(),
        };
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(refused)?;
        let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
        inotify.add_watch(&workspace.join(INBOUND_FILE), flags).map_err(refused)?;
        Ok(Self { inotify })
    }

    /// Takes every event that is there. What they say does not matter, also an overflow means no more than "look".
    pub fn drain(&self) {
        while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.inotify.as_fd().as_raw_fd()
    }
}
