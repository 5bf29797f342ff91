//! Sessions, runners that are started for them, and agents of the test's own in their sandboxes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nc_store::{Run, new_id};
use nc_testkit::{PATIENCE, processes, wait_until};
use nc_wire::mailbox::host::Inbound;

use super::House;

/// A runner and the connection that it was started for.
pub(crate) struct Runner {
    pub(crate) process: Child,
    lines: BufReader<UnixStream>,
}

impl Runner {
    /// Starts a runner as inetd does, and writes `line` to it.
    pub(crate) fn start(house: &House, line: &str) -> Self {
        Self::start_with(house, line, &[])
    }

    pub(crate) fn start_with(house: &House, line: &str, arguments: &[&str]) -> Self {
        let mut command = house.runner();
        command.args(arguments);
        Self::start_as(house, command, line)
    }

    /// Starts the runner that `command` is.
    pub(crate) fn start_as(house: &House, mut command: Command, line: &str) -> Self {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_read_timeout(Some(nc_testkit::PATIENCE)).expect("a deadline");
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        command.stderr(fs::File::create(house.kit.beside().join("said")).expect("a file for what it says"));
        let process = command.spawn().expect("the runner starts");
        ours.write_all(line.as_bytes()).expect("the line is written");
        Self { process, lines: BufReader::new(ours) }
    }

    /// The next line that it answers, without its end; empty where it has closed the connection.
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("an answer in time");
        line.trim_end().to_owned()
    }

    /// The id of the run that it started.
    pub(crate) fn started(&mut self) -> String {
        let answer = self.answer();
        answer.strip_prefix("started ").unwrap_or_else(|| panic!("it answered {answer:?}")).to_owned()
    }

    /// Waits for its end, and returns its status.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.process.wait().expect("the runner ends").code()
    }
}

impl House {
    /// Puts a session of `main` into the store and onto the disk, as the router does, and returns its id.
    pub(crate) fn session(&self) -> String {
        let id = new_id();
        let store = rusqlite::Connection::open(self.kit.installation().store_file()).expect("the store");
        let row = "INSERT INTO sessions (id, agent_group_id, thread_id, created_at) VALUES (?1, ?2, ?1, 0)";
        store.execute(row, (&id, self.main.0)).expect("a session");
        let directory = self.kit.installation().session_dir(self.main, &id);
        for path in [&directory.inbox, &directory.work_dir] {
            fs::create_dir_all(path).expect("a directory");
        }
        Inbound::create(&directory.inbound_db, 0o600).expect("a mailbox");
        self.settle();
        id
    }

    /// Changes what the store says of a session.
    pub(crate) fn set_status(&self, session: &str, status: &str) {
        let store = rusqlite::Connection::open(self.kit.installation().store_file()).expect("the store");
        store.execute("UPDATE sessions SET status = ?2 WHERE id = ?1", (session, status)).expect("a status");
    }

    /// Puts a script in the place of nc-agent, for the runners that are started from now on.
    pub(crate) fn agent(&self, script: &str) {
        let directory = self.own_programs();
        fs::create_dir_all(&directory).expect("a directory");
        super::open_to_all(&directory);
        if !directory.join("nc-runner").exists() {
            super::install(&self.kit.programs().join("nc-runner"), &directory.join("nc-runner"));
        }
        let written = self.kit.beside().join("agent");
        fs::write(&written, format!("#!/bin/sh\n{script}\n")).expect("an agent");
        super::install(&written, &directory.join("nc-agent"));
    }

    fn own_programs(&self) -> PathBuf {
        self.kit.beside().join("programs")
    }

    /// The command that starts a runner: beside the test's own agent, where it has one.
    pub(crate) fn runner(&self) -> std::process::Command {
        let own = self.own_programs().join("nc-runner");
        let mut command = self.kit.program("nc-runner");
        if own.exists() {
            let mut other = std::process::Command::new(own);
            other.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            if let Some(uid) = self.kit.user() {
                std::os::unix::process::CommandExt::uid(&mut other, uid);
                std::os::unix::process::CommandExt::gid(&mut other, uid);
            }
            other.current_dir(self.kit.beside());
            command = other;
        }
        command
    }

    /// The row of a run.
    pub(crate) fn run(&self, id: &str) -> Run {
        self.kit.store().run(id).expect("the store is read").expect("there is such a run")
    }

    /// What a run printed.
    pub(crate) fn log(&self, run: &str) -> String {
        let file = self.group("main").join(format!("logs/{run}.log"));
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// What the last runner said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.kit.beside().join("said")).expect("what it said")
    }
}

/// An agent that says what it was told, and waits until it is asked to leave.
pub(crate) const POLITE: &str = "trap 'echo leaving; exit 0' TERM; cat; echo; echo ready; while :; do sleep 0.05; done";

/// Waits until the agent has printed `text`.
pub(crate) fn wait_printed(house: &House, run: &str, text: &str) {
    let file = house.group("main").join(format!("logs/{run}.log"));
    wait_until(PATIENCE, "the agent prints", || fs::read_to_string(&file).is_ok_and(|log| log.contains(text)));
}

/// An argument for `sleep` that no other test has, in this run of the tests or in another on the same machine.
pub(crate) fn nap(number: u32) -> String {
    format!("{}.{number}", 100_000 + std::process::id())
}

/// Whether a process of the host has `argument` in its command line.
pub(crate) fn is_running(argument: &str) -> bool {
    let has =
        |pid: i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| super::text(&line).contains(argument));
    processes::all().iter().any(|process| has(process.pid))
}
