//! Chats: where people write, and how a person names one.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use nc_config::Options;
use nc_model::{ChatId, SessionStatus};
use nc_store::{Chat, ChatFilter, NewChat, SessionFilter, Store, Wiring};
use nix::unistd::User;
use serde_json::{Value, json};

use crate::ending::Refusal;
use crate::group::{self, TERMINAL};
use crate::installed::Installed;
use crate::when::maybe_local;
use crate::{cli, names, output, page};

/// How many chats are read at once.
const PAGE: u32 = 500;

/// How many of its sessions a chat is shown with.
const SESSIONS: u32 = 20;

pub(crate) fn run(options: &Options, command: &cli::Chat) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let mut store = installed.existing_store()?;
    match command {
        cli::Chat::List(list) => print_list(&store, list, &installed.loaded.config.timezone)?,
        cli::Chat::Show(show) => {
            let chat = find(&mut store, &show.chat)?;
            print_one(&store, &chat, show.json.json)?;
        }
        cli::Chat::Edit(edit) => {
            let chat = find(&mut store, &edit.chat)?;
            store.set_unknown_sender_policy(chat.id, edit.unknown_senders)?;
            let (address, policy) = (address(&chat), edit.unknown_senders);
            output::line(format!(
                "{address}: the policy for unknown senders is {policy}; it counts from the next message on"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_list(store: &Store, list: &cli::ChatList, zone: &TimeZone) -> anyhow::Result<()> {
    let filter = ChatFilter {
        channel: list.channel.clone(),
        group: list.group.as_deref().map(|given| group::find(store, given)).transpose()?.map(|group| group.id),
        unwired: list.unwired,
        after: list.list.page.after.as_deref().map(after).transpose()?,
    };
    let page = &list.list.page;
    let (chats, more) = page::cut(store.chats_listed(&filter, page::asked(page))?, page, |chat| chat.id.to_string());
    let listening = |chat: &Chat| -> anyhow::Result<Vec<String>> {
        Ok(store.wirings_of_chat(chat.id)?.iter().map(|w| w.folder.to_string()).collect())
    };
    if list.list.json.json {
        let fields = chats.iter().map(|chat| {
            let mut fields = fields(chat);
            fields["groups"] = json!(listening(chat)?);
            Ok(fields)
        });
        output::json(&fields.collect::<anyhow::Result<Vec<Value>>>()?)?;
    } else {
        let row = |chat: &Chat| {
            let name = chat.name.clone().unwrap_or_default();
            let written = maybe_local(chat.last_message_at, zone);
            Ok(vec![chat.id.to_string(), address(chat), name, written, listening(chat)?.join(" ")])
        };
        let rows = chats.iter().map(row).collect::<anyhow::Result<_>>()?;
        let heads = ["id", "address", "name", "last message", "groups"];
        output::table(&heads, rows, "no chat: nobody has written, or none is as asked for")?;
    }
    page::tell(more);
    Ok(())
}

fn after(given: &str) -> anyhow::Result<ChatId> {
    let wrong =
        |_none: std::num::ParseIntError| Refusal::look(format!("--after {given:?} is not the number of a chat"));
    given.parse().map(ChatId).map_err(wrong)
}

fn print_one(store: &Store, chat: &Chat, as_json: bool) -> anyhow::Result<()> {
    let wirings = store.wirings_of_chat(chat.id)?;
    let filter = SessionFilter { chat: Some(chat.id), status: Some(SessionStatus::Active), ..SessionFilter::default() };
    let sessions = store.sessions_listed(&filter, SESSIONS)?;
    let newest = store.messages_of_chat(chat.id, None, 1)?.first().map(|message| message.seq);
    if as_json {
        let mut shown = fields(chat);
        shown["newest_message"] = json!(newest);
        shown["wirings"] = wirings.iter().map(wiring).collect();
        shown["sessions"] =
            sessions.iter().map(|s| json!({ "id": s.id, "group": s.folder, "thread": s.thread })).collect();
        return output::json(&shown);
    }
    let none = || "none".to_owned();
    let mut rows = vec![
        ("number", chat.id.to_string()),
        ("address", address(chat)),
        ("name", chat.name.clone().unwrap_or_default()),
        ("people", if chat.is_group { "several" } else { "one: it is a direct chat" }.to_owned()),
        ("unknown senders", chat.unknown_sender_policy.to_string()),
        ("first seen", chat.created_at.to_string()),
        ("last message", chat.last_message_at.map_or_else(none, |t| t.to_string())),
        ("newest message", newest.map_or_else(none, |seq| format!("{seq} (`nanoclawctl why {seq}`)"))),
    ];
    for wiring in &wirings {
        rows.push(("listens", format!("{} ({})", wiring.folder, group::how(wiring))));
    }
    for session in &sessions {
        let thread = session.thread.as_ref().map(|thread| format!(", thread {thread}")).unwrap_or_default();
        let group = session.folder.as_ref().map(ToString::to_string).unwrap_or_default();
        rows.push(("session", format!("{} of {group}{thread}", session.id)));
    }
    output::facts(rows)
}

fn fields(chat: &Chat) -> Value {
    json!({
        "id": chat.id, "channel": chat.channel, "platform_id": chat.platform_id, "name": chat.name,
        "is_group": chat.is_group, "unknown_sender_policy": chat.unknown_sender_policy,
        "last_message_at": chat.last_message_at.map(|t| t.to_string()), "created_at": chat.created_at.to_string(),
    })
}

fn wiring(wiring: &Wiring) -> Value {
    json!({
        "group": wiring.folder, "session_mode": wiring.session_mode, "engage_mode": wiring.engage_mode,
        "engage_pattern": wiring.engage_pattern, "sender_scope": wiring.sender_scope,
        "ignored_message_policy": wiring.ignored_message_policy, "priority": wiring.priority,
        "created_at": wiring.created_at.to_string(),
    })
}

/// How a person names a chat: `CHANNEL:PLATFORM_ID`.
pub(crate) fn address(chat: &Chat) -> String {
    format!("{}:{}", chat.channel, chat.platform_id)
}

/// The chat that `given` means: a number, an address or a name. The terminal of a Unix user who has not talked yet is
/// made.
pub(crate) fn find(store: &mut Store, given: &str) -> anyhow::Result<Chat> {
    if let Ok(id) = given.parse() {
        return Ok(store.chat(ChatId(id))?);
    }
    // A channel's instance has a colon of its own.
    for (at, _) in given.match_indices(':') {
        if let Some(chat) = store.find_chat(&given[..at], &given[at + 1..])? {
            return Ok(chat);
        }
    }
    if let Some(user) = given.strip_prefix("terminal:") {
        return terminal_of(store, user);
    }
    by_name(store, given)
}

fn terminal_of(store: &mut Store, user: &str) -> anyhow::Result<Chat> {
    let known = User::from_name(user).is_ok_and(|found| found.is_some());
    if !known {
        return Err(Refusal::no(format!("there is no Unix user {user:?}, so no terminal of that name")));
    }
    let chat = store.ensure_chat(&NewChat { channel: TERMINAL, platform_id: user, name: None, is_group: false })?;
    Ok(store.chat(chat)?)
}

fn by_name(store: &Store, name: &str) -> anyhow::Result<Chat> {
    let wanted = name.to_lowercase();
    let mut found = Vec::new();
    each(store, |chat| {
        if chat.name.as_ref().is_some_and(|n| n.to_lowercase() == wanted) {
            found.push(chat);
        }
        Ok(())
    })?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let meant = names::question(names::nearest_chat(store, name)?);
            Err(Refusal::no(format!(
                "there is no chat {name:?}{meant}: `nanoclawctl chat list` shows those that are, each with its number and \
                 address"
            )))
        }
        _ => {
            let addresses = found.iter().map(|c| format!("{} ({})", c.id, address(c))).collect::<Vec<_>>().join(", ");
            Err(Refusal::no(format!("several chats are called {name:?}: say which by its number: {addresses}")))
        }
    }
}

fn each(store: &Store, mut look: impl FnMut(Chat) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.chats_page(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        page.into_iter().try_for_each(&mut look)?;
    }
}
