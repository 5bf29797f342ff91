//! One run, from its row to its end.

use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use nc_config::{Choice, Credentials, Doorbell, Installation, Loaded};
use nc_daemon::{Daemon, Failure};
use nc_model::{RunOutcome, SessionStatus};
use nc_sandbox::{Mount, Sandbox, Streams};
use nc_store::{Begun, NewRun, RunEnd, RunPlan, Store, new_id, now};
use tokio::io::AsyncWriteExt;
use tracing::{debug, info, warn};
use zeroize::Zeroizing;

use crate::capture::{Capture, log_file};
use crate::driver::Driver;
use crate::lock::SessionLock;
use crate::outcome::Circumstances;
use crate::plan::Plan;
use crate::refusal::{Refusal, failed};
use crate::request::Request;
use crate::signs::Judge;
use crate::vigil::Vigil;
use crate::whose::Whose;
use crate::workplace::Workplace;
use crate::{announce, previous};

/// The engine as the store names it.
const RUNTIME: &str = "bubblewrap";

/// How long the end of a run is tried to be written where the store is busy; then it is lost, and the router says so.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// How many messages a run says that it is for: as many as an agent takes at once.
const TOLD_OF: u32 = 100;

/// How long it waits between two tries.
const WRITE_AGAIN: Duration = Duration::from_millis(100);

/// A run that has begun: its row is written, and its session's lock is held.
#[derive(Debug)]
pub(crate) struct Run {
    id: String,
    store: Store,
    installation: Installation,
    plan: Plan,
    driver: Driver,
    lock: SessionLock,
}

