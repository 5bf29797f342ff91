//! `nanoclawctl run list`, `show` and `log`: what agents did.

mod log;

use std::process::ExitCode;
use std::str::FromStr;

use jiff::tz::TimeZone;
use nc_config::Options;
use nc_model::FolderName;
use nc_model::quantity::format_size;
use nc_store::{RunFilter, RunRecord, RunState, Store, now};
use serde_json::{Value, json};

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::when::{local, read_time, span};
use crate::{cli, group, names, output, page, session};

/// What is called a run that has not ended.
const LIVE: &str = "live";

/// How a run stands, as it is asked for on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(RunState);

/// A word that is no state of a run.
#[derive(Debug, thiserror::Error)]
#[error("{0}, {LIVE}")]
pub(crate) struct NoOutcome(nc_model::UnknownWord);

impl FromStr for Outcome {
    type Err = NoOutcome;

    fn from_str(word: &str) -> Result<Self, NoOutcome> {
        if word == LIVE {
            return Ok(Self(RunState::Live));
        }
        word.parse().map(|outcome| Self(RunState::Ended(outcome))).map_err(NoOutcome)
    }
}

pub(crate) fn run(options: &Options, command: &cli::Run) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let store = installed.existing_store()?;
    match command {
        cli::Run::List(list) => print_list(&store, list, &installed.loaded.config.timezone)?,
        cli::Run::Show(show) => print_one(&installed, &find(&store, &show.run)?, show.json.json)?,
        cli::Run::Log(log) => log::print(&installed, &store, &find(&store, &log.run)?, log.follow)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The run that `given` means: its id or the beginning of it, or the newest run of a group.
fn find(store: &Store, given: &str) -> anyhow::Result<RunRecord> {
    let mut found = if given.is_empty() { Vec::new() } else { store.runs_like(given)? };
    match found.len() {
        1 => return Ok(found.remove(0)),
        // The first is the very one where its whole id was given.
        2 if found[0].id == given => return Ok(found.remove(0)),
        0 => {}
        _ => return Err(Refusal::no(format!("several runs begin with {given:?}: give more of the id"))),
    }
    let folder = FolderName::parse(given).ok();
    let group = folder.map(|folder| store.group_by_folder(&folder)).transpose()?.flatten();
    let Some(group) = group else {
        let meant = names::question(names::nearest_group(store, given)?);
        return Err(Refusal::no(format!(
            "there is no run {given:?}, nor a group{meant}: `nanoclawctl run list` shows the runs, each with its id"
        )));
    };
    let newest = RunFilter { group: Some(group.id), ..RunFilter::default() };
    let run = store.runs_listed(&newest, 1)?.pop();
    run.ok_or_else(|| Refusal::no(format!("group \"{}\" has had no run", group.folder)))
}

fn print_list(store: &Store, list: &cli::RunList, zone: &TimeZone) -> anyhow::Result<()> {
    let page = &list.list.page;
    let given = |given: &String| group::find(store, given);
    let filter = RunFilter {
        group: list.group.as_ref().map(given).transpose()?.map(|group| group.id),
        session: list.session.as_ref().map(|given| session::find(store, given)).transpose()?.map(|session| session.id),
        state: list.outcome.map(|outcome| outcome.0),
        since: list.since.as_ref().map(|given| read_time("--since", given, zone, now())).transpose()?,
        before: page.after.clone(),
    };
    let (runs, more) = page::cut(store.runs_listed(&filter, page::asked(page))?, page, |run| run.id.clone());
    if list.list.json.json {
        output::json(&runs.iter().map(fields).collect::<Vec<_>>())?;
    } else {
        let row = |run: &RunRecord| {
            let (began, took) = (local(run.started_at, zone), span(took(run)));
            let error = run.error.clone().unwrap_or_default();
            vec![run.id.clone(), folder(run), began, took, run.cause.to_string(), state(run), error]
        };
        let rows = runs.iter().map(row).collect();
        let heads = ["id", "group", "began", "took", "cause", "outcome", "error"];
        output::table(&heads, rows, "no run: no agent was started, or none is as asked for")?;
    }
    page::tell(more);
    Ok(())
}

fn folder(run: &RunRecord) -> String {
    run.folder.as_ref().map_or_else(|| format!("{} (removed)", run.group), ToString::to_string)
}

fn state(run: &RunRecord) -> String {
    run.outcome.map_or_else(|| LIVE.to_owned(), |outcome| outcome.to_string())
}

/// How long it took, or has taken so far, in milliseconds.
fn took(run: &RunRecord) -> u64 {
    run.ended_at.unwrap_or_else(now).ms_since(run.started_at)
}

/// A run in a line.
pub(crate) fn in_words(run: &RunRecord, zone: &TimeZone) -> String {
    format!("{}: {}, began {}, {}", run.id, state(run), local(run.started_at, zone), span(took(run)))
}

/// A run as JSON.
pub(crate) fn fields(run: &RunRecord) -> Value {
    let time = |at: Option<nc_model::Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": run.id, "session": run.session, "group": run.folder, "group_id": run.group,
        "channel": run.chat.as_ref().map(|chat| &chat.channel),
        "platform_id": run.chat.as_ref().map(|chat| &chat.platform_id), "thread": run.thread, "cause": run.cause,
        "to_chat": run.to_chat, "runtime": run.runtime, "instance": run.instance, "pid": run.pid,
        "sandbox": run.sandbox_id, "started_at": run.started_at.to_string(), "first_output_at": time(run.first_output_at),
        "leave_at": time(run.leave_at), "ended_at": time(run.ended_at), "collected_at": time(run.collected_at),
        "judged_at": time(run.judged_at), "outcome": run.outcome, "error": run.error, "exit_detail": run.exit_detail,
        "cpu_ms": run.cpu_ms, "peak_rss": run.peak_rss, "turns": run.turns, "first_token_ms": run.first_token_ms,
        "input_tokens": run.input_tokens, "output_tokens": run.output_tokens, "cost_usd": run.cost_usd,
        "tools": tools(run),
    })
}

