//! Agents at work, from their start to their last word.
//!
//! A run is *live* until `ended_at` is written (by its runner, after the last process of the sandbox is gone), then
//! *ended* until nc-ipcd has looked at `outbound.db` for the last time (`collected_at`), and only then the router judges
//! it. At most one run of a session is live; the store holds that with a unique index.

mod row;

use nc_model::{Cause, Provider, Timestamp};
use rusqlite::{OptionalExtension, named_params};

use crate::by_hand::hindrance;
use crate::{Store, StoreError};

pub use row::{Begun, NewRun, Run, RunEnd, RunPlan, Usage};
use row::{plan, run};

macro_rules! run_query {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.session_id, s.agent_group_id, r.cause, r.to_chat, r.runtime, r.instance, r.boot_id, r.pid, \
             r.sandbox_id, r.started_at, r.leave_at, r.ended_at, r.collected_at, r.outcome, r.error, r.exit_detail, \
             r.cpu_ms, r.peak_rss FROM runs r JOIN sessions s ON s.id = r.session_id ",
            $rest
        )
    };
}

const PLAN: &str = "SELECT s.id AS session, s.status, g.id AS agent_group, g.folder, g.name, g.is_main, \
                    ifnull(s.provider, g.provider) AS provider, g.model, g.container_config FROM sessions s JOIN agent_groups g ON g.id = s.agent_group_id WHERE s.id = ?1";
const BEGIN: &str = "INSERT INTO runs (id, session_id, cause, to_chat, runtime, instance, boot_id, pid, started_at) VALUES \
                     (:id, :session, :cause, :to_chat, :runtime, :instance, :boot_id, :pid, :started_at)";
const SANDBOX: &str = "UPDATE runs SET sandbox_id = ?2 WHERE id = ?1 AND ended_at IS NULL";
const PROVIDER: &str = "UPDATE runs SET provider = ?2 WHERE id = ?1";
const END: &str = "UPDATE runs SET ended_at = :ended_at, outcome = :outcome, error = :error, exit_detail = :exit_detail, \
                   cpu_ms = :cpu_ms, peak_rss = :peak_rss WHERE id = :id AND ended_at IS NULL";
const LOSE: &str =
    "UPDATE runs SET ended_at = ?2, outcome = 'lost', exit_detail = ?3 WHERE id = ?1 AND ended_at IS NULL";
const ASK: &str = "UPDATE runs SET leave_at = ?2 WHERE id = ?1 AND ended_at IS NULL AND leave_at IS NULL";
const LEAVE: &str = "SELECT leave_at FROM runs WHERE id = ?1";
const COLLECT: &str =
    "UPDATE runs SET collected_at = ?2 WHERE id = ?1 AND ended_at IS NOT NULL AND collected_at IS NULL";
const USAGE: &str = "UPDATE runs SET input_tokens = ?2, output_tokens = ?3, cost_usd = ?4, turns = ?5, first_token_ms = ?6, \
                     tools = ?7 WHERE id = ?1";
const ONE: &str = run_query!("WHERE r.id = ?1");
const LIVE_OF: &str = run_query!("WHERE r.session_id = ?1 AND r.ended_at IS NULL");
const LAST_OF: &str = run_query!("WHERE r.session_id = ?1 ORDER BY r.started_at DESC, r.id DESC LIMIT 1");
// In the order in which they began, whatever the clock said: it may have been set back. `session_id > ''` makes SQLite search the partial index instead of reading the table.
const LIVE: &str = run_query!("WHERE r.ended_at IS NULL AND r.session_id > '' ORDER BY +r.rowid");
const UNCOLLECTED: &str = run_query!("WHERE r.collected_at IS NULL AND r.session_id > '' ORDER BY +r.rowid");
const RECENT: &str = run_query!("WHERE r.started_at < ?1 ORDER BY r.started_at DESC, r.id DESC LIMIT ?2");

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("runs: plan", PLAN),
    ("runs: end", END),
    ("runs: asked to leave", LEAVE),
    ("runs: collect", COLLECT),
    ("runs: one", ONE),
    ("runs: live of a session", LIVE_OF),
    ("runs: last of a session", LAST_OF),
    ("runs: live", LIVE),
    ("runs: not yet collected", UNCOLLECTED),
];

impl Store {
    /// What is needed to run `session`; none where there is no such session or its group was removed.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read or holds a word that it may not.
    pub fn run_plan(&self, session: &str) -> Result<Option<RunPlan>, StoreError> {
        Ok(self.conn().prepare_cached(PLAN)?.query_row([session], plan).optional()?)
    }

