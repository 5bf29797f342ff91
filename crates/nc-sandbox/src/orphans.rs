//! Sandboxes that lost their runner while bubblewrap was still building them.
//!
//! `--die-with-parent` holds only once it is set: by bubblewrap's outer process a moment after it has made the inner one,
//! and by the inner one when all is mounted. Where the runner is killed in these first milliseconds the inner process
//! waits for ever for a word of the outer one, or goes on without anybody; either way it keeps the session's lock
//! (measured with 0.8.0: 49 of 80 kills spread over the first 9 ms left something).

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::process::Signal;

use crate::SandboxError;
use crate::process::{Process, field};

/// The name of bubblewrap's processes, as the kernel keeps it.
const BUBBLEWRAP: &str = "bwrap";

/// How long the kernel may take to end a sandbox.
const LONGEST_END: Duration = Duration::from_secs(10);

/// Ends the sandbox that holds `lock` without a runner; false where there is none.
///
/// A sandbox has a runner where bubblewrap's parent is a program of our own name. Call it where the lock is held: it looks at
/// every process of the machine.
///
/// # Errors
/// [`SandboxError`] where the system refuses, or the sandbox does not end.
pub fn end_orphans(lock: &File) -> Result<bool, SandboxError> {
    end_holders(lock.metadata().map_err(SandboxError::io("look at the lock"))?.ino())
}

/// The same for the lock on the file `inode`.
pub(crate) fn end_holders(inode: u64) -> Result<bool, SandboxError> {
    let mut ended = false;
    for pid in processes().filter(|pid| name(*pid).as_deref() == Some(BUBBLEWRAP)) {
        // Held before it is looked at, so that what is seen is of the process that is killed.
        let Some(process) = Process::open(pid)? else { continue };
        if !(holds(pid, inode) && is_alone(pid)) {
            continue;
        }
        process.signal(Signal::KILL)?;
        if !process.gone_within(LONGEST_END)? {
            let source = std::io::ErrorKind::TimedOut.into();
            return Err(SandboxError::System { operation: "end a sandbox without a runner", source });
        }
        ended = true;
    }
    Ok(ended)
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn name(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

/// Whether a descriptor of the process has the lock on the file `inode`, and not only the file open, as whoever waits for it.
fn holds(pid: i32, inode: u64) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let mut texts = descriptors.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.any(|text| text.lines().any(|line| is_lock_on(line, inode)))
}

/// As `proc_pid_fdinfo(5)` has it: `lock: 1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF`.
fn is_lock_on(line: &str, inode: u64) -> bool {
    let mut words = line.split_whitespace();
    words.next() == Some("lock:")
        && words.nth(1) == Some("FLOCK")
        && words.any(|word| word.rsplit_once(':').is_some_and(|(_, number)| number == inode.to_string()))
}

/// Whether nobody of our own name is above this process of bubblewrap, as far as one can see.
fn is_alone(pid: i32) -> bool {
    let Some(own) = fs::read_to_string("/proc/self/comm").ok() else { return false };
    let mut above = parent(pid);
    while let Some(pid) = above {
        match name(pid).as_deref() {
            Some(BUBBLEWRAP) => above = parent(pid),
            Some(other) => return other != own.trim_end(),
            None => return false,
        }
    }
    false
}

/// The parent; none where it cannot be seen, e.g. in another pid namespace.
fn parent(pid: i32) -> Option<i32> {
    let parent: i32 = field(pid, "PPid:")?.parse().ok()?;
    (parent > 0).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_told_from_other_lines() {
        assert!(is_lock_on("lock:\t1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF", 1234));
        assert!(!is_lock_on("lock:\t1: FLOCK  ADVISORY  WRITE 4711 fe:00:12345 0 EOF", 1234));
        assert!(!is_lock_on("lock:\t1: POSIX  ADVISORY  READ 1234 fe:00:1234 128 128", 1234));
        assert!(!is_lock_on("ino:\t1234", 1234));
    }

    #[test]
    fn a_lock_of_this_very_process_is_no_orphan() {
        let lock = tempfile::tempfile().unwrap();
        lock.try_lock().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(holds(pid, lock.metadata().unwrap().ino()));
        assert!(!end_orphans(&lock).unwrap());
    }
}
