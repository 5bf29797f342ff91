//! What the agent does when something happens in its provider.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::time::Instant;
use tracing::warn;

use super::Agent;
use crate::desk::{Settled, Tool, now};
use crate::failure::Failure;
use crate::in_flight::Batch;
use crate::provider::{BackgroundTask, Event, PromptId, Provider};

/// How long a prompt waits before it is pushed again, by how often it failed. Then it fails for good: a person waits, and
/// reads why within a minute.
pub(super) const RETRY_AFTER: &[Duration] = &[Duration::from_secs(2), Duration::from_secs(10)];

impl<P: Provider> Agent<P> {
    pub(super) async fn handle(&mut self, event: Event) -> anyhow::Result<()> {
        self.active = Instant::now();
        self.desk.heartbeat();
        match event {
            Event::Init { provider_session_id } => {
                self.desk.keep_session(&provider_session_id).context("keep the provider's session")?;
            }
            // The second is met before.
            Event::Progress | Event::Unusable { .. } => {}
            Event::ToolStarted { id, name, timeout } => {
                self.tools.push(Tool { id, name, timeout, started: now() });
                self.show_tools()?;
            }
            Event::ToolEnded { id } => {
                self.tools.retain(|tool| tool.id != id);
                self.show_tools()?;
            }
            Event::Background { tasks } => self.beside(tasks)?,
            Event::Called { call, tool, arguments } => {
                let outcome = self.desk.carry_out(&tool, &arguments).await;
                self.provider.returned(&call, &outcome).await;
            }
            Event::Notice { text } => {
                self.desk.notice(self.in_flight.rows(), &text).await.context("write a notice")?;
            }
            Event::Result { through, answer, usage } => {
                let corrects = self.provider.abilities().corrects && self.leave_by.is_none();
                let batch = self.in_flight.end(through);
                let settled = self.desk.answer(batch, answer, usage, corrects).await.context("write an answer")?;
                self.turn_ended()?;
                if let Settled::Correction(batch) = settled {
                    self.push(batch).await;
                }
            }
            Event::Error { through, retryable, text } => self.failed(through, retryable, &text).await?,
        }
        Ok(())
    }

    async fn failed(&mut self, through: Option<PromptId>, retryable: bool, text: &str) -> anyhow::Result<()> {
        let mut batch = self.in_flight.end(through);
        self.turn_ended()?;
        let pause = usize::try_from(batch.failures).ok().and_then(|failures| RETRY_AFTER.get(failures));
        if let Some(pause) = pause.filter(|_| retryable && !batch.prompts.is_empty()) {
            warn!("the provider failed, trying again in {} s: {text}", pause.as_secs());
            batch.failures += 1;
            self.retry = Some((Instant::now() + *pause, batch));
            return Ok(());
        }
        self.fail(&batch, text).await
    }

    async fn fail(&mut self, batch: &Batch, text: &str) -> anyhow::Result<()> {
        warn!("the provider failed, {} rows end as failed: {text}", batch.rows.len());
        self.desk.fail(batch, text).await.context("write why it failed")
    }

    /// The provider cannot be used: everything that was taken ends, with the reason, and so does the agent.
    pub(super) async fn unusable(&mut self, text: String) -> Failure {
        let retry = self.retry.take().map(|(_, batch)| batch);
        let taken = self.in_flight.end_all().into_iter().chain(retry).reduce(Batch::join);
        if let Some(batch) = taken
            && let Err(error) = self.fail(&batch, &text).await
        {
            return Failure::Again(error);
        }
        Failure::Look(anyhow!(text))
    }

    /// Notes what works on beside the turns. As long as anything does, the agent has not nothing to do.
    fn beside(&mut self, tasks: Vec<BackgroundTask>) -> anyhow::Result<()> {
        self.background.retain(|known| tasks.iter().any(|task| task.id == known.id));
        for BackgroundTask { id, name } in tasks {
            if !self.background.iter().any(|known| known.id == id) {
                self.background.push(Tool { id, name, timeout: None, started: now() });
            }
        }
        self.show_tools()
    }

    /// A turn that ended has no tools in flight, whatever was told of them, and lets the next rows in.
    fn turn_ended(&mut self) -> anyhow::Result<()> {
        self.look = true;
        if self.tools.is_empty() {
            return Ok(());
        }
        self.tools.clear();
        self.show_tools()
    }

    /// Tells the host of the tool that may take longest.
    fn show_tools(&mut self) -> anyhow::Result<()> {
        let longest = self.background.iter().chain(&self.tools).max_by_key(|tool| tool.timeout);
        self.desk.show_tool(longest).context("tell of a tool in flight")
    }
}