    /// Begins a run, where the session has no live one. The caller holds the session's lock.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written or there is no such session.
    pub fn begin_run(&mut self, run: &NewRun) -> Result<Begun, StoreError> {
        self.write("begin_run", |tx| {
            let live = tx.prepare_cached(LIVE_OF)?.query_row([&run.session], |row| row.get(0)).optional()?;
            if let Some(live) = live {
                return Ok(Begun::Live(live));
            }
            if run.cause == Cause::Manual
                && let Some(hindrance) = hindrance(tx, &run.session, run.to_chat)?
            {
                return Ok(hindrance);
            }
            tx.prepare_cached(BEGIN)?.execute(named_params! {
                ":id": run.id, ":session": run.session, ":cause": run.cause.as_str(), ":to_chat": run.to_chat,
                ":runtime": run.runtime, ":instance": run.instance, ":boot_id": run.boot_id, ":pid": run.pid,
                ":started_at": run.started_at.0,
            })?;
            Ok(Begun::Started)
        })
    }

    /// Writes down what the engine calls the sandbox of a live run.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn name_sandbox(&mut self, run: &str, sandbox: &str) -> Result<(), StoreError> {
        self.write("name_sandbox", |tx| {
            tx.prepare_cached(SANDBOX)?.execute([run, sandbox])?;
            Ok(())
        })
    }

    /// Writes down what drives the model of a run.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn name_provider(&mut self, run: &str, provider: Provider) -> Result<(), StoreError> {
        self.write("name_provider", |tx| {
            tx.prepare_cached(PROVIDER)?.execute([run, provider.as_str()])?;
            Ok(())
        })
    }

    /// Ends a run; false where it had ended already, which changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn end_run(&mut self, run: &str, end: &RunEnd) -> Result<bool, StoreError> {
        self.write("end_run", |tx| {
            let changed = tx.prepare_cached(END)?.execute(named_params! {
                ":id": run, ":ended_at": end.ended_at.0, ":outcome": end.outcome.as_str(), ":error": end.error,
                ":exit_detail": end.exit_detail, ":cpu_ms": end.cpu_ms, ":peak_rss": end.peak_rss,
            })?;
            Ok(changed > 0)
        })
    }

    /// Ends a run whose runner went away without a word; false where it had ended already.
    ///
    /// The caller holds the session's lock, which proves that no sandbox of it lives.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn lose_run(&mut self, run: &str, at: Timestamp, detail: &str) -> Result<bool, StoreError> {
        self.write("lose_run", |tx| Ok(tx.prepare_cached(LOSE)?.execute((run, at.0, detail))? > 0))
    }

    /// Asks a live run to leave; false where it has ended or was asked before. Ring its doorbell afterwards.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn ask_run_to_leave(&mut self, run: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write("ask_run_to_leave", |tx| Ok(tx.prepare_cached(ASK)?.execute((run, at.0))? > 0))
    }

    /// Whether a run was asked to leave.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn run_should_leave(&self, run: &str) -> Result<bool, StoreError> {
        let at: Option<Option<i64>> =
            self.conn().prepare_cached(LEAVE)?.query_row([run], |row| row.get(0)).optional()?;
        Ok(at.flatten().is_some())
    }

    /// Says that `outbound.db` was looked at for the last time after the run's end; false where the run lives or this
    /// was said before.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn collect_run(&mut self, run: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write("collect_run", |tx| Ok(tx.prepare_cached(COLLECT)?.execute((run, at.0))? > 0))
    }

    /// Writes down what the model used.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn record_usage(&mut self, run: &str, usage: &Usage) -> Result<(), StoreError> {
        self.write("record_usage", |tx| {
            tx.prepare_cached(USAGE)?.execute((
                run,
                usage.input_tokens,
                usage.output_tokens,
                usage.cost_usd,
                usage.turns,
                usage.first_token_ms,
                usage.tools.as_deref(),
            ))?;
            Ok(())
        })
    }

    /// The run `id`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn run(&self, id: &str) -> Result<Option<Run>, StoreError> {
        Ok(self.conn().prepare_cached(ONE)?.query_row([id], run).optional()?)
    }

    /// The live run of a session.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn live_run(&self, session: &str) -> Result<Option<Run>, StoreError> {
        Ok(self.conn().prepare_cached(LIVE_OF)?.query_row([session], run).optional()?)
    }

    /// The run of a session that began last, live or ended.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn last_run(&self, session: &str) -> Result<Option<Run>, StoreError> {
        Ok(self.conn().prepare_cached(LAST_OF)?.query_row([session], run).optional()?)
    }

    /// Every live run, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn live_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.runs(LIVE, [])
    }

    /// Every run that is live, or whose `outbound.db` awaits its last look; the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn uncollected_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.runs(UNCOLLECTED, [])
    }

    /// At most `limit` runs that began before `before`, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn recent_runs(&self, before: Timestamp, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.runs(RECENT, (before.0, limit))
    }

    fn runs(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Run>, StoreError> {
        Ok(self.conn().prepare_cached(sql)?.query_map(params, run)?.collect::<Result<_, _>>()?)
    }
}
