//! The container's side of the mailbox: reads `inbound.db`, writes `outbound.db`.
//!
//! `inbound.db` is opened anew for each look and closed after it, so that nothing of a torn or rolled-back file is
//! remembered. `outbound.db` has no other writer and stays open.

mod error;
mod inbound;
mod outbound;
mod watch;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nc_model::Timestamp;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{AccessFlags, access};

pub use error::MailboxError;
pub use inbound::{Address, AddressBook, Addressee, Bounds, Look, PendingRow};
pub use outbound::{NewRow, Settlement};
pub use watch::Watch;

use inbound::Inbound;
use outbound::Outbound;

use super::schema::{BESIDE_INBOUND, HEARTBEAT_FILE, INBOUND_FILE, OUTBOUND_FILE};

/// One session's mailbox, from inside its sandbox.
#[derive(Debug)]
pub struct Mailbox {
    workspace: PathBuf,
    outbound: Outbound,
    /// The highest `seq` of the host's that a look found: where one numbers from while `inbound.db` cannot be read.
    host_seq: i64,
    /// The highest `seq` that was there at the first look: `on_wake` rows above it are for the next container.
    wake_horizon: Option<i64>,
    /// Why the file that was there could not be used.
    unusable: Option<MailboxError>,
}

impl Mailbox {
    /// Opens the mailbox in `workspace`: makes `outbound.db` where it is missing, and gives back what an agent that died
    /// had taken and not finished.
    ///
    /// Whatever ran in the sandbox before may have written the file. One that cannot be used for what stands in it is moved away, and
    /// a new one is made: see [`Self::unusable`].
    ///
    /// # Errors
    /// [`MailboxError`] where `outbound.db` cannot be made, opened or written. `inbound.db` is not looked at yet.
    pub fn open(workspace: &Path) -> Result<Self, MailboxError> {
        match Self::open_as_it_is(workspace) {
            Err(error) if error.is_of_content() => {
                move_away(workspace)?;
                Ok(Self { unusable: Some(error), ..Self::open_as_it_is(workspace)? })
            }
            opened => opened,
        }
    }

    /// Why the `outbound.db` that was there had to make way for a new one; none where it is the same. It is said once.
    pub fn unusable(&mut self) -> Option<MailboxError> {
        self.unusable.take()
    }

    fn open_as_it_is(workspace: &Path) -> Result<Self, MailboxError> {
        let mut outbound = Outbound::open(&workspace.join(OUTBOUND_FILE))?;
        outbound.hand_back()?;
        outbound.clear_tool()?;
        Ok(Self { workspace: workspace.to_owned(), outbound, host_seq: 0, wake_horizon: None, unusable: None })
    }

    fn inbound(&self) -> rusqlite::Result<Inbound> {
        self.clear_beside_inbound();
        Inbound::open(&self.workspace.join(INBOUND_FILE))
    }

