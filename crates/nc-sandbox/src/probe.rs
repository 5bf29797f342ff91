//! What this machine can do for sandboxes, for `nanoclawctl doctor`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cgroup::{Enforcement, Place};
use crate::start::find;
use crate::{Identity, Limits};

/// The oldest bubblewrap that has every option that is used: `--size` came with 0.7.
const OLDEST: (u32, u32) = (0, 7);

/// What this machine can do for sandboxes.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
    /// How limits are held.
    pub enforcement: Enforcement,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found, in a sentence.
    pub text: String,
    /// What to do about it, where there is something to do.
    pub remedy: Option<String>,
}

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// Sandboxes work, but less is promised.
    Weak,
    /// No sandbox can be built.
    Bad,
}

impl Report {
    /// Whether sandboxes can be built.
    #[must_use]
    pub fn works(&self) -> bool {
        self.findings.iter().all(|finding| finding.state != State::Bad)
    }
}

impl Finding {
    fn good(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Good, text: text.into(), remedy: None }
    }

    fn bad(name: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Bad, text: text.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at this machine as whoever runs this program, for an installation whose sandboxes run as `identity`.
///
/// It starts bubblewrap twice, for a few milliseconds.
#[must_use]
pub fn probe(identity: Identity) -> Report {
    let place = Place::find().filter(can_make);
    let enforcement = place.as_ref().map_or(Enforcement::Each, Place::enforcement);
    let mut findings = vec![bubblewrap()];
    if findings[0].state == State::Good {
        findings.push(namespaces(identity));
    }
    findings.extend([limits(enforcement), filters()]);
    Report { findings, enforcement }
}

fn bubblewrap() -> Finding {
    const NAME: &str = "bubblewrap";
    let install = "install the package bubblewrap (Debian: apt-get install bubblewrap)";
    let Some(path) = find("bwrap") else { return Finding::bad(NAME, "bwrap is not installed", install) };
    let said =
        Command::new(&path).arg("--version").output().map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let said = said.unwrap_or_default();
    let Some(version) = said.split_whitespace().last().filter(|_| said.starts_with(NAME)) else {
        return Finding::bad(NAME, format!("{} does not say its version", path.display()), install);
    };
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST {
        return Finding::bad(NAME, format!("bubblewrap {version} is too old, 0.7 is needed"), install);
    }
    Finding::good(NAME, format!("bubblewrap {version} in {}", path.display()))
}

fn namespaces(identity: Identity) -> Finding {
    const NAME: &str = "namespaces";
    match try_namespaces(identity) {
        Ok(()) => Finding::good(NAME, format!("sandboxes can be built, as uid {}", identity.uid())),
        Err(said) => Finding::bad(NAME, format!("no sandbox can be built: {}", said.trim()), why_not()),
    }
}

fn try_namespaces(identity: Identity) -> Result<(), String> {
    let bwrap = find("bwrap").ok_or("bwrap is not installed")?;
    let mut command = Command::new(bwrap);
    command.env_clear().current_dir("/").stdin(Stdio::null()).args([
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
    ]);
    command.args(["--unshare-uts", "--unshare-cgroup", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]);
    command.args(["--tmpfs", "/proc/1", "--cap-drop", "ALL", "--", "/bin/true"]);
    if let Identity::Drop { uid, gid } = identity {
        command.uid(uid).gid(gid);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// What is known to keep ordinary users from namespaces, as far as it is the case here.
fn why_not() -> String {
    let says = |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let known = [
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces is 0: set it to 10000"),
        (
            "/proc/sys/kernel/unprivileged_userns_clone",
            "0",
            "sysctl kernel.unprivileged_userns_clone is 0: set it to 1",
        ),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "AppArmor keeps user namespaces to programs with a profile: install the profile \
             of bwrap (package apparmor-profiles), or set sysctl kernel.apparmor_restrict_unprivileged_userns to 0",
        ),
    ];
    let found = known.iter().find(|(path, value, _)| says(path, value)).map(|(_, _, remedy)| (*remedy).to_owned());
    let in_container =
        "in a container: allow user namespaces and mounts in its seccomp profile, or run on the host".to_owned();
    found.unwrap_or(in_container)
}

fn limits(enforcement: Enforcement) -> Finding {
    const NAME: &str = "limits";
    let text = enforcement.meaning();
    match (enforcement, find("prlimit")) {
        (Enforcement::Each, None) => Finding::bad(
            NAME,
            "there is neither a cgroup nor prlimit to limit sandboxes with",
            "install the package util-linux",
        ),
        (Enforcement::Each, Some(_)) => {
            let remedy = "run under systemd, whose units give each run a cgroup of its own, or as root with cgroups of version 1";
            Finding { name: NAME, state: State::Weak, text: text.to_owned(), remedy: Some(remedy.to_owned()) }
        }
        _ => Finding::good(NAME, text),
    }
}

fn filters() -> Finding {
    const NAME: &str = "seccomp";
    let known = Path::new("/proc/sys/kernel/seccomp/actions_avail").exists();
    match (crate::seccomp::filters(), known) {
        (Ok(_), true) => Finding::good(NAME, "the kernel has filters for system calls"),
        (Ok(_), false) => {
            Finding::bad(NAME, "the kernel has no filters for system calls", "use a kernel with CONFIG_SECCOMP_FILTER")
        }
        (Err(error), _) => {
            Finding::bad(NAME, error.to_string(), "use a machine with an x86-64 or 64-bit ARM processor")
        }
    }
}

/// Whether a cgroup can really be made there: being allowed to write is not all it takes.
fn can_make(place: &Place) -> bool {
    // The one of version 2 would move this very program.
    matches!(place, Place::Unified(_)) || place.clone().make("probe", Limits::default()).is_ok()
}
