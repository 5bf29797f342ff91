//! Secrets on their way from a program that starts others to those that it starts.
//!
//! They lie in a sealed file in memory that the child inherits; a variable of its environment says at which number, and
//! nothing else. So no environment, no argument and no disk ever holds them.

use std::env;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_dumpable;
use zeroize::Zeroizing;

use crate::inherited::FIRST;

/// The variable that says at which descriptor the secrets lie.
const VARIABLE: &str = "NC_HANDOVER";

/// The descriptor in the child: the next after a doorbell.
const NUMBER: RawFd = FIRST + 1;

/// What the file in memory is called, which the kernel shows in `/proc`: no other one is taken for it.
const NAME: &str = "nanoclaw-handover";

/// More than anybody hands over; a larger file is a mistake. In bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Nobody changes what was handed over, not even we.
const SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// Bytes that are handed to children. Any number of them may be given the same.
#[derive(Debug)]
pub struct Handover {
    memory: OwnedFd,
}

impl Handover {
    /// Puts `bytes` into sealed memory.
    ///
    /// # Errors
    /// `InvalidInput` where they are more than 1 MiB, else as `memfd_create(2)` and write(2).
    pub fn new(bytes: &[u8]) -> io::Result<Self> {
        if bytes.len() > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too much to hand over"));
        }
        let mut file = File::from(memfd_create(NAME, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
        file.write_all(bytes)?;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(SEALS))?;
        Ok(Self { memory: file.into() })
    }

    /// Gives them to what `command` starts, which takes them by [`handed_over`].
    ///
    /// # Errors
    /// Where no descriptor is left, or another one was mapped to the same number.
    pub fn pass(&self, command: &mut Command) -> io::Result<()> {
        let mapping = FdMapping { parent_fd: self.memory.try_clone()?, child_fd: NUMBER };
        command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        command.env(VARIABLE, NUMBER.to_string());
        Ok(())
    }
}

/// Takes what our parent handed to us, once, and [hides](hide) this process before; `None` where it handed nothing.
///
/// To be called while there is one thread. The descriptor is closed.
///
/// # Errors
/// `InvalidData` where the variable names something else than what [`Handover::pass`] gives, else as read(2).
pub fn handed_over() -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(number) = env::var_os(VARIABLE) else { return Ok(None) };
    hide()?;
    let number = number.to_str().and_then(|text| text.parse::<RawFd>().ok()).filter(|&fd| fd >= FIRST);
    let number = number.ok_or_else(wrong)?;
    let link = PathBuf::from(format!("/proc/self/fd/{number}"));
    let name = std::fs::read_link(&link).map_err(|_gone| wrong())?;
    if name != Path::new(&format!("/memfd:{NAME} (deleted)")) {
        return Err(wrong());
    }
    // Opened anew: the one that was passed has its position in common with those of our siblings.
    let file = File::open(&link)?;
    // What has our name is ours: nobody else in this process has it.
    nix::unistd::close(number)?;
    let seals = SealFlag::from_bits_truncate(fcntl(file.as_fd(), FcntlArg::F_GET_SEALS)?);
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if !seals.contains(SEALS) || length > MAX_BYTES {
        return Err(wrong());
    }
    // Made at its length: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    file.take(MAX_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn wrong() -> io::Error {
    let text = format!("the environment variable {VARIABLE} names no descriptor that nanoclawctl passes: unset it");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Hides this process from others of its user: they cannot read its memory, environment or descriptors, and it leaves no
/// core dump. To be called before the first secret is read.
///
/// # Errors
/// As prctl(2).
pub fn hide() -> io::Result<()> {
    Ok(set_dumpable(false)?)
}
