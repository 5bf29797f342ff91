//! All of it: who lives, who is started when, until somebody says stop.

use std::fs::File;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use nc_config::{Doorbell, Loaded, Options};
use nc_daemon::holder::{Children, Ended};
use nc_daemon::{Failure, NotifyState, Signal, Signals};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::output::{Level, Voice};
use super::program::{Program, wants_a_person};
use super::runs::{self, Runs};
use super::surroundings::Surroundings;

/// The programs, their sockets, and what they say.
pub(super) struct House {
    pub(super) voice: Voice,
    pub(super) children: Children,
    pub(super) signals: Signals,
    pub(super) programs: Vec<Program>,
    pub(super) runs: Runs,
    /// Those who carry on what the programs say.
    pub(super) relays: JoinSet<()>,
    around: Surroundings,
    options: Options,
    /// We were started at a terminal; a hangup may mean that it is gone.
    at_terminal: bool,
    announced: bool,
}

/// What happens next.
enum Event {
    Signal(Signal),
    Ended(i32, Ended),
    Ready(usize),
    Due,
    Connection(UnixStream),
}

/// Why the house is left.
pub(super) enum Leave {
    /// Somebody said so.
    Told,
    /// It cannot go on.
    Failed(Failure),
}

impl House {
    /// Makes the sockets. Nothing lives yet.
    pub(super) fn build(
        loaded: &Loaded,
        options: &Options,
        around: Surroundings,
        voice: Voice,
    ) -> Result<Self, Failure> {
        let installation = &loaded.installation;
        Ok(Self {
            signals: Signals::listen()?,
            children: Children::listen()?,
            programs: vec![
                Program::new("nc-ipcd", Doorbell::Ipcd, installation)?,
                Program::new("nc-router", Doorbell::Router, installation)?,
            ],
            runs: Runs::listen(&installation.runner_socket(), loaded.config.max_runs)?,
            relays: JoinSet::new(),
            around,
            options: options.clone(),
            at_terminal: terminal_is_there(),
            announced: false,
            voice,
        })
    }

    /// Keeps everything alive until there is a reason to leave.
    pub(super) async fn keep(&mut self) -> Leave {
        self.bury(None);
        loop {
            let went_on = match self.next().await {
                Event::Signal(Signal::Stop | Signal::Interrupt) => return Leave::Told,
                Event::Signal(Signal::Reload) if self.at_terminal && !terminal_is_there() => return Leave::Told,
                Event::Signal(Signal::Reload) => {
                    self.reload();
                    Ok(())
                }
                Event::Ended(pid, how) => self.ended(pid, how),
                Event::Due => self.start_who_is_due(),
                Event::Ready(index) => {
                    self.programs[index].set_ready();
                    self.announce();
                    Ok(())
                }
                Event::Connection(connection) => {
                    self.run(connection);
                    Ok(())
                }
            };
            while self.relays.try_join_next().is_some() {}
            if let Err(failure) = went_on {
                return Leave::Failed(failure);
            }
        }
    }

    async fn next(&mut self) -> Event {
        let due = self.programs.iter().filter_map(Program::due).min();
        tokio::select! {
            biased;
            signal = self.signals.next() => Event::Signal(signal),
            (pid, ended) = self.children.next() => Event::Ended(pid, ended),
            () = at(due) => Event::Due,
            index = any_ready(&self.programs) => Event::Ready(index),
            connection = self.runs.connection(&self.voice) => Event::Connection(connection),
        }
    }

    fn start_who_is_due(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        for program in self.programs.iter_mut().filter(|p| p.due().is_some_and(|due| due <= now)) {
            match program.start(&mut self.children, &self.around) {
                Ok(said) => {
                    self.relays.spawn(self.voice.clone().relay(program.name().to_owned(), said));
                }
                Err(failure) if failure.status() == Failure::CONFIG => return Err(failure),
                Err(failure) => {
                    let delay = program.ended(None).as_secs();
                    self.voice.say(Level::Error, &format!("{:#}; again in {delay} s", failure.error()));
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, pid: i32, how: Ended) -> Result<(), Failure> {
        if self.runs.ended(pid) {
            if how != Ended::Exited(0) {
                self.voice.say(Level::Warn, &format!("{}[{pid}] {how}", runs::PROGRAM));
            }
            if matches!(how, Ended::Killed(_)) {
                self.bury(Some(pid));
            }
            return Ok(());
        }
        let Some(program) = self.programs.iter_mut().find(|p| p.pid() == Some(pid)) else { return Ok(()) };
        let (name, delay) = (program.name(), program.ended(Some(how)));
        if wants_a_person(how) {
            let what = anyhow::anyhow!("{name} {how}: a person must look at what it said; everything is stopped");
            return Err(Failure::config(what));
        }
        let when = if delay.as_secs() == 0 { "now".to_owned() } else { format!("in {} s", delay.as_secs()) };
        self.voice.say(Level::Warn, &format!("{name} {how}; it is started again {when}"));
        self.start_who_is_due()
    }

    fn announce(&mut self) {
        if !self.announced && self.programs.iter().all(Program::is_ready) {
            self.announced = true;
            nc_daemon::notify(&[NotifyState::Ready, NotifyState::Status("running")]);
            self.voice.say(Level::Info, "ready");
        }
    }

    fn run(&mut self, connection: UnixStream) {
        match self.runs.start(connection, &mut self.children, &self.around) {
            Ok((pid, said)) => {
                self.relays.spawn(self.voice.clone().relay(format!("{}[{pid}]", runs::PROGRAM), said));
            }
            Err(error) => self.voice.say(Level::Warn, &format!("a run is refused: {error:#}")),
        }
    }

    /// A killed runner could write down nothing, and one that was killed while it built a sandbox may have left it.
    fn bury(&mut self, runner: Option<i32>) {
        match Runs::bury(runner, &mut self.children, &self.around) {
            Ok((pid, said)) => {
                self.relays.spawn(self.voice.clone().relay(format!("{}[{pid}]", runs::PROGRAM), said));
            }
            Err(error) => self.voice.say(Level::Warn, &format!("a killed run is not looked after: {error:#}")),
        }
    }

    /// Hands a reload on, where what would be read again is right; else all go on with what they have.
    fn reload(&mut self) {
        match nc_config::load(&self.options) {
            Ok(loaded) => {
                self.runs.set_max_runs(loaded.config.max_runs);
                self.voice.say(Level::Info, "the programs are told to read their configuration again");
                for pid in self.programs.iter().filter_map(Program::pid) {
                    super::stop::send(pid, nix::sys::signal::Signal::SIGHUP);
                }
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                self.voice.say(Level::Error, &format!("{error:#}; everything goes on with the configuration it has"));
            }
        }
    }
}

/// The controlling terminal can be opened: there is one, and it has not been hung up.
fn terminal_is_there() -> bool {
    File::open("/dev/tty").is_ok()
}

async fn any_ready(programs: &[Program]) -> usize {
    let mut waiting: Vec<_> = programs.iter().map(|program| Box::pin(program.becomes_ready())).collect();
    poll_fn(|context| {
        let ready = waiting.iter_mut().position(|one| pin!(one).poll(context).is_ready());
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

pub(super) async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}
