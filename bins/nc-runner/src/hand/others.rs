//! The programs that a run by hand needs besides: those that run, or ours for as long.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use nc_config::{CREDENTIALS, Credentials, Doorbell, Loaded, Options};
use nc_daemon::holder::{Readiness, supervise};
use nc_daemon::{Failure, Handover, hears, ring};
use nc_store::Store;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::say;
use super::session::HandSession;
use crate::previous::boot_id;
use crate::refusal::{at, failed};

/// How long a program may take to be ready, to put a prompt into a mailbox, or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Variables of ours that would tell a child something that is not meant for it.
const NOT_HANDED_ON: &[&str] =
    &["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// The variable of the key `log_level`: what our children log is warnings, unless the person says otherwise.
const LOG_LEVEL: &str = "NANOCLAW_LOG_LEVEL";

/// The other programs of the installation.
#[derive(Debug)]
pub(super) struct Others<'a> {
    loaded: &'a Loaded,
    options: &'a Options,
    /// Whose the installation is, where that is another than we, who are root: what our children make is to be the
    /// owner's, or nothing could be started as the owner afterwards.
    owner: Option<(u32, u32)>,
    ipcd: Option<Child>,
    runner: Option<Child>,
}

impl<'a> Others<'a> {
    pub(super) fn new(loaded: &'a Loaded, options: &'a Options) -> Self {
        let found = fs::metadata(loaded.installation.dir()).ok().map(|found| (found.uid(), found.gid()));
        let owner = found.filter(|(uid, _)| geteuid().is_root() && *uid != 0);
        Self { loaded, options, owner, ipcd: None, runner: None }
    }

    /// Sees that somebody takes in what the agent says: whoever is there, or ours until the end.
    pub(super) async fn need_ipcd(&mut self) -> Result<(), Failure> {
        let installation = &self.loaded.installation;
        if hears(&installation.doorbell(Doorbell::Ipcd)) {
            return Ok(());
        }
        let run_dir = installation.run_dir();
        self.make_dir(run_dir)?;
        let notify = run_dir.join(format!("by-hand-{}.notify", std::process::id()));
        let readiness = Readiness::listen(&notify).with_context(|| format!("bind {}", notify.display()))?;
        self.give(&notify)?;
        let mut command = self.command("nc-ipcd");
        readiness.expect(&mut command);
        let mut child = command.spawn().context("start nc-ipcd, which takes in what the agent says")?;
        let until = Instant::now() + PATIENCE;
        while timeout(LOOK_AGAIN, readiness.ready()).await.is_err() {
            if let Some(status) = child.try_wait().context("wait for nc-ipcd")? {
                return Err(like(status, "nc-ipcd, which takes in what the agent says, ended"));
            }
            if Instant::now() > until {
                self.ipcd = Some(child);
                return Err(Failure::again(anyhow!("nc-ipcd is not ready after {} s", PATIENCE.as_secs())));
            }
        }
        self.ipcd = Some(child);
        Ok(())
    }

