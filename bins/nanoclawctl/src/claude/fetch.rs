//! `nanoclawctl claude fetch`: brings the binary into the installation, whole and checked, or not at all.
//!
//! Everything happens in one directory beside the place where it belongs; what is there under its own name was complete,
//! was the published one, said its version, and is on the disk. Whatever is killed in between leaves only that directory,
//! which the next fetch removes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use nc_config::{CLAUDE, ClaudeVersion};
use nc_daemon::{Lock, LockError, Signals};
use nc_model::OLDEST_CLAUDE;
use nix::sys::statvfs::statvfs;

use super::integrity::Integrity;
use super::npm::{Npm, WITHOUT};
use super::package::{Package, USUAL_BINARY, USUAL_PACKAGE};
use super::progress::Progress;
use super::unpack::{self, BadPackage};
use super::version;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::quoted;

/// Where it happens.
const SCRATCH: &str = ".fetching";

/// The room that a fetch needs, in bytes: the package twice, in npm's cache and beside it, and the binary.
const ROOM: u64 = 2 * USUAL_PACKAGE + USUAL_BINARY;

/// The binary, and whether it was there before.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) path: PathBuf,
    pub(crate) was_there: bool,
}

/// Fetches `version`.
pub(crate) async fn fetch(installed: &Installed, version: ClaudeVersion) -> anyhow::Result<Fetched> {
    if version < OLDEST_CLAUDE {
        return Err(Refusal::look(format!("version {version} is too old: it must be {OLDEST_CLAUDE} or newer")));
    }
    let package = Package::for_this_machine().ok_or_else(|| {
        let kind = std::env::consts::ARCH;
        Refusal::look(format!(
            "Claude Code is not published for this kind of machine ({kind}): name a binary with claude_path"
        ))
    })?;
    let dir = installed.paths().claude_dir();
    installed.make_dir(&dir)?;
    let _lock = alone(installed, &dir.join("lock"))?;
    let home = dir.join(version.to_string());
    let path = home.join(CLAUDE);
    let scratch = Scratch::make(installed, dir.join(SCRATCH))?;
    if path.is_file() && version::ask(&path).await == Ok(version) {
        return Ok(Fetched { path, was_there: true });
    }
    room(&dir)?;
    let npm = Npm::find().ok_or_else(|| Refusal::look(WITHOUT))?;
    let mut signals = Signals::listen()?;
    tokio::select! {
        brought = bring(&npm, package, version, &scratch.0) => brought?,
        _any = signals.next() => return Err(Refusal::again("interrupted: nothing of it stays")),
    }
    let new = scratch.0.join("new");
    installed.give(&new)?;
    installed.give(&new.join(CLAUDE))?;
    replace(&new, &home, &dir).with_context(|| format!("failed to put the binary into {}", quoted(&home)))?;
    Ok(Fetched { path, was_there: false })
}

/// Nobody else fetches into this installation meanwhile.
fn alone(installed: &Installed, file: &Path) -> anyhow::Result<Lock> {
    let lock = nc_daemon::lock(file).map_err(|error| match error {
        LockError::Held { pid, .. } => {
            let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            Refusal::again(format!("{who} is fetching the binary: try again when it is done"))
        }
        error @ LockError::Io { .. } => error.into(),
    })?;
    installed.give(file)?;
    Ok(lock)
}

/// Makes `scratch/new/claude` of `version`.
async fn bring(npm: &Npm, package: &'static Package, version: ClaudeVersion, scratch: &Path) -> anyhow::Result<()> {
    let mut progress = Progress::new(format!("Claude Code {version}"), USUAL_PACKAGE);
    let published = match package.known_integrity(version) {
        Some(known) => Integrity::parse(known).context("failed to read the integrity that this program has")?,
        None => npm.integrity(package, version).await?,
    };
    let file = npm.pack(package, version, scratch, &mut progress).await?;
    progress.say("checking and unpacking");
    let new = scratch.join("new");
    let stop = Stop::default();
    let stopped = Arc::clone(&stop.0);
    let to = new.clone();
    tokio::task::spawn_blocking(move || check_and_unpack(&file, &published, &to, &stopped)).await??;
    let said = version::ask(&new.join(CLAUDE)).await.map_err(|why| Refusal::look(format!("{why}; it was removed")))?;
    if said != version {
        return Err(Refusal::look(format!("what came as version {version} says that it is {said}; it was removed")));
    }
    Ok(())
}

/// Nothing of the package is unpacked, let alone run, before all of it was seen to be the one that was published.
fn check_and_unpack(file: &Path, published: &Integrity, new: &Path, stop: &AtomicBool) -> anyhow::Result<()> {
    let open = || Ok::<_, io::Error>(Stoppable { file: File::open(file)?, stop });
    let came = Integrity::of(open()?).context("failed to read the package")?;
    if came != *published {
        return Err(Refusal::look(format!(
            "the package that came is not the one that was published: it was removed, and nothing of it was run. Its \
             checksum is {came}, published was {published}. A mirror or a proxy on the way may have another one: ask \
             whoever runs it"
        )));
    }
    fs::create_dir(new).context("failed to make a directory")?;
    unpack::binary(open()?, &new.join(CLAUDE)).map_err(|error| match error {
        BadPackage::Io(error) if error.kind() == io::ErrorKind::StorageFull => no_room(&format!("{error}")),
        error => Refusal::look(format!("the package cannot be unpacked: {error}")),
    })?;
    sync(new).context("failed to write the binary to the disk")
}

/// Puts the directory `new` in the place of `home`, in the directory `dir`.
fn replace(new: &Path, home: &Path, dir: &Path) -> io::Result<()> {
    if home.symlink_metadata().is_ok() {
        // One that does not work: a sandbox that has it keeps it.
        fs::remove_dir_all(home)?;
    }
    fs::rename(new, home)?;
    sync(dir)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn room(dir: &Path) -> anyhow::Result<()> {
    let found = statvfs(dir).with_context(|| format!("failed to ask how much room {} has", quoted(dir)))?;
    let free = found.blocks_available().saturating_mul(found.fragment_size());
    if free >= ROOM {
        return Ok(());
    }
    Err(no_room(&format!("about {} MiB are needed in {}, {} MiB are free", ROOM >> 20, quoted(dir), free >> 20)))
}

fn no_room(how: &str) -> anyhow::Error {
    Refusal::again(format!("there is no room for the binary: {how}; make room, or move data_dir"))
}

/// The directory in which it happens; removed on drop, and before, where one was left.
struct Scratch(PathBuf);

impl Scratch {
    fn make(installed: &Installed, path: PathBuf) -> anyhow::Result<Self> {
        if path.symlink_metadata().is_ok() {
            fs::remove_dir_all(&path).with_context(|| format!("failed to remove {}", quoted(&path)))?;
        }
        installed.make_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("nanoclawctl: {} could not be removed: {error}; the next fetch tries it again", quoted(&self.0));
        }
    }
}

/// Stops what reads in another thread, when it is dropped.
#[derive(Debug, Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Stoppable<'a> {
    file: File,
    stop: &'a AtomicBool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        self.file.read(buffer)
    }
}
