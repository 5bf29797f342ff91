//! Commands in a machine, each a unit of its own there.

use std::process::{ExitStatus, Output};
use std::time::Duration;

use super::script::script;
use super::{Machine, PATIENCE};
use crate::command::finish_with;

/// How much longer than the command itself its start and the way of its output may take.
const AROUND: Duration = Duration::from_secs(60);

/// A command that is to be run in a machine.
#[derive(Clone, Debug)]
#[must_use]
pub struct Inside<'a> {
    machine: &'a Machine,
    options: Vec<String>,
    words: Vec<String>,
    input: Vec<u8>,
    patience: Duration,
}

impl<'a> Inside<'a> {
    pub(super) fn new(machine: &'a Machine, words: Vec<String>) -> Self {
        let options = ["--quiet", "--wait", "--pipe", "--collect", "--setenv=NANOCLAW_DIR=/etc/nanoclaw"];
        let options = options.map(str::to_owned).to_vec();
        Self { machine, options, words, input: Vec::new(), patience: PATIENCE }
    }

    /// Runs it as this user and in its primary group, without a session.
    pub fn user(self, user: &str) -> Self {
        self.property(&format!("User={user}"))
    }

    /// Runs it in a session of this user, whose own manager it can reach. The user must be there.
    ///
    /// # Panics
    /// Where it is not.
    pub fn session_of(self, user: &str) -> Self {
        let uid = self.machine.ok(["id", "-u", user]);
        let runtime = format!("/run/user/{}", uid.trim_end());
        let bus = format!("DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus");
        let session = self.user(user).property("PAMName=login").env("NANOCLAW_DIR", "");
        session.option(format!("--setenv=XDG_RUNTIME_DIR={runtime}")).option(format!("--setenv={bus}"))
    }

    /// Sets a property of the unit that runs it, such as `PrivateNetwork=yes`.
    pub fn property(self, property: &str) -> Self {
        self.option(format!("--property={property}"))
    }

    /// Sets a variable of its environment; an empty value takes the variable away.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let setting = format!("--setenv={name}=");
        self.options.retain(|option| !option.starts_with(&setting));
        if value.is_empty() { self } else { self.option(format!("{setting}{value}")) }
    }

    /// What it reads from standard input; nothing unless told.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// How long it may take; [`PATIENCE`] unless told. It is killed then.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn option(mut self, option: String) -> Self {
        self.options.push(option);
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn output(self) -> Said {
        let mut client = script("ctl", &self.machine.name);
        client.arg("systemd-run").args(&self.options);
        client.arg(format!("--property=RuntimeMaxSec={}", self.patience.as_secs().max(1)));
        if !self.options.iter().any(|option| option.starts_with("--property=User=")) {
            client.arg("--setenv=HOME=/root");
        }
        client.arg("--").args(&self.words);
        Said::of(self.words.join(" "), finish_with(&mut client, &self.input, self.patience + AROUND))
    }

    /// Runs it to its end, which must be a success, and returns its standard output.
    ///
    /// # Panics
    /// Where it fails, with what it said.
    #[track_caller]
    pub fn ok(self) -> String {
        self.output().ok()
    }
}

/// What became of a command.
#[derive(Clone, Debug)]
pub struct Said {
    /// What was run.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Said {
    pub(super) fn of(command: String, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { command, status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Whether it succeeded.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Its exit status, where no signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Its standard output, where it succeeded.
    ///
    /// # Panics
    /// Where it did not.
    #[track_caller]
    pub fn ok(self) -> String {
        let Self { command, status, stdout, stderr } = self;
        assert!(status.success(), "{command}: {status}\n{stdout}\n{stderr}");
        stdout
    }
}
