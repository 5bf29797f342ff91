//! The desk: takes rows out of the mailbox and puts answers in.

mod sending;

use std::time::Duration;

use nc_model::Timestamp;
use nc_model::markup::PromptContext;
use nc_wire::content::{Incoming, Outgoing};
use nc_wire::mailbox::AckStatus;
use nc_wire::mailbox::container::{
    Address, AddressBook, Bounds, Look, Mailbox, MailboxError, NewRow, PendingRow, Settlement,
};
use tokio::time::{Instant, sleep};
use tracing::{debug, error, info, warn};

use crate::address::{Addressed, Stray, address, correction, home};
use crate::in_flight::{Batch, Taken};
use crate::outbox::Outbox;
use crate::parts::{beginning, parts};
use crate::prompt::{Readable, compose};
use crate::provider::{Answer, Prompt, PromptId, Reply};
use crate::usage::Usage;

/// How much goes into one prompt: a guess at what a model reads well, in messages and in bytes of what the rows hold. A
/// row that is larger goes alone.
const A_PROMPT: Bounds = Bounds { rows: 100, bytes: 256 * 1024 };

/// How long an answer waits for an `inbound.db` that cannot be read, and how often it tries. After that the work is left to
/// the next agent: a host that was killed in mid-write is back sooner than that.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// How much of a text is logged at level debug, in bytes.
const MAX_LOGGED: usize = 64 * 1024;

/// One session's mailbox, and what it takes to answer.
pub(crate) struct Desk {
    mailbox: Mailbox,
    run: String,
    provider: String,
    context: PromptContext,
    usage: Usage,
    next_prompt: u64,
    heartbeat_failed: bool,
    outbox: Outbox,
    /// A tool sent something since the last answer.
    said_by_tool: bool,
}

/// A tool in flight.
pub(crate) struct Tool {
    pub(crate) id: String,
    pub(crate) name: String,
    /// How long it said it may take.
    pub(crate) timeout: Option<Duration>,
    pub(crate) started: Timestamp,
}

/// What a look at the mailbox came to.
pub(crate) enum Found {
    /// A prompt, and the rows in it, which are acknowledged.
    Work(Batch),
    /// Only rows that could not be read, which are dealt with. There may be more.
    Unreadable,
    /// Nothing that asks for a turn now; a row's time comes then.
    Nothing { next_due: Option<Timestamp> },
    /// A file that cannot be read now, and will be.
    Torn(MailboxError),
}

/// What became of an answer.
pub(crate) enum Settled {
    /// It is written, and the rows are acknowledged.
    Done,
    /// It reached nobody: this is to be pushed.
    Correction(Batch),
}

/// Where `session_state` says that a turn with this provider has ended here before: what it then loses is missed.
pub(crate) fn conversed_key(provider: &str) -> String {
    format!("conversed:{provider}")
}

impl Desk {
    pub(crate) fn new(mailbox: Mailbox, outbox: Outbox, run: String, provider: String, context: PromptContext) -> Self {
        Self {
            mailbox,
            run,
            provider,
            context,
            usage: Usage::default(),
            next_prompt: 1,
            heartbeat_failed: false,
            outbox,
            said_by_tool: false,
        }
    }

    /// Takes the next rows that wait.
    pub(crate) async fn take(&mut self) -> Result<Found, MailboxError> {
        let Look { rows, next_due } = match self.mailbox.look(now(), A_PROMPT) {
            Err(error) if error.passes() => return Ok(Found::Torn(error)),
            look => look?,
        };
        if rows.is_empty() {
            self.clear_outbox();
            return Ok(Found::Nothing { next_due });
        }
        let book = self.address_book().await?;
        let taken: Vec<Taken> = rows.iter().map(taken).collect();
        let (readable, unreadable) = read(rows);
        if !unreadable.is_empty() {
            self.refuse(&taken, &unreadable, &book).await?;
            return Ok(Found::Unreadable);
        }
        self.mailbox.take(&taken.iter().map(|row| row.id.as_str()).collect::<Vec<_>>())?;
        let prompt = compose(self.prompt_id(), readable, &book, &self.context);
        for row in &taken {
            info!(row = %row.id, "took it, with {} others", taken.len() - 1);
        }
        info!("took {} rows, {} bytes of prompt", taken.len(), prompt.text.len());
        Ok(Found::Work(Batch::new(prompt, taken)))
    }

