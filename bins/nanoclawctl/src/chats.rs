//! Chats: where people write, and how a person names one.

use std::process::ExitCode;

use nc_config::Options;
use nc_model::ChatId;
use nc_store::{Chat, NewChat, Store};
use nix::unistd::User;
use serde_json::json;

use crate::cli;
use crate::ending::Refusal;
use crate::group::TERMINAL;
use crate::installed::Installed;
use crate::output;

/// How many chats are read at once.
const PAGE: u32 = 500;

pub(crate) fn run(options: &Options, command: &cli::Chat) -> anyhow::Result<ExitCode> {
    let cli::Chat::List(format) = command;
    let store = Installed::load(options)?.existing_store()?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    each(&store, |chat| {
        let listening = store.wirings_of_chat(chat.id)?;
        let folders: Vec<String> = listening.iter().map(|w| w.folder.to_string()).collect();
        values.push(json!({
            "id": chat.id, "channel": chat.channel, "platform_id": chat.platform_id, "name": chat.name,
            "is_group": chat.is_group, "last_message_at": chat.last_message_at.map(|t| t.to_string()), "groups": folders,
        }));
        let written = chat.last_message_at.map(|t| t.to_string()).unwrap_or_default();
        let name = chat.name.clone().unwrap_or_default();
        rows.push(vec![chat.id.to_string(), address(&chat), name, written, folders.join(" ")]);
        Ok(())
    })?;
    if format.json {
        output::json(&values)?;
    } else {
        output::table(&["id", "address", "name", "last message", "groups"], rows, "no chat yet: nobody has written")?;
    }
    Ok(ExitCode::SUCCESS)
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
        0 => Err(Refusal::no(format!(
            "there is no chat {name:?}: `nanoclawctl chat list` shows those that are, each with its number and address"
        ))),
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
