//! Files of the host.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{Answer, Place, Reached, Refused, Targets, own};

/// How much of a file is read to know it by its mark.
const BEGINNING: u64 = 4096;

/// How many steps up lead from anywhere to the root.
const STEPS: usize = 40;

/// Devices that every sandbox has: they hold nothing, or are the sandbox's own.
const HARMLESS: &[&str] = &["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "console"];

/// What must not even be opened for writing.
const SETTINGS: &[&str] = &[
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
    "/sys/fs/cgroup/release_agent",
];

pub(super) fn by_path(targets: &Targets) -> Answer {
    read(&targets.canary, &targets.mark)
}

pub(super) fn by_parents(targets: &Targets) -> Answer {
    let up: PathBuf = std::iter::repeat_n("..", STEPS).collect();
    let below = targets.canary.strip_prefix("/").unwrap_or(&targets.canary);
    let ways: Vec<_> =
        targets.mounts.iter().chain([&targets.scratch]).map(|mount| mount.join(&up).join(below)).collect();
    first_of(ways, targets, "ways")
}

pub(super) fn by_symbolic_link(targets: &Targets) -> Answer {
    through(&own(&targets.scratch), targets, |link| symlink(&targets.canary, link))
}

pub(super) fn by_hard_link(targets: &Targets) -> Answer {
    through(&own(&targets.scratch), targets, |link| fs::hard_link(&targets.canary, link))
}

/// Makes a link, reads through it, and removes it.
fn through(link: &Path, targets: &Targets, make: impl Fn(&Path) -> io::Result<()>) -> Answer {
    let answer = make(link).map_or_else(Answer::refused, |()| read(link, &targets.mark));
    drop(fs::remove_file(link));
    answer
}

pub(super) fn by_roots(targets: &Targets) -> Answer {
    let below = targets.canary.strip_prefix("/").unwrap_or(&targets.canary);
    let ways = super::processes::all().flat_map(|pid| ["root", "cwd"].map(|way| format!("/proc/{pid}/{way}")));
    // Our own root is no way out, and outside of a sandbox it is one like any other.
    let own = ["root", "cwd"].map(|way| format!("/proc/self/{way}"));
    let ways = ways.chain(own).map(|way| Path::new(&way).join(below)).collect();
    first_of(ways, targets, "processes' roots and directories")
}

/// An agent has no descriptor but 0, 1 and 2.
pub(super) fn by_descriptor(targets: &Targets) -> Answer {
    let name = targets.canary.file_name().unwrap_or_default();
    let numbers = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut others = Vec::new();
    for number in
        numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|number| *number > 2)
    {
        let way = PathBuf::from(format!("/proc/self/fd/{number}"));
        let Ok(leads_to) = fs::read_link(&way) else { continue };
        if let Reached(found) = read(&way.join(name), &targets.mark) {
            return Reached(format!("descriptor {number} leads to {}: {found}", leads_to.display()));
        }
        // The list itself is read through one.
        if !leads_to.starts_with("/proc") {
            others.push(format!("descriptor {number} leads to {}", leads_to.display()));
        }
    }
    Answer::of_many(&others, 3, "descriptors", "only 0, 1 and 2 are open")
}

/// Opens something of the host, which is known by its device and inode.
pub(super) fn place(place: &Place) -> Answer {
    match fs::metadata(&place.path) {
        Ok(found) if (found.dev(), found.ino()) == (place.device, place.inode) => {
            Reached(format!("{} is the host's", place.path.display()))
        }
        Ok(_) => Refused(format!("{} is another than the host's", place.path.display())),
        Err(error) => Refused(format!("{}: {error}", place.path.display())),
    }
}

/// Makes a file in a directory, or opens a file for writing.
pub(super) fn write(path: &Path) -> Answer {
    if !path.is_dir() {
        let opened = OpenOptions::new().append(true).open(path);
        return opened.map_or_else(Answer::refused, |_| Reached("it can be opened for writing".to_owned()));
    }
    let file = own(path);
    let made = OpenOptions::new().write(true).create_new(true).open(&file);
    drop(fs::remove_file(&file));
    made.map_or_else(Answer::refused, |_| Reached("a file can be made".to_owned()))
}

pub(super) fn devices(_: &Targets) -> Answer {
    let found = fs::read_dir("/dev").into_iter().flatten().flatten();
    // The kind that a directory lists is of what the device is mounted over.
    let is_device = |entry: &fs::DirEntry| {
        let kind = fs::symlink_metadata(entry.path()).map(|found| found.file_type());
        kind.is_ok_and(|kind| kind.is_block_device() || kind.is_char_device())
    };
    let devices = found.filter(is_device).map(|entry| entry.file_name().to_string_lossy().into_owned());
    let devices: Vec<_> = devices.collect();
    let others: Vec<_> = devices.iter().filter(|name| !HARMLESS.contains(&name.as_str())).cloned().collect();
    Answer::of_many(&others, devices.len(), "devices is another's", "they hold nothing")
}

pub(super) fn settings(_: &Targets) -> Answer {
    let opens = |path: &&&str| OpenOptions::new().write(true).open(path).is_ok();
    let opened: Vec<_> = SETTINGS.iter().filter(opens).map(|path| (*path).to_owned()).collect();
    Answer::of_many(&opened, SETTINGS.len(), "files", "none can be opened for writing")
}

fn first_of(ways: Vec<PathBuf>, targets: &Targets, what: &str) -> Answer {
    let mut last = String::new();
    let all = ways.len();
    for way in ways {
        match read(&way, &targets.mark) {
            Reached(found) => return Reached(found),
            Refused(why) => last = why,
        }
    }
    Refused(format!("none of {all} {what}: {last}"))
}

/// Reads the beginning of a file, which is the canary where it has the mark.
fn read(path: &Path, mark: &str) -> Answer {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut text)) {
        Ok(_) if String::from_utf8_lossy(&text).contains(mark) => Reached(format!("{} was read", path.display())),
        Ok(_) => Refused("it is another file".to_owned()),
        Err(error) => Answer::refused(error),
    }
}