    fn prompt_id(&mut self) -> PromptId {
        let id = PromptId(self.next_prompt);
        self.next_prompt += 1;
        id
    }

    /// Ends rows that cannot be read, and tells the chats of those that asked for a turn.
    async fn refuse(
        &mut self,
        taken: &[Taken],
        unreadable: &[(String, String)],
        book: &AddressBook,
    ) -> Result<(), MailboxError> {
        for (row, reason) in taken.iter().filter_map(|row| Some((row, reason_of(row, unreadable)?))) {
            error!("row {:?} of messages_in is not understood and ends as failed: {reason}", row.id);
            let text = format!("The agent could not read a message of yours ({reason}).");
            let to = row.address.clone().or_else(|| home(book)).filter(|_| row.trigger);
            // Taken first, so that the text answers this row and no other.
            self.mailbox.take(&[&row.id])?;
            let parcels = to.map(|to| (to, text)).into_iter().collect();
            self.post(parcels, row.seq, &[(row.id.clone(), AckStatus::Failed)]).await?;
        }
        Ok(())
    }

    /// Writes what a provider said, and acknowledges the rows that it deals with.
    pub(crate) async fn answer(
        &mut self,
        batch: Batch,
        answer: Answer,
        usage: Usage,
        corrects: bool,
    ) -> Result<Settled, MailboxError> {
        self.usage += Usage { turns: 1, ..usage };
        let book = self.address_book().await?;
        log_whole(&answer);
        let addressed = match answer {
            Answer::Text(text) => address(&text, &book),
            Answer::Replies(replies) => addressed_replies(replies, &batch, &book),
        };
        addressed.strays.iter().for_each(log_stray);
        let said_by_tool = std::mem::take(&mut self.said_by_tool);
        if corrects && addressed.reached_nobody() && !batch.corrected && !said_by_tool {
            let text = correction(&book);
            let prompt = Prompt { id: self.prompt_id(), text, items: Vec::new() };
            return Ok(Settled::Correction(Batch { prompts: vec![prompt], corrected: true, ..batch }));
        }
        let acks: Vec<_> = batch.rows.iter().map(|row| (row.id.clone(), AckStatus::Completed)).collect();
        for row in &batch.rows {
            info!(row = %row.id, "ends it, with {} texts", addressed.parcels.len());
        }
        info!("answered {} rows with {} texts", acks.len(), addressed.parcels.len());
        self.post(addressed.parcels, batch.up_to, &acks).await?;
        Ok(Settled::Done)
    }

    /// Ends the rows of a batch as failed, and tells each chat that waits why.
    pub(crate) async fn fail(&mut self, batch: &Batch, text: &str) -> Result<(), MailboxError> {
        let book = self.address_book().await?;
        let parcels = sending::waiting(batch.rows.iter(), &book).into_iter().map(|to| (to, text.to_owned())).collect();
        let acks: Vec<_> = batch.rows.iter().map(|row| (row.id.clone(), AckStatus::Failed)).collect();
        self.post(parcels, batch.up_to, &acks).await
    }

    async fn post(
        &mut self,
        parcels: Vec<(Address, String)>,
        up_to: i64,
        acks: &[(String, AckStatus)],
    ) -> Result<(), MailboxError> {
        let mut outgoing = Vec::new();
        for (to, text) in parcels {
            let newest = patiently(|| self.mailbox.newest_taken(&to, up_to)).await?;
            let (in_reply_to, thread_id) =
                newest.map_or((None, to.thread_id.clone()), |(id, thread)| (Some(id), thread));
            outgoing.extend(parts(&text).into_iter().map(|part| NewRow {
                id: None,
                in_reply_to: in_reply_to.clone(),
                address: Address { thread_id: thread_id.clone(), ..to.clone() },
                content: Outgoing::text(part),
            }));
        }
        let usage = (format!("usage:{}", self.run), self.usage.to_json());
        let state = [usage, (conversed_key(&self.provider), "1".to_owned())];
        self.mailbox.settle(&Settlement { outgoing: &outgoing, acks, state: &state })
    }

