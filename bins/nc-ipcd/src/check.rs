//! Whether an agent may send what it wrote, and where to.
//!
//! | to | main | another group |
//! | --- | --- | --- |
//! | its session's own chat | yes | yes |
//! | a chat among its destinations | yes | yes |
//! | any other chat | yes | no |
//! | another agent | not in this version | not in this version |
//!
//! Who an agent is, is decided by the directory in which its file lies. What the row says of that is not read.

use nc_model::{ChatId, DeliveryKind, TargetKind};
use nc_store::{NewDelivery, Refusal, RunPlan, Session, Spoken, Store, StoreError, Told};
use nc_wire::content::Outgoing;
use nc_wire::snapshot::{OutRow, RowError};
use serde_json::json;

use crate::requests;

/// The channel of rows that go to other agents.
const AGENT: &str = "agent";

/// A session's agent, as far as its rights go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<'a> {
    pub(crate) store: &'a Store,
    pub(crate) session: &'a Session,
    pub(crate) plan: &'a RunPlan,
    /// Whether its answers go to chats, and not to whoever runs it by hand.
    pub(crate) to_chat: bool,
}

/// A row that was refused, for a person to see.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// What the row goes by.
    pub(crate) name: String,
    /// The row, or as much of it as could be read.
    pub(crate) bytes: Vec<u8>,
    /// Why.
    pub(crate) reason: String,
}

/// A chat that may be written to.
struct Place {
    chat: ChatId,
    channel: String,
}

impl Speaker<'_> {
    /// Decides on one row.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked.
    pub(crate) fn check(&self, row: Result<OutRow, RowError>) -> Result<(Spoken, Option<Rejected>), StoreError> {
        let row = match row {
            Ok(row) => row,
            Err(error) => return Ok(unreadable(&error)),
        };
        if !self.to_chat {
            return Ok((refuse(row.id, Told::Nothing), None));
        }
        let kind = match kind_of(&row.content) {
            Ok(kind) => kind,
            Err(reason) => return Ok(refused(row, reason)),
        };
        match self.place(&row)? {
            Ok(place) => Ok((Spoken::Send(delivery(row, kind, place)), None)),
            Err(reason) => Ok(refused(row, reason)),
        }
    }

    /// The chat that a row goes to, or why it goes to none.
    fn place(&self, row: &OutRow) -> Result<Result<Place, String>, StoreError> {
        let own = self.session.chat.as_ref();
        let (channel, platform_id) = match (row.channel_type.as_deref(), row.platform_id.as_deref()) {
            (Some(AGENT), _) => {
                return Ok(Err("messages to other agents are not available in this version".to_owned()));
            }
            (Some(channel), Some(platform_id)) => (channel, platform_id),
            (None, None) => {
                let place = own.map(|chat| Place { chat: chat.id, channel: chat.channel.clone() });
                return Ok(place.ok_or_else(|| "it names no chat, and this session has none of its own".to_owned()));
            }
            _ => return Ok(Err("it needs both a channel_type and a platform_id".to_owned())),
        };
        if let Some(own) = own.filter(|chat| chat.channel == channel && chat.platform_id == platform_id) {
            return Ok(Ok(Place { chat: own.id, channel: own.channel.clone() }));
        }
        let found = self.store.find_chat(channel, platform_id)?;
        let allowed = match &found {
            Some(_) if self.plan.is_main => true,
            Some(chat) => self.store.destination_to(self.session.group, TargetKind::Chat, chat.id.0)?.is_some(),
            None => false,
        };
        // Whether a chat exists that it may not write to is not the agent's to know.
        Ok(match found.filter(|_| allowed) {
            Some(chat) => Ok(Place { chat: chat.id, channel: chat.channel }),
            None if self.plan.is_main => Err(format!("there is no chat {platform_id:?} of the channel {channel:?}")),
            None => Err(format!("the chat {platform_id:?} of the channel {channel:?} is none of your destinations")),
        })
    }
}

/// The kind of the delivery, or why there is none.
fn kind_of(content: &Outgoing) -> Result<DeliveryKind, String> {
    let not_yet = |what: &str| Err(format!("{what} are not available in this version"));
    match content {
        Outgoing::Text(text) if text.files.is_empty() => Ok(DeliveryKind::Text),
        Outgoing::Text(_) => not_yet("files"),
        Outgoing::Edit(_) => Ok(DeliveryKind::Edit),
        Outgoing::Reaction(_) => Ok(DeliveryKind::Reaction),
        Outgoing::Question(_) => not_yet("questions with options"),
        Outgoing::Card(_) => not_yet("cards"),
        Outgoing::Request(request) => Err(requests::refusal(request)),
        _ => not_yet("messages of this kind"),
    }
}

fn delivery(row: OutRow, kind: DeliveryKind, place: Place) -> NewDelivery {
    NewDelivery {
        source_seq: row.seq,
        in_reply_to: row.in_reply_to,
        chat: place.chat,
        channel: place.channel,
        thread: row.thread_id,
        kind,
        content: row.content.to_json(),
        not_before: row.deliver_after,
        source_id: row.id,
    }
}

fn refused(row: OutRow, reason: String) -> (Spoken, Option<Rejected>) {
    let notice = format!("What you sent (row {:?}) was refused: {reason}.", row.id);
    let told = match &row.content {
        Outgoing::Request(request) => requests::told(request, &reason, notice),
        _ => Told::Notice(notice),
    };
    let bytes = json!({
        "id": row.id, "seq": row.seq, "in_reply_to": row.in_reply_to, "kind": row.kind.as_str(),
        "channel_type": row.channel_type, "platform_id": row.platform_id, "thread_id": row.thread_id,
        "content": row.content.to_json(),
    });
    let rejected = Rejected { name: row.id.clone(), bytes: bytes.to_string().into_bytes(), reason };
    (refuse(row.id, told), Some(rejected))
}

fn unreadable(error: &RowError) -> (Spoken, Option<Rejected>) {
    let reason = error.to_string();
    let told = Told::Notice(format!("What you sent was refused: {reason}."));
    let rejected = Rejected { name: error.key.clone(), bytes: error.key.clone().into_bytes(), reason };
    (refuse(error.key.clone(), told), Some(rejected))
}

fn refuse(source_id: String, told: Told) -> Spoken {
    Spoken::Refuse(Refusal { source_id, told })
}
