//! A command by hand in the sandbox that a group's agent would get.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{IsTerminal, Write, stderr};
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::Context;
use nc_config::{Installation, Loaded, Options, SessionDir};
use nc_daemon::Failure;
use nc_model::{FolderName, GroupId, SessionStatus};
use nc_sandbox::{How, SandboxError, Streams};
use nc_store::{Group, RunPlan, Store, new_id};
use nc_wire::mailbox::host::Inbound;
use nix::sys::stat::{Mode, umask};

use crate::driver::Driver;
use crate::lock::SessionLock;
use crate::plan::Plan;
use crate::refusal::{at, failed};
use crate::workplace::Workplace;

/// How the session of a shell is called, before an id of its own: sessions of the store have ids alone.
const PREFIX: &str = "shell-";

/// A directory that its group may write, and that hands its group on.
const SHARED: u32 = 0o2020;
const SHARED_MODE: u32 = 0o2770;

/// What runs where no command is given.
const SHELL: &[&str] = &["/bin/sh", "-i"];

/// Runs `command` for the group in `folder`, and returns its status.
pub(crate) fn run(options: &Options, folder: &str, command: &[OsString]) -> ExitCode {
    umask(Mode::from_bits_truncate(0o077));
    match shell(options, folder, command) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            complain(&format!("{:#}", failure.error()));
            ExitCode::from(&failure)
        }
    }
}

fn shell(options: &Options, folder: &str, command: &[OsString]) -> Result<u8, Failure> {
    let loaded = nc_config::load(options).map_err(Failure::config)?;
    let installation = &loaded.installation;
    let group = find(&loaded, folder)?;
    let (name, place) = Place::of_a_shell(installation, group.id).map_err(Failure::of_system)?;
    let plan = Plan::new(target(&group, &name), &loaded.config).map_err(|why| Failure::config(anyhow::anyhow!(why)))?;
    let whose = (group.id, &group.folder, group.is_main);
    let workplace = Workplace::new(installation, place.session.clone(), whose)?;
    workplace.prepare(&name).map_err(Failure::of_system)?;
    let driver = Driver::for_shell(plan.provider, &loaded);
    let mut spec = workplace.spec(&name, plan.limits, &plan.timezone, &driver.choice)?;
    spec.command = if command.is_empty() { SHELL.iter().map(OsString::from).collect() } else { command.to_vec() };
    spec.env.extend(std::env::var_os("TERM").filter(|_| stderr().is_terminal()).map(|term| ("TERM".to_owned(), term)));
    let streams = Streams { stdin: Stdio::inherit(), stdout: Stdio::inherit(), stderr: Stdio::inherit() };
    let started = nc_sandbox::start(&spec, streams, place.lock.share()?).map_err(sandbox_failed)?;
    Ok(match started.wait()?.how {
        How::Exited(status) => status,
        How::Signalled(signal) | How::Torn(signal) => 128_u8.saturating_add(signal),
        // bubblewrap has said why.
        How::NotBuilt => Failure::AGAIN,
    })
}

/// The group in `folder`.
pub(crate) fn find(loaded: &Loaded, folder: &str) -> Result<Group, Failure> {
    let folder = FolderName::parse(folder).map_err(Failure::config)?;
    let store = Store::open(&loaded.installation.store_file()).map_err(failed)?;
    let group = store.group_by_folder(&folder).map_err(failed)?;
    group.ok_or_else(|| Failure::failed(anyhow::anyhow!("there is no group {folder}: see nanoclawctl group list")))
}

pub(crate) fn target(group: &Group, session: &str) -> RunPlan {
    RunPlan {
        session: session.to_owned(),
        status: SessionStatus::Active,
        group: group.id,
        folder: group.folder.clone(),
        group_name: group.name.clone(),
        is_main: group.is_main,
        provider: group.provider.clone(),
        model: group.model.clone(),
        container_config: group.container_config.clone(),
    }
}

pub(crate) fn sandbox_failed(error: SandboxError) -> Failure {
    if error.needs_a_person() { Failure::config(error) } else { Failure::again(error) }
}

/// The session directory of a shell, removed with it.
pub(crate) struct Place {
    pub(crate) session: SessionDir,
    pub(crate) lock: SessionLock,
}

impl Place {
    /// A new one, with the session's name. Those of shells that were killed are removed first.
    pub(crate) fn of_a_shell(installation: &Installation, group: GroupId) -> anyhow::Result<(String, Self)> {
        remove_left_behind(installation, group);
        let name = format!("{PREFIX}{}", new_id());
        let place = Self::make(installation, group, &name)?;
        Ok((name, place))
    }

    fn make(installation: &Installation, group: GroupId, name: &str) -> anyhow::Result<Self> {
        let session = installation.session_dir(group, name);
        make_group_place(session.root.parent().unwrap_or(Path::new("/")))?;
        for directory in [&session.inbox, &session.work_dir] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.with_context(|| at("make", directory))?;
        }
        let lock = SessionLock::take(&session.lock)?.context("the lock of a new session is held")?;
        Inbound::create(&session.inbound_db, 0o600)?;
        Ok(Self { session, lock })
    }
}

/// Makes the directory of a group's sessions, which the router may not have needed yet: as shared as the one that it lies in.
fn make_group_place(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| at("make", path))?;
    let above = path.parent().map(fs::metadata).transpose().with_context(|| at("look at", path))?;
    if above.is_some_and(|above| above.mode() & SHARED == SHARED) {
        fs::set_permissions(path, Permissions::from_mode(SHARED_MODE)).with_context(|| at("make", path))?;
    }
    Ok(())
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.session.root) {
            complain(&format!("cannot {}: {error}; do it by hand", at("remove", &self.session.root)));
        }
    }
}

/// Without a standard error the status alone has to say it.
fn complain(what: &str) {
    let _written = writeln!(stderr(), "nc-runner: {what}");
}

/// Removes the sessions of shells that were killed: nobody has their locks.
fn remove_left_behind(installation: &Installation, group: GroupId) {
    let any = installation.session_dir(group, PREFIX).root;
    let entries = fs::read_dir(any.parent().unwrap_or(Path::new("/"))).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let session = installation.session_dir(group, &entry.file_name().to_string_lossy());
        if let Ok(Some(_held)) = SessionLock::take(&session.lock) {
            drop(fs::remove_dir_all(&session.root));
        }
    }
}
