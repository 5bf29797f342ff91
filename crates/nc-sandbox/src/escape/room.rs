//! Room: memory, inodes, the disk, processes.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc::off_t;
use nix::sys::statvfs::{Statvfs, statvfs};

use super::{Answer, Reached, Refused, Targets, own};
use crate::spec::TMP_SIZE;

/// How many files are made to see where their inodes come from.
const FILES: usize = 1000;

/// How many processes more than are allowed are tried for.
const BEYOND: u32 = 8;

/// Where so many are allowed, it is not tried whether one can have more: it would be felt on the host.
const MOST_TRIED: u32 = 2000;

const STACK: usize = 64 * 1024;

pub(super) fn memory(targets: &Targets) -> Answer {
    let mut taken = Vec::new();
    for directory in &targets.memory {
        match beyond(directory) {
            Ok(None) => {}
            Ok(Some(what)) => taken.push(format!("{}: {what}", directory.display())),
            Err(error) => return Refused(format!("{}: {error}", directory.display())),
        }
    }
    Answer::of_many(&taken, targets.memory.len(), "directories", "each ends at its size")
}

/// What can be had in `directory` beyond what a sandbox may have there; none where there is an end.
fn beyond(directory: &Path) -> Result<Option<String>, Errno> {
    let found = statvfs(directory)?;
    let size = bytes(&found);
    if size == 0 || size > TMP_SIZE {
        return Ok(Some(format!("{} MiB", size >> 20)));
    }
    let path = own(directory);
    let file = File::create(&path).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let size = off_t::try_from(size).unwrap_or(off_t::MAX);
    // Refused before anything of it is taken.
    let more = fallocate(&file, FallocateFlags::empty(), 0, size.saturating_add(1));
    drop(fs::remove_file(&path));
    Ok(more.is_ok().then(|| format!("more than its {size} bytes")))
}

fn bytes(found: &Statvfs) -> u64 {
    found.blocks().saturating_mul(found.fragment_size())
}

/// Files in memory take inodes of the host's disk only where they lie there.
pub(super) fn inodes(targets: &Targets) -> Answer {
    let mut outside = Vec::new();
    let mut room = u64::MAX;
    for directory in &targets.memory {
        let Ok(found) = fs::metadata(directory) else { continue };
        if found.dev() == targets.disk {
            outside.push(format!("{} lies on the host's disk", directory.display()));
            continue;
        }
        let made = (0..FILES).take_while(|n| File::create(numbered(directory, *n)).is_ok()).count();
        for n in 0..made {
            drop(fs::remove_file(numbered(directory, n)));
        }
        room = room.min(statvfs(directory).map_or(0, |found| found.files()));
    }
    let why = format!("their files are memory of the sandbox, and at most {room} of them");
    Answer::of_many(&outside, targets.memory.len(), "directories", &why)
}

fn numbered(directory: &Path, n: usize) -> std::path::PathBuf {
    directory.join(format!(".nanoclaw-prove-{}-{n}", std::process::id()))
}

pub(super) fn disk(targets: &Targets) -> Answer {
    let on_disk = fs::metadata(&targets.scratch).is_ok_and(|found| found.dev() == targets.disk);
    match statvfs(&targets.scratch) {
        Ok(found) if on_disk => {
            let free = found.blocks_available().saturating_mul(found.fragment_size());
            Reached(format!("{} MiB and {} files are free", free >> 20, found.files_available()))
        }
        Ok(_) => Refused("it is another".to_owned()),
        Err(errno) => Answer::refused(errno),
    }
}

/// Threads count like processes.
pub(super) fn processes(targets: &Targets) -> Answer {
    if targets.processes > MOST_TRIED {
        return Refused(format!("{} are allowed, which are too many to try", targets.processes));
    }
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let start = || {
        let gate = Arc::clone(&gate);
        thread::Builder::new().stack_size(STACK).spawn(move || drop(gate.lock()))
    };
    let most = targets.processes.saturating_add(BEYOND);
    let threads: Vec<_> = (0..most).map_while(|_| start().ok()).collect();
    drop(closed);
    let count = threads.len();
    let ended = threads.into_iter().filter_map(|thread| thread.join().ok()).count();
    if u32::try_from(count).is_ok_and(|count| count > targets.processes) {
        return Reached(format!("{ended} beside this one"));
    }
    Refused(format!("{count} beside this one, of {} that are allowed", targets.processes))
}
