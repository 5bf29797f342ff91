//! The init system's side of an installation: which of its units have failed, and what is asked of them. systemctl(1) is
//! how it is spoken to: it is there wherever the units are.

use std::path::Path;
use std::time::Duration;

use crate::bounded;
use crate::installed::Installed;

/// How long the init system may take, to start a unit too. A guess: a service has 90 s to become ready.
const ANSWER_WITHIN: Duration = Duration::from_secs(100);

/// What wants all the others.
pub(crate) const TARGET: &str = "nanoclaw.target";

/// The unit by whose socket it is seen whom the units serve.
const ROUTER_SOCKET: &str = "nc-router.socket";

/// Names of units that are ours.
const OURS: &[&str] = &["nc-*", "nanoclaw*"];

/// Kinds of units that only wait for something: where one has failed, nothing is started any more and nobody is told.
const WAITING: &[&str] = &["socket", "path", "timer"];

/// The units that serve one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// Those of the system.
    System,
    /// Those of whoever runs this.
    User,
}

/// The init system did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` failed: {said}")]
pub(crate) struct Refused {
    command: String,
    said: String,
}

impl Units {
    /// Those that hold this installation's doorbell; none where no init system does.
    pub(crate) fn of(installed: &Installed) -> Option<Self> {
        let bell = installed.router_bell();
        [Self::System, Self::User].into_iter().find(|units| {
            let listens = units.ask(&["show", "--property=Listen", "--value", ROUTER_SOCKET]);
            listens.is_ok_and(|said| said.lines().any(|line| listens_at(line, &bell)))
        })
    }

    /// Our units that have failed.
    pub(crate) fn failed(self) -> Result<Vec<String>, Refused> {
        let words = ["list-units", "--all", "--state=failed", "--plain", "--no-legend"];
        let said = self.ask(&[&words, OURS].concat())?;
        Ok(said.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// How a unit stands: `active`, `inactive`, `failed` and the like.
    pub(crate) fn state(self, unit: &str) -> Result<String, Refused> {
        Ok(self.ask(&["show", "--property=ActiveState", "--value", unit])?.trim().to_owned())
    }

    /// Whether the toolkit is meant to run.
    pub(crate) fn wanted(self) -> Result<bool, Refused> {
        Ok(self.state(TARGET)? == "active")
    }

    /// Whether there is a unit file for `unit`.
    pub(crate) fn has(self, unit: &str) -> Result<bool, Refused> {
        Ok(self.ask(&["show", "--property=LoadState", "--value", unit])?.trim() == "loaded")
    }

    /// Has the init system do something, such as `start UNIT`, and returns what it says.
    pub(crate) fn ask(self, words: &[&str]) -> Result<String, Refused> {
        let manager = if self == Self::User { Some("--user") } else { None };
        let mut command = bounded::command("systemctl");
        command.args(manager).args(["--no-pager", "--no-ask-password"]).args(words).env("SYSTEMD_COLORS", "0");
        let refused = |said: String| Refused { command: self.command(&words.join(" ")), said };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ran = runtime.map_err(|error| refused(error.to_string()))?.block_on(bounded::run(command, ANSWER_WITHIN));
        let ran = ran.map_err(|error| refused(error.to_string()))?;
        if ran.status.success() {
            return Ok(ran.stdout);
        }
        let said = ran.stderr.trim().replace('\n', " ");
        Err(refused(if said.is_empty() { ran.status.to_string() } else { said }))
    }

    /// What a person types for the same.
    pub(crate) fn command(self, words: &str) -> String {
        match self {
            Self::System => format!("systemctl {words}"),
            Self::User => format!("systemctl --user {words}"),
        }
    }

    /// Where a person reads what `unit` said.
    pub(crate) fn journal(self, unit: &str) -> String {
        let of = if self == Self::System { "-u" } else { "--user-unit" };
        format!("journalctl {of} {unit}")
    }
}

/// Whether a unit only waits for something.
pub(crate) fn waits(unit: &str) -> bool {
    unit.rsplit_once('.').is_some_and(|(_, kind)| WAITING.contains(&kind))
}

/// `/run/nanoclaw/router.sock (Datagram)`: systemd's way to say where a socket unit listens.
fn listens_at(line: &str, path: &Path) -> bool {
    line.rsplit_once(" (").is_some_and(|(listens, _)| Path::new(listens.trim_start_matches("Listen=")) == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_unit_is_known_by_where_it_listens() {
        let path = Path::new("/run/nano claw/router.sock");
        assert!(listens_at("/run/nano claw/router.sock (Datagram)", path));
        for other in ["/run/nano claw/router.sock.x (Datagram)", "/run/nano", "", "(Datagram)"] {
            assert!(!listens_at(other, path), "{other:?}");
        }
    }

    #[test]
    fn what_only_waits_is_known_by_its_kind() {
        assert!(waits("nc-router.socket") && waits("nc-slack@acme.v2.socket") && waits("nc-scheduler.timer"));
        assert!(!waits("nc-router.service") && !waits("nanoclaw.target") && !waits("socket"));
    }
}
