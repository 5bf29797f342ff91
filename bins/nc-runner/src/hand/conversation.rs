//! From the beginning of a run by hand to its end.

use std::time::{Duration, Instant};

use nc_config::{Doorbell, Loaded};
use nc_daemon::{Failure, Signals, ring};
use nc_model::RunOutcome;
use nc_model::quantity::format_duration;
use nc_store::{Group, Run, Store, now};
use nc_wire::mailbox::AckStatus;

use super::connection::Connection;
use super::others::Others;
use super::say;
use super::session::HandSession;
use super::speech::Speech;
use crate::refusal::failed;

/// How long what the agent wrote last may take to be read, when nobody can have it locked any more but who reads it.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A run by hand that has begun.
pub(super) struct Conversation<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) store: &'a mut Store,
    pub(super) group: &'a Group,
    pub(super) session: &'a HandSession,
    /// The run.
    pub(super) run: &'a str,
    /// The prompt in the session's inbox.
    pub(super) row: &'a str,
    /// What the agent says.
    pub(super) speech: Speech,
}

/// Why an agent was asked to leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It is done.
    Done,
    /// The person wants it to.
    Person,
    /// Nobody reads what it says.
    Unread,
}

impl Conversation<'_> {
    /// Gives the agent its prompt, prints what it says until the run is over, and says how it ended. Gives the exit status.
    pub(super) async fn hold(
        mut self,
        mut connection: Connection,
        others: &Others<'_>,
        signals: &mut Signals,
    ) -> Result<u8, Failure> {
        // Only now is there a run that the prompt may be put before. The run ends with the connection, so with an error.
        others.place(self.store, self.session).await?;
        let (mut done, mut asked) = (None, None);
        let last = loop {
            done = done.or_else(|| self.speech.hear(self.row));
            if asked.is_none() && (done.is_some() || self.speech.unread) {
                asked = Some(if done.is_some() { Asked::Done } else { Asked::Unread });
                self.ask_to_leave()?;
            }
            tokio::select! {
                line = connection.next() => break line,
                () = self.speech.changed() => {}
                _ = signals.next() => {
                    if asked.replace(Asked::Person) != Some(Asked::Person) {
                        say("the agent is asked to leave; within 10 s it has left or is killed");
                    }
                    self.ask_to_leave()?;
                }
            }
        };
        // Its last words.
        done = done.or_else(|| self.speech.hear(self.row));
        let until = Instant::now() + LAST_WORDS;
        while self.speech.is_behind() && Instant::now() < until {
            self.speech.changed().await;
            done = done.or_else(|| self.speech.hear(self.row));
        }
        if last.is_none() {
            say("the runner went away without a word: its log says why");
        }
        let run = self.store.run(self.run).map_err(failed)?;
        Ok(self.end(run.as_ref(), done, asked))
    }

    fn ask_to_leave(&mut self) -> Result<(), Failure> {
        self.store.ask_run_to_leave(self.run, now()).map_err(failed)?;
        ring(&self.loaded.installation.doorbell(Doorbell::Run(&self.session.id)));
        Ok(())
    }

    /// Says how it ended, and gives the exit status.
    fn end(&self, run: Option<&Run>, done: Option<AckStatus>, asked: Option<Asked>) -> u8 {
        let took = run.and_then(|run| Some(run.ended_at?.ms_since(run.started_at)));
        let took = took.map(|ms| format!(" after {}", format_duration(Duration::from_millis(ms)))).unwrap_or_default();
        let outcome = run.and_then(|run| run.outcome);
        let did = match (done, asked) {
            (Some(AckStatus::Failed), _) => "the agent gave the prompt up",
            (Some(_), _) if self.speech.spoke => "the agent did what it was asked",
            (Some(_), _) => "the agent was done with the prompt and said nothing",
            (None, Some(Asked::Person)) => "the agent left before it was done with the prompt, as you wished",
            (None, Some(Asked::Unread)) => {
                "the agent left before it was done with the prompt: nobody read what it said"
            }
            (None, _) => "the agent was not done with the prompt",
        };
        let how = match (outcome, run.and_then(|run| run.error.as_ref())) {
            (Some(RunOutcome::Completed), _) => String::new(),
            (Some(outcome), Some(error)) => format!("; the run is {outcome}: {error}"),
            (Some(outcome), None) => format!("; the run is {outcome}"),
            (None, _) => "; how the run ended is not written down".to_owned(),
        };
        let good = done == Some(AckStatus::Completed) && outcome == Some(RunOutcome::Completed);
        let more = if good { String::new() } else { format!(" (`nanoclawctl run log {}`)", self.run) };
        say(&format!("run {} of {} ended{took}: {did}{how}{more}", self.run, self.group.folder));
        if good { 0 } else { Failure::FAILED }
    }
}
