//! Where an agent works: the files of its session and group, made ready and put into a sandbox.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::refusal::at;
use anyhow::{Context, bail};
use nc_config::{Choice, Installation, SessionDir};
use nc_model::{FolderName, GroupId};
use nc_sandbox::{
    Identity, Limits, Mount, Network, Point, Spec, give_tree, let_group_only_read, let_owner_use, let_read_tree,
    prepare_mount_points,
};
use nc_wire::mailbox::schema::{BESIDE_INBOUND, HEARTBEAT_FILE};

/// Where the agent finds itself and its files: AGENT-WIRE.md, part A.
const AGENT: &str = "/app/nc-agent";
const WORKSPACE: &str = "/workspace";
const PROVIDER: &str = "/home/node/.claude";
const CLAUDE: &str = "/app/claude";
/// In a build for tests alone.
const FAILPOINTS: &str = "/failpoints";

/// What is kept of the output of runs, in the group's folder. The agent sees it and cannot change it.
pub(crate) const LOGS: &str = "logs";

/// The environment of everything in a sandbox. TZ comes with the configuration.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "/home/node"),
    ("LANG", "C.UTF-8"),
    ("LOGNAME", "node"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("SHELL", "/bin/sh"),
    ("USER", "node"),
];

/// What Claude Code needs to know of where it is: that it may work without asking since this is a sandbox, where its state
/// is kept, and where there is room for what it throws away.
const OF_CLAUDE: &[(&str, &str)] = &[("CLAUDE_CONFIG_DIR", PROVIDER), ("IS_SANDBOX", "1"), ("TMPDIR", "/tmp")];

/// What others must be allowed to do with a file that is not theirs and that they run.
const READ_AND_RUN: u32 = 0o005;

/// The files of one session and its group.
#[derive(Clone, Debug)]
pub(crate) struct Workplace {
    session: SessionDir,
    group: PathBuf,
    global: PathBuf,
    provider: PathBuf,
    agent: PathBuf,
    identity: Identity,
    is_main: bool,
}

impl Workplace {
    /// The files of the session in `session`, of the group `folder`.
    pub(crate) fn new(
        installation: &Installation,
        session: SessionDir,
        (group, folder, is_main): (GroupId, &FolderName, bool),
    ) -> anyhow::Result<Self> {
        Ok(Self {
            session,
            group: installation.group_dir(folder),
            global: installation.global_dir(),
            provider: installation.provider_dir(group),
            agent: agent(installation.libexec_dir())?,
            identity: identity(installation)?,
            is_main,
        })
    }

    /// Makes what is missing, gives the agent what is the agent's, and lets it read what is for it.
    ///
    /// The caller holds the session's lock. `suffix` names what was found in the place of a mount point.
    pub(crate) fn prepare(&self, suffix: &str) -> anyhow::Result<()> {
        for directory in [&self.session.work_dir, &self.session.inbox, &self.group, &self.provider] {
            nc_failpoint::before("work", "make_directory")?;
            fs::create_dir_all(directory).with_context(|| at("make", directory))?;
        }
        for tree in [&self.session.work_dir, &self.group, &self.provider] {
            let_owner_use(tree, self.identity)?;
        }
        for tree in [&self.session.work_dir, &self.provider] {
            let_group_only_read(tree)?;
        }
        // The sign of the agent before, and what SQLite would take for part of `inbound.db`.
        for name in std::iter::once(HEARTBEAT_FILE).chain(BESIDE_INBOUND.iter().copied()) {
            nc_failpoint::before("work", "clear_away")?;
            clear_away(&self.session.work_dir, name, suffix)?;
        }
        let points = [
            Point::File("inbound.db"),
            Point::Directory("inbox"),
            Point::Directory("agent"),
            Point::Directory("global"),
        ];
        prepare_mount_points(&self.session.work_dir, &points, self.identity, suffix)?;
        prepare_mount_points(&self.group, &[Point::Directory(LOGS)], self.identity, suffix)?;
        let_owner_use(&self.group.join(LOGS), self.identity)?;
        for tree in [&self.session.work_dir, &self.session.inbound_db, &self.session.inbox, &self.group, &self.provider]
        {
            give_tree(tree, self.identity)?;
        }
        if self.is_main && self.global.is_dir() {
            give_tree(&self.global, self.identity)?;
        }
        let_read_tree(&self.session.inbox, self.identity)?;
        Ok(())
    }