fn print_one(installed: &Installed, run: &RunRecord, as_json: bool) -> anyhow::Result<()> {
    let log = log::file(installed, run).filter(|path| path.exists());
    if as_json {
        let mut shown = fields(run);
        shown["log"] = json!(log);
        return output::json(&shown);
    }
    let zone = &installed.loaded.config.timezone;
    let chat = run.chat.as_ref().map_or_else(|| "none".to_owned(), |c| format!("{}:{}", c.channel, c.platform_id));
    let mut rows = vec![
        ("run", run.id.clone()),
        ("group", folder(run)),
        ("session", run.session.clone()),
        ("chat", chat),
        ("cause", if run.to_chat { run.cause.to_string() } else { format!("{}, printed and not sent", run.cause) }),
        ("began", local(run.started_at, zone)),
        ("outcome", state(run)),
        ("took", span(took(run))),
    ];
    let more = [
        ("error", run.error.clone()),
        ("its end", run.exit_detail.clone()),
        ("asked to leave", run.leave_at.map(|at| local(at, zone))),
        ("taken in", run.collected_at.map(|at| local(at, zone))),
        ("judged", run.judged_at.map(|at| local(at, zone))),
        ("runner", run.instance.clone()),
        ("sandbox", run.sandbox_id.clone()),
        ("processor", run.cpu_ms.and_then(|ms| u64::try_from(ms).ok()).map(span)),
        ("memory", run.peak_rss.and_then(|bytes| u64::try_from(bytes).ok()).map(memory)),
        ("turns", run.turns.map(|turns| turns.to_string())),
        ("first token", run.first_token_ms.map(|ms| format!("after {ms} ms"))),
        ("tokens", tokens(run)),
        ("price", run.cost_usd.map(|cost| format!("{cost:.4} US dollars"))),
        ("tools", told(&tools(run))),
        ("log", log.map(|path| path.display().to_string())),
    ];
    rows.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    output::facts(rows)
}

/// Bytes to the mebibyte.
fn memory(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes < MIB { format_size(bytes) } else { format!("{} MiB", bytes / MIB) }
}

fn tokens(run: &RunRecord) -> Option<String> {
    let (read, written) = (run.input_tokens?, run.output_tokens?);
    Some(format!("{read} read, {written} written"))
}

/// What tools were used; null where nobody said. The agent's own word.
fn tools(run: &RunRecord) -> Value {
    run.tools.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// Tools with how often each was used, the most used first.
fn told(tools: &Value) -> Option<String> {
    let mut used: Vec<(u64, &str)> =
        tools.as_object()?.iter().map(|(name, used)| (used["calls"].as_u64().unwrap_or(0), name.as_str())).collect();
    used.sort_by(|a, b| b.cmp(a));
    let shown: Vec<String> =
        used.into_iter().map(|(calls, name)| format!("{} {calls}", output::harmless(name))).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

#[cfg(test)]
mod tests {
    use nc_model::RunOutcome;

    use super::*;

    #[test]
    fn tools_are_told_by_how_often_they_were_used() {
        let tools = json!({"Read": {"calls": 1, "ms": 2}, "Bash": {"calls": 3}, "x\u{1b}": 7});
        assert_eq!(told(&tools).as_deref(), Some("Bash 3, Read 1, x␛ 0"));
        assert_eq!((told(&json!({})), told(&Value::Null)), (None, None));
    }

    #[test]
    fn an_outcome_is_one_of_the_stores_or_live() {
        assert_eq!("live".parse::<Outcome>().unwrap(), Outcome(RunState::Live));
        assert_eq!("lost".parse::<Outcome>().unwrap(), Outcome(RunState::Ended(RunOutcome::Lost)));
        let error = "good".parse::<Outcome>().unwrap_err().to_string();
        let expected = "\"good\" is not a outcome of a run: allowed are completed, failed, timeout, killed, lost, live";
        assert_eq!(error, expected);
    }
}
