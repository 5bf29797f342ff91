//! `nanoclawctl session`: where an agent and a chat meet.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use nc_config::Options;
use nc_model::SessionStatus;
use nc_store::{RunFilter, SessionFilter, SessionRecord, Store};
use serde_json::{Value, json};

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::when::{local, maybe_local};
use crate::{chats, cli, group, output, page, runs};

/// How many sessions are closed at once; more are asked for again.
const AT_ONCE: u32 = 1000;

pub(crate) fn run(options: &Options, command: &cli::Session) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let mut store = installed.existing_store()?;
    match command {
        cli::Session::List(list) => print_list(&mut store, list, &installed.loaded.config.timezone)?,
        cli::Session::Show(show) => print_one(&installed, &store, &find(&store, &show.session)?, show.json.json)?,
        cli::Session::Reset(reset) => renew_all(&installed, &mut store, reset)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The session that `given` means: its id, or the beginning of it.
pub(crate) fn find(store: &Store, given: &str) -> anyhow::Result<SessionRecord> {
    let mut found = if given.is_empty() { Vec::new() } else { store.sessions_like(given)? };
    match found.len() {
        1 => Ok(found.remove(0)),
        // The first is the very one where its whole id was given.
        2 if found[0].id == given => Ok(found.remove(0)),
        0 => Err(Refusal::no(format!(
            "there is no session {given:?}: `nanoclawctl session list` shows those that are, each with its id"
        ))),
        _ => Err(Refusal::no(format!("several sessions begin with {given:?}: give more of the id"))),
    }
}

/// A session's chat and thread, in a word.
pub(crate) fn place(session: &SessionRecord) -> String {
    let chat = session.chat.as_ref().map(|chat| format!("{}:{}", chat.channel, chat.platform_id));
    match (chat, &session.thread) {
        (Some(chat), Some(thread)) => format!("{chat} thread {thread}"),
        (Some(chat), None) => chat,
        (None, _) => "no chat".to_owned(),
    }
}

fn filter(
    store: &mut Store,
    group: Option<&String>,
    chat: Option<&String>,
    status: Option<SessionStatus>,
) -> anyhow::Result<SessionFilter> {
    let group = group.map(|given| group::find(store, given)).transpose()?.map(|group| group.id);
    let chat = chat.map(|given| chats::find(store, given)).transpose()?.map(|chat| chat.id);
    Ok(SessionFilter { group, chat, status, before: None })
}

fn print_list(store: &mut Store, list: &cli::SessionList, zone: &TimeZone) -> anyhow::Result<()> {
    let page = &list.list.page;
    let filter = filter(store, list.group.as_ref(), list.chat.as_ref(), list.status)?;
    let filter = SessionFilter { before: page.after.clone(), ..filter };
    let (sessions, more) =
        page::cut(store.sessions_listed(&filter, page::asked(page))?, page, |session| session.id.clone());
    if list.list.json.json {
        output::json(&sessions.iter().map(fields).collect::<Vec<_>>())?;
    } else {
        let row = |s: &SessionRecord| {
            let (group, live) = (folder(s), if s.live_run.is_some() { "runs" } else { "" });
            let open = Some(s.open).filter(|open| *open > 0).map(|open| open.to_string()).unwrap_or_default();
            let active = maybe_local(s.last_active_at, zone);
            vec![s.id.clone(), group, place(s), s.status.to_string(), live.to_owned(), open, active]
        };
        let rows = sessions.iter().map(row).collect();
        let heads = ["id", "group", "chat", "status", "now", "open", "last active"];
        output::table(&heads, rows, "no session: no agent has been given anything, or none is as asked for")?;
    }
    page::tell(more);
    Ok(())
}

fn folder(session: &SessionRecord) -> String {
    session.folder.as_ref().map_or_else(|| format!("{} (removed)", session.group), ToString::to_string)
}

fn fields(session: &SessionRecord) -> Value {
    json!({
        "id": session.id, "group": session.folder, "group_id": session.group,
        "chat": session.chat.as_ref().map(|chat| chat.id), "channel": session.chat.as_ref().map(|chat| &chat.channel),
        "platform_id": session.chat.as_ref().map(|chat| &chat.platform_id), "thread": session.thread,
        "status": session.status, "provider": session.provider, "provider_session": session.provider_session,
        "live_run": session.live_run, "open": session.open,
        "last_active_at": session.last_active_at.map(|t| t.to_string()), "created_at": session.created_at.to_string(),
    })
}

fn print_one(installed: &Installed, store: &Store, session: &SessionRecord, as_json: bool) -> anyhow::Result<()> {
    let dir = installed.paths().session_dir(session.group, &session.id).root;
    let newest = RunFilter { session: Some(session.id.clone()), ..RunFilter::default() };
    let last = store.runs_listed(&newest, 1)?;
    if as_json {
        let mut shown = fields(session);
        shown["dir"] = json!(dir);
        shown["last_run"] = last.first().map(runs::fields).unwrap_or_default();
        return output::json(&shown);
    }
    let zone = &installed.loaded.config.timezone;
    let or = |value: &Option<String>, other: &str| value.clone().unwrap_or_else(|| other.to_owned());
    let name = session.chat_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    output::facts(vec![
        ("session", session.id.clone()),
        ("group", folder(session)),
        ("chat", format!("{}{name}", place(session))),
        ("status", session.status.to_string()),
        ("provider", or(&session.provider, "the group's")),
        ("provider's session", or(&session.provider_session, "none yet")),
        ("live run", or(&session.live_run, "none")),
        ("last run", last.first().map_or_else(|| "none".to_owned(), |run| runs::in_words(run, zone))),
        ("messages open", session.open.to_string()),
        ("files", dir.display().to_string()),
        ("made", local(session.created_at, zone)),
        ("last active", maybe_local(session.last_active_at, zone)),
    ])
}

fn renew_all(installed: &Installed, store: &mut Store, reset: &cli::SessionReset) -> anyhow::Result<()> {
    let mut sessions: Vec<SessionRecord> = Vec::new();
    if let Some(given) = &reset.session {
        sessions.push(find(store, given)?);
    } else {
        for status in [SessionStatus::Active, SessionStatus::SetAside] {
            let filter = filter(store, reset.group.as_ref(), reset.chat.as_ref(), Some(status))?;
            sessions.extend(store.sessions_listed(&filter, AT_ONCE)?);
        }
    }
    if sessions.is_empty() {
        return Err(Refusal::no("no open session is as asked for: nothing was changed"));
    }
    for session in &sessions {
        let (id, folder, place) = (&session.id, folder(session), place(session));
        if !store.close_session(id)? {
            output::line(format!("session {id} of {folder} with {place} is closed already"))?;
            continue;
        }
        // Rung for each: the router asks its agent to leave.
        nc_daemon::ring(&installed.router_bell());
        let open = match session.open {
            0 => String::new(),
            open => format!("; it ends its work on {open} messages first"),
        };
        output::line(format!("session {id} of {folder} with {place} is closed{open}"))?;
    }
    Ok(())
}