    /// Moves an `outbound.db` that nobody could read out of the agent's sight, so that the agent makes a new one.
    ///
    /// The caller holds the session's lock. One is kept, beside the session's two directories, for a person to see.
    pub(crate) fn set_aside(&self, suffix: &str) -> anyhow::Result<PathBuf> {
        let_owner_use(&self.session.work_dir, self.identity)?;
        let aside = self.session.root.join("set-aside");
        nc_failpoint::before("work", "remove_aside")?;
        if aside.exists() && fs::remove_dir_all(&aside).is_err() {
            // An agent can make trees that nobody can remove in one go, and the next agent does not wait for that.
            let away = self.session.root.join(format!("set-aside-{suffix}"));
            fs::rename(&aside, away).with_context(|| at("set aside", &aside))?;
        }
        nc_failpoint::before("work", "make_aside")?;
        fs::create_dir(&aside).with_context(|| at("make", &aside))?;
        for name in ["outbound.db", "outbound.db-journal", "outbound.db-wal", "outbound.db-shm"] {
            let from = self.session.work_dir.join(name);
            nc_failpoint::before("work", "set_aside")?;
            match fs::rename(&from, aside.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| at("set aside", &from));
                }
                _ => {}
            }
        }
        Ok(aside)
    }

    /// The sandbox `name` with the agent in it, and what drives the agent.
    pub(crate) fn spec(&self, name: &str, limits: Limits, timezone: &str, choice: &Choice) -> anyhow::Result<Spec> {
        let fixed = |set: &[(&str, &str)]| -> Vec<(String, OsString)> {
            set.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect()
        };
        let network = Network::from_variables(|name| std::env::var_os(name));
        let (mut env, mut mounts) = (fixed(ENVIRONMENT), self.mounts());
        env.push(("TZ".to_owned(), timezone.into()));
        env.extend(network.env);
        mounts.extend(network.mounts);
        if let Choice::Claude(claude) = choice {
            self.can_run(&claude.path)?;
            mounts.push(Mount::read_only(&claude.path, CLAUDE));
            env.extend(fixed(OF_CLAUDE));
        }
        if let Some(dir) = nc_failpoint::directory() {
            mounts.push(Mount::read_write(dir, FAILPOINTS));
            env.push((nc_failpoint::VARIABLE.to_owned(), FAILPOINTS.into()));
        }
        let workdir = Path::new(WORKSPACE).join("agent");
        let (name, identity) = (name.to_owned(), self.identity);
        Ok(Spec { name, identity, mounts, env, limits, workdir, command: vec![AGENT.into()] })
    }

    /// Whether the sandbox's user may run the program `path`, which root may in any case.
    fn can_run(&self, path: &Path) -> anyhow::Result<()> {
        let found = fs::metadata(path).with_context(|| at("look at", path))?;
        let shut = found.mode() & READ_AND_RUN != READ_AND_RUN;
        if matches!(self.identity, Identity::Drop { uid, .. } if uid != found.uid() && shut) {
            bail!("\"{}\" may not be run by the sandbox's user: chmod a+rx", path.display());
        }
        Ok(())
    }

    fn mounts(&self) -> Vec<Mount> {
        let inside = |name: &str| Path::new(WORKSPACE).join(name);
        let mut mounts = vec![
            Mount::read_write(&self.session.work_dir, WORKSPACE),
            Mount::read_only(&self.session.inbound_db, inside("inbound.db")),
            Mount::read_only(&self.session.inbox, inside("inbox")),
            Mount::read_write(&self.group, inside("agent")),
            Mount::read_only(self.group.join(LOGS), inside("agent").join(LOGS)),
        ];
        if self.global.is_dir() {
            mounts.push(if self.is_main {
                Mount::read_write(&self.global, inside("global"))
            } else {
                Mount::read_only(&self.global, inside("global"))
            });
        }
        mounts.push(Mount::read_write(&self.provider, PROVIDER));
        mounts.push(Mount::read_only(&self.agent, AGENT));
        mounts
    }
}

/// Whose the sandboxes are: the owner of the groups' folders, which under units is the runner's user beside data of root's.
fn identity(installation: &Installation) -> anyhow::Result<Identity> {
    let groups = installation.groups_dir();
    let owned = fs::metadata(groups).is_ok_and(|found| found.uid() != 0);
    Ok(Identity::for_installation(if owned { groups } else { installation.data_dir() })?)
}

/// nc-agent lies beside this program, or where only other programs look for programs.
fn agent(libexec: &Path) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program's own file")?;
    let beside = own.with_file_name("nc-agent");
    let found = [beside.clone(), libexec.join("nc-agent")].into_iter().find(|path| path.is_file());
    found.with_context(|| {
        format!("nc-agent is neither {} nor in {}: build or install it there", beside.display(), libexec.display())
    })
}

/// Removes the file `name`; a directory, which may be too deep to be removed, is moved out of the way.
fn clear_away(directory: &Path, name: &str, suffix: &str) -> anyhow::Result<()> {
    let path = directory.join(name);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => {
            let away = directory.join(format!("misplaced-{suffix}-{name}"));
            fs::rename(&path, away).with_context(|| at("set aside", &path))
        }
        Ok(_) => fs::remove_file(&path).with_context(|| at("remove", &path)),
        Err(_) => Ok(()),
    }
}