    async fn address_book(&self) -> Result<AddressBook, MailboxError> {
        patiently(|| self.mailbox.address_book()).await
    }

    /// Keeps the id under which the provider resumes this session.
    pub(crate) fn keep_session(&mut self, id: &str) -> Result<(), MailboxError> {
        self.mailbox.set_state(&format!("continuation:{}", self.provider), id)
    }

    /// Says which tool is in flight, or that none is.
    pub(crate) fn show_tool(&mut self, tool: Option<&Tool>) -> Result<(), MailboxError> {
        match tool {
            Some(tool) => self.mailbox.set_tool(&tool.name, tool.timeout, tool.started),
            None => self.mailbox.clear_tool(),
        }
    }

    /// Shows that the agent works. That it cannot be shown is logged once: the host ends an agent that shows nothing.
    pub(crate) fn heartbeat(&mut self) {
        if let Err(error) = self.mailbox.touch_heartbeat()
            && !self.heartbeat_failed
        {
            self.heartbeat_failed = true;
            warn!("no sign of work can be given: {:#}", anyhow::Error::from(error));
        }
    }

    /// Gives back what was taken and not dealt with.
    pub(crate) fn hand_back(&mut self) -> Result<(), MailboxError> {
        self.mailbox.hand_back()
    }
}

/// Tries again what met a torn or locked `inbound.db`.
async fn patiently<T>(attempt: impl Fn() -> Result<T, MailboxError>) -> Result<T, MailboxError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(error) if error.passes() && Instant::now() < deadline => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// The time of the host and of this sandbox, which share a clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond() + nc_failpoint::clock_ms())
}

fn taken(row: &PendingRow) -> Taken {
    Taken { id: row.id.clone(), seq: row.seq, trigger: row.trigger, address: row.address.clone() }
}

/// Parts what can be shown from what cannot, with the reasons.
fn read(rows: Vec<PendingRow>) -> (Vec<Readable>, Vec<(String, String)>) {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for row in rows {
        let PendingRow { id, seq, timestamp, trigger, address, content } = row;
        match content {
            Ok(Incoming::Task(task)) if task.script.is_some() => {
                unreadable.push((id, "script: this agent runs no scripts before a task".to_owned()));
            }
            Ok(content) => readable.push(Readable { id, seq, timestamp, trigger, address, content }),
            Err(error) => unreadable.push((id, error.to_string())),
        }
    }
    (readable, unreadable)
}

fn reason_of<'a>(row: &Taken, unreadable: &'a [(String, String)]) -> Option<&'a str> {
    unreadable.iter().find(|(id, _)| *id == row.id).map(|(_, reason)| reason.as_str())
}

/// Replies to one chat are one text, in the order of the replies.
fn addressed_replies(replies: Vec<Reply>, batch: &Batch, book: &AddressBook) -> Addressed {
    let mut addressed = Addressed::default();
    for Reply { row, text } in replies {
        let from = batch.rows.iter().find(|taken| taken.id == row).and_then(|taken| taken.address.clone());
        let Some(to) = from.or_else(|| home(book)) else {
            addressed.strays.push(Stray::Unaddressed { text });
            continue;
        };
        match addressed.parcels.iter_mut().find(|(known, _)| known.same_chat(&to)) {
            Some((_, said)) => *said = format!("{said}\n{text}"),
            None => addressed.parcels.push((to, text)),
        }
    }
    addressed
}

/// Everything that the model said, with what is only for itself. It is somebody's conversation, and stays out of other levels.
fn log_whole(answer: &Answer) {
    match answer {
        Answer::Text(text) => debug!("the model says {:?}", beginning(text, MAX_LOGGED)),
        Answer::Replies(replies) => {
            for Reply { row, text } in replies {
                debug!(row, "the model says {:?}", beginning(text, MAX_LOGGED));
            }
        }
    }
}

fn log_stray(stray: &Stray) {
    match stray {
        Stray::Unknown { name } => {
            error!("a block for {name:?} reached nobody: the agent has no destination of that name");
        }
        Stray::Unaddressed { text } => {
            info!("{} bytes were said to nobody, as the agent has several destinations or none", text.len());
        }
    }
}
