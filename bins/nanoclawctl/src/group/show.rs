//! Listing and showing groups.

use nc_store::{Destination, Group, Store, Target, Wiring};
use serde_json::{Value, json};

use super::find;
use crate::cli::{GroupShow, List};
use crate::installed::Installed;
use crate::{chats, output, page};

pub(super) fn list(store: &Store, list: &List) -> anyhow::Result<()> {
    let after = list.page.after.as_deref().unwrap_or_default();
    let (groups, more) =
        page::cut(store.groups_page(after, page::asked(&list.page))?, &list.page, |group| group.folder.to_string());
    if list.json.json {
        output::json(&groups.iter().map(fields).collect::<Vec<_>>())?;
    } else {
        print(store, &groups)?;
    }
    page::tell(more);
    Ok(())
}

fn print(store: &Store, groups: &[Group]) -> anyhow::Result<()> {
    let row = |group: &Group| -> anyhow::Result<Vec<String>> {
        let chats = store.wirings_of_group(group.id)?.len();
        let main = if group.is_main { "main" } else { "" };
        let provider = group.provider.clone().unwrap_or_else(|| "default".to_owned());
        Ok(vec![group.folder.to_string(), group.name.clone(), main.to_owned(), provider, chats.to_string()])
    };
    let rows = groups.iter().map(row).collect::<anyhow::Result<_>>()?;
    output::table(
        &["folder", "name", "main", "provider", "chats"],
        rows,
        "no group yet: `nanoclawctl group add NAME --main` makes the main one",
    )
}

pub(super) fn show(installed: &Installed, show: &GroupShow) -> anyhow::Result<()> {
    let store = installed.existing_store()?;
    let group = find(&store, &show.group)?;
    let dir = installed.paths().group_dir(&group.folder);
    let wirings = store.wirings_of_group(group.id)?;
    let destinations = store.destinations_of(group.id)?;
    if show.json.json {
        let mut shown = fields(&group);
        shown["dir"] = json!(dir);
        shown["wirings"] = wirings.iter().map(|w| wiring(&store, w)).collect::<anyhow::Result<Vec<_>>>()?.into();
        shown["destinations"] = destinations.iter().map(destination).collect();
        return output::json(&shown);
    }
    let or_default = |value: &Option<String>| value.clone().unwrap_or_else(|| "default".to_owned());
    let mut rows = vec![
        ("name", group.name.clone()),
        ("number", group.id.to_string()),
        ("folder", dir.display().to_string()),
        ("main", if group.is_main { "yes" } else { "no" }.to_owned()),
        ("provider", or_default(&group.provider)),
        ("model", or_default(&group.model)),
        ("sandbox", group.container_config.clone()),
        ("made", group.created_at.to_string()),
    ];
    for wiring in &wirings {
        let chat = chats::address(&store.chat(wiring.chat)?);
        rows.push(("listens to", format!("{chat} ({})", how(wiring))));
    }
    for destination in &destinations {
        rows.push(("may address", format!("{} = {}", destination.local_name, target(&destination.target))));
    }
    output::facts(rows)
}

fn fields(group: &Group) -> Value {
    // A row that somebody edited by hand is shown as the text that it is.
    let container = serde_json::from_str(&group.container_config).unwrap_or_else(|_| json!(group.container_config));
    json!({
        "id": group.id, "folder": group.folder, "name": group.name, "main": group.is_main, "provider": group.provider,
        "model": group.model, "container_config": container, "created_at": group.created_at.to_string(),
    })
}

/// How a group listens to a chat, in the words of `wire`.
pub(crate) fn how(wiring: &Wiring) -> String {
    let pattern = wiring.engage_pattern.as_ref().map(|pattern| format!(" {pattern:?}")).unwrap_or_default();
    format!(
        "{}, {}{pattern}, senders {}, {}, priority {}",
        wiring.session_mode, wiring.engage_mode, wiring.sender_scope, wiring.ignored_message_policy, wiring.priority
    )
}

fn wiring(store: &Store, wiring: &Wiring) -> anyhow::Result<Value> {
    let chat = store.chat(wiring.chat)?;
    Ok(json!({
        "chat": wiring.chat, "channel": chat.channel, "platform_id": chat.platform_id, "name": chat.name,
        "session_mode": wiring.session_mode, "engage_mode": wiring.engage_mode, "engage_pattern": wiring.engage_pattern,
        "sender_scope": wiring.sender_scope, "ignored_message_policy": wiring.ignored_message_policy,
        "priority": wiring.priority, "created_at": wiring.created_at.to_string(),
    }))
}

/// A destination as JSON.
pub(crate) fn destination(destination: &Destination) -> Value {
    json!({ "name": destination.local_name, "target": destination.target })
}

/// What a name stands for, in a word or two.
pub(crate) fn target(target: &Target) -> String {
    match target {
        Target::Chat { channel, platform_id, .. } => format!("{channel}:{platform_id}"),
        Target::Agent { folder, .. } => format!("agent {folder}"),
    }
}