impl Run {
    /// Begins the run that is asked for. `handed` are the credentials that came with the request's connection.
    pub(crate) fn begin(
        loaded: &Loaded,
        request: Request,
        instance: Option<String>,
        handed: Credentials,
        daemon: &mut Daemon,
    ) -> Result<Self, Refusal> {
        if let Some(missing) = nc_sandbox::missing() {
            return Err(Refusal::Failure(Failure::config(missing)));
        }
        let installation = loaded.installation.clone();
        let mut store = Store::open(&installation.store_file())?;
        let plan = plan(&store, &request, loaded)?;
        let driver = Driver::choose(plan.provider, loaded, handed)?;
        let session = installation.session_dir(plan.target.group, &plan.target.session);
        if !session.inbound_db.is_file() {
            return Err(Refusal::Request(format!(
                "session {} has no mailbox yet: nc-router makes it",
                request.session
            )));
        }
        let lock = SessionLock::take(&session.lock).map_err(|error| Refusal::file("lock", &session.lock, error))?;
        let lock = lock.ok_or(Refusal::Busy)?;
        if !previous::is_gone(&store, &request.session)? {
            return Err(Refusal::Busy);
        }
        // Before the row is there: whoever sees it may ring.
        listen(&installation, &request.session, daemon)?;
        let id = request.by_hand.as_ref().map_or_else(new_id, |by_hand| by_hand.run.clone());
        match store.begin_run(&row(&id, request, instance))? {
            Begun::Started => {}
            Begun::Uncollected(_) | Begun::Waiting(_) => return Err(Refusal::Busy),
            Begun::Live(lost) => {
                warn!(
                    message_id = nc_model::event::RUN_LOST,
                    run = lost,
                    "a run without a runner is written down as lost"
                );
                previous::bury(&mut store, &lost)?;
                announce::to_both(&installation);
                return Err(Refusal::Busy);
            }
        }
        Ok(Self { id, store, installation, plan, driver, lock })
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Its session.
    pub(crate) fn session(&self) -> &str {
        &self.plan.target.session
    }

    /// Runs the agent to its end, and writes the end down.
    pub(crate) async fn live(mut self, daemon: &mut Daemon) -> Result<RunOutcome, Failure> {
        let (group, session) = (self.plan.target.folder.clone(), self.plan.target.session.clone());
        let provider = self.driver.choice.provider();
        info!(message_id = nc_model::event::RUN_BEGAN, run = self.id, %group, session, %provider, "a run begins");
        if let Choice::Echo { for_want_of: Some(why) } = &self.driver.choice {
            info!(run = self.id, %group, session, "the echo stands in for a model: {why}");
        }
        self.say_what_for();
        daemon.status(format_args!("{group}: session {session}, run {}", self.id));
        let end = match self.work(daemon).await {
            Ok(end) => end,
            Err(error) => failure(&error),
        };
        self.write(&end).await?;
        match &end.error {
            None => {
                info!(message_id = nc_model::event::RUN_ENDED, run = self.id, %group, session, outcome = %end.outcome, "a run ended: {}", end.exit_detail);
            }
            Some(error) => {
                let log = self.log();
                warn!(message_id = nc_model::event::RUN_FAILED, run = self.id, %group, session, outcome = %end.outcome, ?log, "a run ended: {error}; {}", end.exit_detail);
            }
        }
        // Free before anybody is told: the router may ask for the next run at once.
        drop(self.lock);
        announce::to_both(&self.installation);
        Ok(end.outcome)
    }

    async fn work(&mut self, daemon: &mut Daemon) -> anyhow::Result<RunEnd> {
        let target = &self.plan.target;
        let session = self.installation.session_dir(target.group, &target.session);
        let whose = (target.group, &target.folder, target.is_main);
        let workplace = Workplace::new(&self.installation, session.clone(), whose)?;
        if target.status == SessionStatus::SetAside {
            let aside = workplace.set_aside(&self.id)?;
            warn!(
                run = self.id,
                group = %target.folder,
                session = target.session,
                ?aside,
                "the agent's mailbox could not be read and was set aside; the agent makes a new one"
            );
        }
        workplace.prepare(&self.id)?;
        // Not before there is something to watch, and before the agent can write.
        announce::to_ipcd(&self.installation);
        let mut spec = workplace.spec(&self.id, self.plan.limits, &self.plan.timezone, &self.driver.choice)?;
        spec.command.extend(self.plan.agent_options());
        for Mount { source, target, access } in &spec.mounts {
            debug!(run = self.id, session = self.plan.target.session, ?source, ?target, ?access, "a mount");
        }
        let streams = Streams { stdin: Stdio::piped(), stdout: Stdio::piped(), stderr: Stdio::piped() };
        let mut sandbox = nc_sandbox::start(&spec, streams, self.lock.share()?)?;
        let (group, store) = (self.installation.group_dir(&target.folder), self.installation.store_file());
        let whose = self.whose();
        let capture = Capture::begin(&mut sandbox, &whose, &group, &store, self.plan.output);
        self.tell(sandbox.take_stdin());
        self.name(&sandbox);
        self.name_provider();
        let judge = Judge::new(self.plan.idle, self.plan.patience, Instant::now());
        let vigil = Vigil { sandbox: &sandbox, work: &session.work_dir, judge, whose: &whose };
        let done = vigil.keep(daemon, || self.should_leave()).await?;
        let ending = sandbox.wait()?;
        let said = capture.finish().await;
        let (patience, limits) = (self.plan.patience, self.plan.limits);
        let circumstances = Circumstances { ending: &ending, done, said: &said, patience, limits };
        if let Some(reached) = circumstances.reached() {
            let group = &self.plan.target.folder;
            warn!(message_id = nc_model::event::RUN_LIMITED, run = self.id, %group, session = self.session(), "a run went to its limit: {reached}");
        }
        Ok(circumstances.end(now()))
    }

    /// Tells the agent what it is to do. Where it does not listen its own end says why.
    fn tell(&self, stdin: Option<ChildStdin>) {
        // It holds the credentials: it is overwritten as soon as it is written.
        let line = Zeroizing::new(self.plan.start_object(&self.id, &self.driver).to_json());
        let Some(mut stdin) = stdin.and_then(|pipe| tokio::process::ChildStdin::from_std(pipe).ok()) else { return };
        tokio::spawn(async move { stdin.write_all(line.as_bytes()).await });
    }

    fn name(&mut self, sandbox: &Sandbox) {
        let Some(name) = sandbox.id() else { return };
        if let Err(error) = self.store.name_sandbox(&self.id, name) {
            warn!(run = self.id, %error, "cannot write down what the sandbox is called; the run goes on");
        }
    }

    fn name_provider(&mut self) {
        if let Err(error) = self.store.name_provider(&self.id, self.driver.choice.provider()) {
            warn!(run = self.id, %error, "cannot write down what drives the model; the run goes on");
        }
    }

    fn should_leave(&self) -> bool {
        self.store.run_should_leave(&self.id).unwrap_or_else(|error| {
            warn!(run = self.id, %error, "cannot read whether the run should leave; the next ring asks again");
            false
        })
    }

    async fn write(&mut self, end: &RunEnd) -> Result<(), Failure> {
        let until = Instant::now() + LONGEST_WRITE;
        loop {
            match self.store.end_run(&self.id, end) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_busy() && Instant::now() < until => tokio::time::sleep(WRITE_AGAIN).await,
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Where a person finds what the agent printed.
    fn log(&self) -> String {
        if nc_daemon::in_journal() {
            return format!("nanoclawctl run log {}", self.id);
        }
        log_file(&self.installation.group_dir(&self.plan.target.folder), &self.id).display().to_string()
    }

    fn whose(&self) -> Whose {
        let RunPlan { session, folder, .. } = &self.plan.target;
        Whose { run: self.id.clone(), session: session.clone(), group: folder.to_string() }
    }

    /// Says for which messages the run is, each under its own. What cannot be read now is found out by the agent.
    fn say_what_for(&self) {
        let Whose { run, session, group } = &self.whose();
        for (seq, channel) in self.store.waiting_messages(session, TOLD_OF).unwrap_or_default() {
            info!(_message = seq.0, run, session, group, channel, "a run begins that is to answer it");
        }
    }
}

fn plan(store: &Store, request: &Request, loaded: &Loaded) -> Result<Plan, Refusal> {
    let session = &request.session;
    let target = store.run_plan(session)?;
    let target =
        target.ok_or_else(|| Refusal::Request(format!("there is no session {session:?}, or its group was removed")))?;
    Plan::new(target, &loaded.config).map_err(Refusal::Request)
}

fn listen(installation: &Installation, session: &str, daemon: &mut Daemon) -> Result<(), Refusal> {
    let bell = installation.doorbell(Doorbell::Run(session));
    let directory = bell.parent().unwrap_or(installation.run_dir());
    nc_failpoint::before("run", "make_directory").map_err(|error| Refusal::file("make", directory, error))?;
    std::fs::create_dir_all(directory).map_err(|error| Refusal::file("make", directory, error))?;
    daemon.bell(&bell).map_err(|error| Refusal::Failure(Failure::again(error)))
}

fn row(id: &str, request: Request, instance: Option<String>) -> NewRun {
    NewRun {
        id: id.to_owned(),
        session: request.session,
        cause: request.cause,
        to_chat: !request.by_hand.is_some_and(|by_hand| by_hand.print),
        runtime: RUNTIME.to_owned(),
        instance: instance.unwrap_or_else(|| format!("pid {}", std::process::id())),
        boot_id: previous::boot_id(),
        pid: i64::from(std::process::id()),
        started_at: now(),
    }
}

fn failure(error: &anyhow::Error) -> RunEnd {
    RunEnd {
        ended_at: now(),
        outcome: RunOutcome::Failed,
        error: Some(format!("{error:#}")),
        exit_detail: "never began, or was taken down".to_owned(),
        cpu_ms: None,
        peak_rss: None,
    }
}
