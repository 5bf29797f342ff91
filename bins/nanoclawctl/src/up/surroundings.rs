//! What programs that we start find around them.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nc_config::{Installation, Options};
use nc_daemon::Handover;
use nc_sandbox::{CERTIFICATE_VARIABLES, PROXY_VARIABLES};

/// Variables that are handed on; everything else of our environment stays with us.
const HANDED_ON: &[&str] = &["PATH", "HOME", "LANG", "LC_ALL", "TZ", "RUST_BACKTRACE"];

/// Where programs are looked for when nobody says: `PATH` of systemd's services.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The directory of the programs, and their environment.
#[derive(Debug)]
pub(super) struct Surroundings {
    beside: Option<PathBuf>,
    libexec: PathBuf,
    environment: Vec<(OsString, OsString)>,
    /// The credentials.
    handover: Option<Handover>,
}

impl Surroundings {
    pub(super) fn of(installation: &Installation, options: &Options, handover: Option<Handover>) -> Self {
        let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
        Self {
            beside,
            libexec: installation.libexec_dir().to_owned(),
            environment: environment(installation, options, env::vars_os()),
            handover,
        }
    }

    /// Returns where the program `name` is: beside us, or else in the libexec directory of the configuration.
    pub(super) fn find(&self, name: &str) -> PathBuf {
        let beside = self.beside.as_ref().map(|dir| dir.join(name)).filter(|path| path.is_file());
        beside.unwrap_or_else(|| self.libexec.join(name))
    }

    /// Returns how to start the program `name` as our child, and the pipe that brings what it says. The pipe ends when
    /// the child has ended and the command was dropped.
    pub(super) fn command(&self, name: &str) -> io::Result<(Command, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(self.find(name));
        command.env_clear().envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.current_dir("/").stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        nc_daemon::holder::supervise(&mut command);
        Ok((command, reader.into()))
    }

    /// As [`Surroundings::command`], for a program that runs agents: it also gets the credentials, and what is known of the
    /// way out of this machine, which may have a proxy's password in it.
    pub(super) fn run(&self, name: &str) -> io::Result<(Command, OwnedFd)> {
        let (mut command, said) = self.command(name)?;
        for name in PROXY_VARIABLES.iter().chain(CERTIFICATE_VARIABLES) {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        if let Some(handover) = &self.handover {
            handover.pass(&mut command)?;
        }
        Ok((command, said))
    }
}

/// What is handed on, with the installation and the keys that were set by option, which win over those of our
/// environment.
fn environment(
    installation: &Installation,
    options: &Options,
    ours: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let ours = ours.filter(|(name, _)| {
        let name = name.to_string_lossy();
        HANDED_ON.contains(&&*name) || name.starts_with("NANOCLAW_")
    });
    let mut all = vec![(OsString::from("PATH"), OsString::from(DEFAULT_PATH))];
    all.extend(ours);
    all.extend(options.environment().into_iter().map(|(key, value)| (key.into(), value.into())));
    all.push((OsString::from("NANOCLAW_DIR"), installation.dir().into()));
    all.extend(nc_failpoint::directory().map(|dir| (nc_failpoint::VARIABLE.into(), dir.into())));
    all
}
