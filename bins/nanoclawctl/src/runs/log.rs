//! What the agent of a run printed, as nc-runner kept it: in a file of the group's folder, or in the journal.

mod journal;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nc_store::{RunRecord, Store};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::{self, harmless, quoted};

/// How much is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// How often it is looked whether the run has ended where its log says nothing, in milliseconds: a log that was cut at its
/// limit changes no more, and nothing tells of the end.
const LOOK_AGAIN_MS: u16 = 2_000;

/// Where the log of a run lies that was no journal's; none where its group was removed, and with it the name of the place.
pub(super) fn file(installed: &Installed, run: &RunRecord) -> Option<PathBuf> {
    let folder = run.folder.as_ref()?;
    Some(installed.paths().group_dir(folder).join("logs").join(format!("{}.log", run.id)))
}

/// Prints the log, without what a terminal would obey, and with `follow` what is added until the run ends.
pub(super) fn print(installed: &Installed, store: &Store, run: &RunRecord, follow: bool) -> anyhow::Result<()> {
    let path = file(installed, run);
    if let Some(path) = &path
        && let Some(file) = found(path).with_context(|| format!("failed to open {}", quoted(path)))?
    {
        let printer = Printer::default();
        return Log { file, path: path.clone(), printer }.print(store, run, follow);
    }
    if journal::print(store, run, follow)? {
        return Ok(());
    }
    let Some(path) = path else { return Err(Refusal::no(format!("the group of run {} was removed", run.id))) };
    Err(Refusal::no(format!(
        "run {} has no log at {}, and none in the journal that you may read: the newest 50 of a group are kept, and a run \
         has one once its sandbox is built",
        run.id,
        quoted(&path)
    )))
}

/// The file, where there is one. A link is none: an agent may have made it before its runs had logs.
fn found(path: &Path) -> io::Result<Option<File>> {
    let (Some(logs), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let opened =
        open(logs, flags | OFlag::O_DIRECTORY, Mode::empty()).and_then(|logs| openat(logs, name, flags, Mode::empty()));
    match opened {
        Ok(file) => {
            let file = File::from(file);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Prints bytes in pieces as what they are text of.
#[derive(Default)]
struct Printer {
    /// The beginning of a character whose end is not yet there.
    rest: Vec<u8>,
}

impl Printer {
    fn print(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        self.rest.extend_from_slice(piece);
        let whole = self.rest.len() - unfinished(&self.rest);
        output::print(&harmless(&String::from_utf8_lossy(&self.rest[..whole])))?;
        self.rest.drain(..whole);
        Ok(())
    }

    /// Prints what is no whole character.
    fn end(self) -> anyhow::Result<()> {
        output::print(&harmless(&String::from_utf8_lossy(&self.rest)))
    }
}

/// A log that is being printed.
struct Log {
    file: File,
    path: PathBuf,
    printer: Printer,
}

impl Log {
    fn print(mut self, store: &Store, run: &RunRecord, follow: bool) -> anyhow::Result<()> {
        if !follow {
            self.copy()?;
            return self.printer.end();
        }
        // Before the first look: what is written in between is told.
        let changes = self.watch()?;
        loop {
            let ended = store.run(&run.id)?.is_none_or(|run| run.ended_at.is_some());
            self.copy()?;
            if ended {
                return self.printer.end();
            }
            wait(&changes)?;
        }
    }

    fn watch(&self) -> anyhow::Result<Inotify> {
        let failed = || format!("failed to watch {}", quoted(&self.path));
        let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).with_context(failed)?;
        let path: &Path = &self.path;
        changes.add_watch(path, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE).with_context(failed)?;
        Ok(changes)
    }

    /// Prints what was added.
    fn copy(&mut self) -> anyhow::Result<()> {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = self.file.read(&mut buffer).with_context(|| format!("failed to read {}", quoted(&self.path)))?;
            if read == 0 {
                return Ok(());
            }
            self.printer.print(&buffer[..read])?;
        }
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let long = |first: u8| match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let is_inside = |byte: u8| byte & 0xc0 == 0x80;
    let first = (1..=bytes.len().min(3)).find(|back| !is_inside(bytes[bytes.len() - back]));
    first.filter(|back| long(bytes[bytes.len() - back]) > *back).unwrap_or(0)
}

fn wait(changes: &Inotify) -> anyhow::Result<()> {
    let mut waiting = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
    match poll(&mut waiting, PollTimeout::from(LOOK_AGAIN_MS)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error).context("failed to wait for the log"),
    }
    match changes.read_events() {
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(error) => Err(error).context("failed to read what changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::unfinished;

    #[test]
    fn a_character_in_two_pieces_waits_for_its_end() {
        let text = "aé👍é".as_bytes();
        let waiting: Vec<usize> = (0..=text.len()).map(|end| unfinished(&text[..end])).collect();
        assert_eq!(waiting, [0, 0, 1, 0, 1, 2, 3, 0, 1, 0]);
        assert_eq!([unfinished(b"abcd\xff"), unfinished(b"\x80\x80\x80\x80")], [0, 0]);
    }
}
