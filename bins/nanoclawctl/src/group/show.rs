//! Listing and showing groups.

use nc_store::{Destination, Group, Store, Target, Wiring};
use serde_json::{Value, json};

use super::{all, find};
use crate::cli::GroupShow;
use crate::installed::Installed;
use crate::{chats, output};

pub(super) fn list(store: &Store, as_json: bool) -> anyhow::Result<()> {
    let groups = all(store)?;
    if as_json {
        return output::json(&groups.iter().map(fields).collect::<Vec<_>>());
    }
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
        vec!["name".to_owned(), group.name.clone()],
        vec!["folder".to_owned(), dir.display().to_string()],
        vec!["main".to_owned(), if group.is_main { "yes" } else { "no" }.to_owned()],
        vec!["provider".to_owned(), or_default(&group.provider)],
        vec!["model".to_owned(), or_default(&group.model)],
        vec!["sandbox".to_owned(), group.container_config.clone()],
        vec!["made".to_owned(), group.created_at.to_string()],
    ];
    for wiring in &wirings {
        let chat = chats::address(&store.chat(wiring.chat)?);
        let how = format!("{}, {}, priority {}", wiring.session_mode, wiring.engage_mode, wiring.priority);
        rows.push(vec!["listens to".to_owned(), format!("{chat} ({how})")]);
    }
    for destination in &destinations {
        rows.push(vec![
            "may address".to_owned(),
            format!("{} = {}", destination.local_name, target(&destination.target)),
        ]);
    }
    output::table(&["what", "value"], rows, "")
}

fn fields(group: &Group) -> Value {
    // A row that somebody edited by hand is shown as the text that it is.
    let container = serde_json::from_str(&group.container_config).unwrap_or_else(|_| json!(group.container_config));
    json!({
        "id": group.id, "folder": group.folder, "name": group.name, "main": group.is_main, "provider": group.provider,
        "model": group.model, "container_config": container, "created_at": group.created_at.to_string(),
    })
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

fn destination(destination: &Destination) -> Value {
    json!({ "name": destination.local_name, "target": destination.target })
}

fn target(target: &Target) -> String {
    match target {
        Target::Chat { channel, platform_id, .. } => format!("{channel}:{platform_id}"),
        Target::Agent { folder, .. } => format!("agent {folder}"),
    }
}