    /// Removes what something in the sandbox has put beside the host's file, which is mounted there alone and read-only. Where it is not,
    /// the host writes here itself.
    fn clear_beside_inbound(&self) {
        if access(&self.workspace.join(INBOUND_FILE), AccessFlags::W_OK) != Err(Errno::EROFS) {
            return;
        }
        for name in BESIDE_INBOUND {
            let path = self.workspace.join(name);
            // What cannot be removed is a directory; one that cannot be moved either shows in what SQLite says.
            if fs::remove_file(&path).is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
                let away = self.workspace.join(format!("misplaced-{}-{name}", uuid::Uuid::now_v7()));
                drop(fs::rename(&path, away));
            }
        }
    }

    /// Reads what waits, oldest first and within `bounds`, where any of it asks for a turn.
    ///
    /// A row waits when the host has it as pending, its time has come, and it was not acknowledged. A first row that is
    /// larger than the bounds comes alone. Looking takes nothing: see [`Self::take`].
    ///
    /// # Errors
    /// [`MailboxError::Inbound`] where the file is torn or locked: look again. Others are for good.
    pub fn look(&mut self, now: Timestamp, bounds: Bounds) -> Result<Look, MailboxError> {
        let taken = self.outbound.acknowledged()?;
        let inbound = self.inbound().map_err(MailboxError::Inbound)?;
        let highest = inbound.highest_seq().map_err(MailboxError::Inbound)?;
        let horizon = self.wake_horizon.unwrap_or(highest);
        let look = inbound.look(now, bounds, horizon, &taken).map_err(MailboxError::Inbound)?;
        self.outbound.note_dealt_with(&inbound)?;
        self.host_seq = self.host_seq.max(highest);
        self.wake_horizon = Some(horizon);
        Ok(look)
    }

    /// Acknowledges rows as being worked on.
    ///
    /// # Errors
    /// [`MailboxError::Outbound`] where the file cannot be written; nothing was taken then.
    pub fn take(&mut self, ids: &[&str]) -> Result<(), MailboxError> {
        self.outbound.take(ids)
    }

    /// Writes answers, acknowledgements and state in one transaction, so that no crash comes between them.
    ///
    /// The rows are numbered with the next odd numbers above the highest in both files. Rows that the host has dealt with
    /// long since are removed in the same transaction.
    ///
    /// # Errors
    /// [`MailboxError::Outbound`] where the file cannot be written; nothing of it happened then.
    pub fn settle(&mut self, settlement: &Settlement<'_>) -> Result<(), MailboxError> {
        if let Ok(highest) = self.inbound().and_then(|inbound| inbound.highest_seq()) {
            self.host_seq = self.host_seq.max(highest);
        }
        self.outbound.settle(settlement, self.host_seq)
    }

    /// Gives back everything that was taken and not finished: the next agent takes it.
    ///
    /// # Errors
    /// [`MailboxError::Outbound`] where the file cannot be written.
    pub fn hand_back(&mut self) -> Result<(), MailboxError> {
        self.outbound.hand_back()
    }

    /// Whom the agent may address now, and where a reply goes that names nobody.
    ///
    /// # Errors
    /// [`MailboxError::Inbound`] where the file is torn or locked: look again.
    pub fn address_book(&self) -> Result<AddressBook, MailboxError> {
        self.inbound().and_then(|inbound| inbound.address_book()).map_err(MailboxError::Inbound)
    }

    /// The id and the thread of the newest row of a chat that was taken and whose number is at most `up_to`.
    ///
    /// # Errors
    /// [`MailboxError::Inbound`] where the file is torn or locked: look again.
    pub fn newest_taken(&self, chat: &Address, up_to: i64) -> Result<Option<(String, Option<String>)>, MailboxError> {
        let taken = self.outbound.acknowledged()?;
        self.inbound().and_then(|inbound| inbound.newest_taken(chat, up_to, &taken)).map_err(MailboxError::Inbound)
    }

    /// Whether the host has told what became of a row of `messages_out`: then nobody needs its files any more.
    ///
    /// # Errors
    /// [`MailboxError::Inbound`] where the file is torn or locked: look again.
    pub fn is_delivered(&self, message_out: &str) -> Result<bool, MailboxError> {
        self.inbound().and_then(|inbound| inbound.is_delivered(message_out)).map_err(MailboxError::Inbound)
    }

    /// What was left under `key` in `session_state`.
    ///
    /// # Errors
    /// [`MailboxError::Outbound`] where the file cannot be read.
    pub fn state(&self, key: &str) -> Result<Option<String>, MailboxError> {
        self.outbound.state(key)
    }

    /// Leaves `value` under `key` in `session_state`.
    ///
    /// # Errors
    /// [`MailboxError::Outbound`] where the file cannot be written.
    pub fn set_state(&mut self, key: &str, value: &str) -> Result<(), MailboxError> {
        self.settle(&Settlement { state: &[(key.to_owned(), value.to_owned())], ..Settlement::default() })
    }

    /// Says which tool is in flight since `started`, and how long it said it may take.
    ///
    /// # Errors
    /// [`MailboxError::Outbound`] where the file cannot be written.
    pub fn set_tool(&mut self, name: &str, timeout: Option<Duration>, started: Timestamp) -> Result<(), MailboxError> {
        self.outbound.set_tool(name, timeout, started)
    }

    /// Says that no tool is in flight.
    ///
    /// # Errors
    /// [`MailboxError::Outbound`] where the file cannot be written.
    pub fn clear_tool(&mut self) -> Result<(), MailboxError> {
        self.outbound.clear_tool()
    }

    /// Shows that the agent works: sets the time of `.heartbeat` to now, and makes the file where it is missing.
    ///
    /// The file is not opened for it, so the host, which watches this directory for other things, is not woken.
    ///
    /// # Errors
    /// [`MailboxError::File`] where the file cannot be made or its time not be set.
    pub fn touch_heartbeat(&self) -> Result<(), MailboxError> {
        let path = self.workspace.join(HEARTBEAT_FILE);
        let touched = nc_failpoint::before("outbound", "heartbeat").and_then(|()| {
            touch(&path).or_else(|errno| match errno {
                Errno::ENOENT => make_empty(&path),
                other => Err(other.into()),
            })
        });
        touched.map_err(|source| MailboxError::File { operation: "touch", name: HEARTBEAT_FILE.to_owned(), source })
    }
}

/// Moves `outbound.db` out of the way, and its journal, which belongs to no other file.
fn move_away(workspace: &Path) -> Result<(), MailboxError> {
    let id = uuid::Uuid::now_v7();
    for name in [OUTBOUND_FILE, "outbound.db-journal", "outbound.db-wal", "outbound.db-shm"] {
        match fs::rename(workspace.join(name), workspace.join(format!("misplaced-{id}-{name}"))) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(MailboxError::File { operation: "rename", name: name.to_owned(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Sets the time of the file itself, or of the link that something put in its place.
fn touch(path: &Path) -> Result<(), Errno> {
    let now = TimeSpec::UTIME_NOW;
    utimensat(AT_FDCWD, path, &now, &now, UtimensatFlags::NoFollowSymlink)
}

fn make_empty(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o640).open(path).map(drop)
}

/// Follow no link and wait for no reader of a pipe: what else runs in the sandbox can put either in a file's place.
const NOT_ELSEWHERE: i32 = nix::fcntl::OFlag::O_NOFOLLOW.bits() | nix::fcntl::OFlag::O_NONBLOCK.bits();