    /// Sees that the session has a mailbox that is in order, and that what may be in it is.
    pub(super) async fn place(&self, store: &Store, session: &HandSession) -> Result<(), Failure> {
        let bell = self.loaded.installation.doorbell(Doorbell::Router);
        if !hears(&bell) {
            return self.place_once(&session.id);
        }
        ring(&bell);
        let boot = boot_id();
        let until = Instant::now() + PATIENCE;
        loop {
            let found = store.session(&session.id).map_err(failed)?;
            if found.is_some_and(|found| found.inbound_boot_id.as_deref() == Some(&*boot)) {
                return Ok(());
            }
            if Instant::now() > until {
                let what = "nc-router made no mailbox for the session within";
                return Err(Failure::again(anyhow!("{what} {} s: its log says why", PATIENCE.as_secs())));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// One pass of the router, where none runs.
    fn place_once(&self, session: &str) -> Result<(), Failure> {
        let mut command = self.command("nc-router");
        let status = command.args(["--place", session]).status();
        let status = status.context("no router runs, and none can be started to put the prompt into the mailbox")?;
        if status.success() {
            return Ok(());
        }
        Err(like(
            status,
            "no router runs, and one pass of it that was to put the prompt into the mailbox failed: it ended",
        ))
    }

    /// A runner below us, at the other end of a connection.
    pub(super) fn runner(&mut self) -> Result<UnixStream, Failure> {
        let (ours, theirs) = StdStream::pair().context("make a connection")?;
        ours.set_nonblocking(true).context("make a connection")?;
        let mut command = self.command("nc-runner");
        // Proxies and certificates are known to the environment that it inherits; credentials go another way.
        if let Some(handover) = credentials()? {
            handover.pass(&mut command).context("hand over the credentials")?;
        }
        command.stdin(OwnedFd::from(theirs));
        self.runner = Some(command.spawn().context("start nc-runner")?);
        Ok(UnixStream::from_std(ours).context("make a connection")?)
    }

    /// A program of ours, which ends with us, is not interrupted at the terminal, and logs warnings here.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.find(name));
        for name in NOT_HANDED_ON.iter().copied().chain(CREDENTIALS.iter().map(|known| known.name)) {
            command.env_remove(name);
        }
        if std::env::var_os(LOG_LEVEL).is_none() {
            command.env(LOG_LEVEL, "warn");
        }
        command.envs(self.options.environment()).env("NANOCLAW_DIR", self.loaded.installation.dir());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        supervise(&mut command);
        command
    }

    /// Makes a directory and those above it, where they are missing, for the owner.
    fn make_dir(&self, path: &Path) -> anyhow::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            self.make_dir(above)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            made => made.with_context(|| at("make", path))?,
        }
        self.give(path)
    }

    /// Gives what we made to the owner.
    fn give(&self, path: &Path) -> anyhow::Result<()> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        lchown(path, Some(uid), Some(gid)).with_context(|| at("give away", path))
    }

    /// Beside this program, or else where only programs look for programs.
    fn find(&self, name: &str) -> PathBuf {
        let beside = std::env::current_exe().ok().map(|own| own.with_file_name(name)).filter(|path| path.is_file());
        beside.unwrap_or_else(|| self.loaded.installation.libexec_dir().join(name))
    }

    /// Ends what was started: nc-ipcd takes in the last words first.
    pub(super) async fn stop(mut self) {
        if let Some(runner) = self.runner.take() {
            end("nc-runner", runner, None).await;
        }
        if let Some(ipcd) = self.ipcd.take() {
            end("nc-ipcd", ipcd, Some(Signal::SIGTERM)).await;
        }
    }
}

/// The credentials of our environment, for the runner alone.
fn credentials() -> Result<Option<Handover>, Failure> {
    let given = CREDENTIALS.iter().any(|known| std::env::var_os(known.name).is_some());
    if !given {
        return Ok(None);
    }
    nc_daemon::hide().context("hide this process")?;
    let ours = Credentials::from_environment().map_err(Failure::config)?;
    Ok(Some(Handover::new(&ours.to_hand_on()).context("hand over the credentials")?))
}

async fn end(name: &str, mut child: Child, signal: Option<Signal>) {
    if let (Some(signal), Ok(pid)) = (signal, i32::try_from(child.id())) {
        // It is our child and was not waited for, so the number is its own.
        kill(Pid::from_raw(pid), signal).ok();
    }
    let until = Instant::now() + PATIENCE;
    while let Ok(None) = child.try_wait() {
        if Instant::now() > until {
            say(&format!("{name} does not end and is killed"));
            drop(child.kill());
            drop(child.wait());
            return;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// A failure with the status of a program that failed for us.
fn like(status: ExitStatus, what: &str) -> Failure {
    let error = anyhow!("{what} with {status}; it has said why");
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(Failure::CONFIG) => Failure::config(error),
        _ => Failure::again(error),
    }
}
