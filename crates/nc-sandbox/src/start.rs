//! Starting a sandbox.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::fstat;
use nix::unistd::pipe2;

use crate::arguments::{ARGS_FD, Arguments, FILTER_FDS, FIRST_FILE_FD, LOCK_FD, STATUS_FD};
use crate::cgroup::{Cgroup, Place, Tally};
use crate::descriptors::close_on_exec_from_3;
use crate::sandbox::{Sandbox, Streams};
use crate::seccomp::filters;
use crate::staging::stage;
use crate::status::Status;
use crate::{Identity, Limits, SandboxError, Spec};

/// Where programs are looked for: the environment has no say in what builds a sandbox.
const SEARCHED: &[&str] = &["/usr/bin", "/usr/local/bin", "/bin"];

/// Starts the command of `spec` in a sandbox. `lock` stays locked while a process of it lives, even if we do not.
///
/// Call it from the main thread: the sandbox is killed when the thread that started it ends. This program's descriptors
/// from 3 on become close-on-exec and its core dumps are switched off, and as root the calling thread gets a mount
/// namespace of its own: all for good.
///
/// # Errors
/// [`SandboxError`] where something is missing, the system refuses, or bubblewrap gives up at once. What it finds wrong
/// later, e.g. a mount whose source is gone, is [`How::NotBuilt`](crate::How::NotBuilt) of the ending.
pub fn start(spec: &Spec, streams: Streams, lock: OwnedFd) -> Result<Sandbox, SandboxError> {
    let bwrap = find("bwrap").ok_or(SandboxError::Missing { program: "bubblewrap", package: "bubblewrap" })?;
    close_on_exec_from_3()?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(SandboxError::system("switch core dumps off"))?;
    let cgroup = Place::find().and_then(|place| place.make(&spec.name, spec.limits).ok());
    let command = match &cgroup {
        Some(_) => spec.command.clone(),
        None => limited(&spec.command, spec.limits)?,
    };
    let mounts = match spec.identity {
        Identity::Own => spec.mounts.clone(),
        Identity::Drop { .. } => stage(&spec.mounts)?,
    };
    let arguments = Arguments::new(spec, &mounts);
    let (status, their_status) = pipe2(OFlag::O_CLOEXEC).map_err(SandboxError::system("make a pipe"))?;
    let status = Status::new(status)?;
    let held = fstat(&lock).map_err(SandboxError::system("look at the lock"))?.st_ino;
    let mut bubblewrap = prepare(&bwrap, spec.identity, &arguments, lock, their_status)?;
    bubblewrap.arg("--").args(command).stdin(streams.stdin).stdout(streams.stdout).stderr(streams.stderr);
    nc_failpoint::before("sandbox", "start").map_err(SandboxError::io("start bubblewrap"))?;
    let tally = Tally::begin(cgroup);
    let child = spawn_in(tally.cgroup(), &mut bubblewrap)?;
    nc_failpoint::after("sandbox", "start");
    // Our copies of its descriptors go with it: the pipe ends when bubblewrap does.
    drop(bubblewrap);
    Sandbox::watch(child, status, tally, held)
}

fn prepare(
    bwrap: &Path,
    identity: Identity,
    arguments: &Arguments,
    lock: OwnedFd,
    status: OwnedFd,
) -> Result<Command, SandboxError> {
    let mut descriptors = vec![(ARGS_FD, in_memory(&arguments.text())?), (LOCK_FD, lock), (STATUS_FD, status)];
    for (fd, filter) in FILTER_FDS.into_iter().zip(filters()?) {
        descriptors.push((fd, in_memory(&filter)?));
    }
    for (fd, bytes) in (FIRST_FILE_FD..).zip(&arguments.files) {
        descriptors.push((fd, in_memory(bytes)?));
    }
    let mappings = descriptors.into_iter().map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
    let mut command = Command::new(bwrap);
    command.env_clear().current_dir("/").args(["--args", &ARGS_FD.to_string()]);
    if let Identity::Drop { uid, gid } = identity {
        // The standard library drops every other group with it.
        command.uid(uid).gid(gid);
    }
    crate::landlock::hold(&mut command, bwrap);
    let twice =
        |error: command_fds::FdMappingCollision| SandboxError::io("number descriptors")(std::io::Error::other(error));
    command.fd_mappings(mappings).map_err(twice)?;
    Ok(command)
}

fn spawn_in(cgroup: Option<&Cgroup>, command: &mut Command) -> Result<std::process::Child, SandboxError> {
    if let Some(cgroup) = cgroup {
        cgroup.enter()?;
    }
    let child = command.spawn().map_err(SandboxError::io("start bubblewrap"));
    if let Some(cgroup) = cgroup {
        cgroup.leave()?;
    }
    child
}

/// `command` under limits of each process, set inside: `RLIMIT_NPROC` set on bubblewrap would count all that this user runs
/// on the host. util-linux's prlimit does it: it is on every system with `/usr`, and holds for a shell as for an agent,
/// where limits that the agent sets itself would hold for agents alone.
fn limited(command: &[OsString], limits: Limits) -> Result<Vec<OsString>, SandboxError> {
    let prlimit = find("prlimit").ok_or(SandboxError::Missing { program: "prlimit", package: "util-linux" })?;
    let (processes, memory) = (format!("--nproc={}", limits.processes), format!("--data={}", limits.memory));
    let wrapped = [prlimit.into_os_string(), processes.into(), memory.into()];
    Ok(wrapped.into_iter().chain(command.iter().cloned()).collect())
}

/// The first program that sandboxes need and that this machine has not.
#[must_use]
pub fn missing() -> Option<SandboxError> {
    let needed = [("bubblewrap", "bwrap", "bubblewrap"), ("prlimit", "prlimit", "util-linux")];
    let absent = needed.into_iter().find(|(_, file, _)| find(file).is_none())?;
    Some(SandboxError::Missing { program: absent.0, package: absent.2 })
}

/// Finds a program of the system.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    SEARCHED.iter().map(|dir| Path::new(dir).join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

fn in_memory(bytes: &[u8]) -> Result<OwnedFd, SandboxError> {
    let name: &OsStr = OsStr::new("nc-sandbox");
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC).map_err(SandboxError::system("make a file in memory"))?;
    let mut file = File::from(fd);
    let written = file.write_all(bytes).and_then(|()| file.rewind());
    written.map_err(SandboxError::io("write a file in memory"))?;
    Ok(file.into())
}
