//! The session of a run by hand.

use nc_daemon::Failure;
use nc_store::{ChatAddress, Group, Store};
use nc_wire::content::{ChatIn, Incoming};
use nix::unistd::{User, getuid};
use serde_json::Value;

use super::say;
use crate::refusal::failed;

/// Where the agent speaks, and who speaks to it.
#[derive(Debug)]
pub(super) struct HandSession {
    /// The session.
    pub(super) id: String,
    /// The chat that a reply goes to; none where the group listens to none.
    pub(super) place: Option<ChatAddress>,
    /// It is closed afterwards.
    isolated: bool,
}

impl HandSession {
    /// The group's own session, or a fresh one.
    pub(super) fn choose(store: &mut Store, group: &Group, isolated: bool) -> Result<Self, Failure> {
        let id = if isolated { store.fresh_session(group.id) } else { store.own_session(group.id) }.map_err(failed)?;
        let own = store.session(&id).map_err(failed)?.and_then(|session| session.chat);
        let place = match own {
            Some(chat) => Some(chat),
            None => first_chat(store, group)?,
        };
        Ok(Self { id, place, isolated })
    }

    /// The session in words.
    pub(super) fn words(&self) -> String {
        let chat =
            self.place.as_ref().map_or_else(|| "no chat".to_owned(), |c| format!("{}:{}", c.channel, c.platform_id));
        if self.isolated { format!("a fresh one, {chat}") } else { chat }
    }

    /// The prompt as the mailbox holds it, from whoever sits here.
    pub(super) fn content(&self, text: &str) -> String {
        let uid = getuid();
        let user = User::from_uid(uid).ok().flatten();
        let name = user.as_ref().map_or_else(|| uid.to_string(), |user| user.name.clone());
        let full =
            user.map(|user| user.gecos.to_string_lossy().split(',').next().unwrap_or_default().trim().to_owned());
        let sender = full.filter(|full| !full.is_empty()).unwrap_or_else(|| name.clone());
        let chat = ChatIn { sender, sender_id: format!("terminal:{name}"), text: text.to_owned(), ..ChatIn::default() };
        let content = Incoming::Chat(chat).to_json();
        let (Some(place), Ok(Value::Object(mut fields))) = (&self.place, serde_json::from_str(&content)) else {
            return content;
        };
        // For a session without a chat: where the answer belongs all the same.
        fields.insert("channelType".to_owned(), place.channel.as_str().into());
        fields.insert("platformId".to_owned(), place.platform_id.as_str().into());
        Value::Object(fields).to_string()
    }

    /// Closes it, where it is to be closed.
    pub(super) fn leave(&self, store: &mut Store) {
        if self.isolated
            && let Err(error) = store.close_session(&self.id)
        {
            say(&format!("session {} stays open: {error}; close it with `nanoclawctl session reset`", self.id));
        }
    }
}

fn first_chat(store: &Store, group: &Group) -> Result<Option<ChatAddress>, Failure> {
    let Some(id) = store.first_chat(group.id).map_err(failed)? else { return Ok(None) };
    let chat = store.chat(id).map_err(failed)?;
    Ok(Some(ChatAddress { id, channel: chat.channel, platform_id: chat.platform_id }))
}
