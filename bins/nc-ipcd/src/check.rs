//! Whether an agent may send what it wrote, and where to.
//!
//! | to | main | another group |
//! | --- | --- | --- |
//! | its session's own chat | yes | yes |
//! | a chat among its destinations | yes | yes |
//! | any other chat | yes | no |
//! | another agent | not in this version | not in this version |
//!
//! Files are copied out of `outbox/` while this is decided; one that cannot be taken refuses the row, and those who were to
//! get it are told.
//!
//! Who an agent is, is decided by the directory in which its file lies. What the row says of that is not read.

use std::io;
use std::path::Path;

use nc_model::{ChatId, DeliveryKind, Seq, TargetKind};
use nc_store::{NewDelivery, Refusal, RunPlan, Session, Spoken, Store, StoreError, Told, new_id};
use nc_wire::content::Outgoing;
use nc_wire::snapshot::{OutRow, RowError};
use serde_json::json;
use tracing::debug;

use crate::media::{Media, NotTaken};
use crate::{requests, way};

/// The channel of rows that go to other agents.
const AGENT: &str = "agent";

/// A session's agent, as far as its rights go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<'a> {
    pub(crate) store: &'a Store,
    pub(crate) session: &'a Session,
    pub(crate) plan: &'a RunPlan,
    /// What its agent writes.
    pub(crate) work: &'a Path,
    /// Whether its answers go to chats, and not to whoever runs it by hand.
    pub(crate) to_chat: bool,
    /// Whether files for which there is no room wait for it; else they are refused.
    pub(crate) may_wait: bool,
}

/// Why nothing is decided on a row.
#[derive(Debug)]
pub(crate) enum Undecided {
    /// The store cannot be asked.
    Store(StoreError),
    /// There is no room for its files now.
    NoRoom(io::Error),
}

impl From<StoreError> for Undecided {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
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
    /// The message that it is about.
    pub(crate) message: Option<Seq>,
}

/// What becomes of a row.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// What the store is to have of it: a delivery, a refusal, or both.
    pub(crate) spoken: Vec<Spoken>,
    pub(crate) rejected: Option<Rejected>,
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
    /// [`Undecided`]
    pub(crate) fn check(&self, row: Result<OutRow, RowError>, media: &mut Media) -> Result<Checked, Undecided> {
        let row = match row {
            Ok(row) => row,
            Err(error) => return Ok(unreadable(&error)),
        };
        let reply = row.in_reply_to.clone();
        let mut checked = self.decide(row, media)?;
        if let Some(rejected) = &mut checked.rejected {
            rejected.message = way::about(self.store, &self.session.id, reply.as_deref())?;
        }
        Ok(checked)
    }

    fn decide(&self, row: OutRow, media: &mut Media) -> Result<Checked, Undecided> {
        let session = &self.session.id;
        debug!(%session, group = %self.plan.folder, row = ?row.id, kind = row.kind.as_str(), reply = ?row.in_reply_to, "a request of an agent");
        if !self.to_chat {
            return Ok(Checked { spoken: vec![refuse(row.id, Told::Nothing)], rejected: None });
        }
        let kind = match kind_of(&row.content) {
            Ok(kind) => kind,
            Err(reason) => return Ok(refused(row, reason)),
        };
        let place = match self.place(&row)? {
            Ok(place) => place,
            Err(reason) => return Ok(refused(row, reason)),
        };
        let names = match &row.content {
            Outgoing::Text(text) => text.files.as_slice(),
            _ => &[],
        };
        let id = new_id();
        let taken = if names.is_empty() { Ok(()) } else { media.take(self.work, &row.id, names, &id) };
        match taken {
            Ok(()) => {}
            Err(NotTaken::NoRoom(error)) if self.may_wait => return Err(Undecided::NoRoom(error)),
            Err(NotTaken::NoRoom(error)) => {
                return Ok(without_files(row, place, &format!("it could not be copied ({error})")));
            }
            Err(NotTaken::Refused(reason)) => return Ok(without_files(row, place, &reason)),
        }
        Ok(Checked { spoken: vec![Spoken::Send(delivery(id, row, kind, place))], rejected: None })
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
        let (session, is_there) = (&self.session.id, found.is_some());
        debug!(%session, ?channel, ?platform_id, is_there, allowed, "looked up a chat that an agent names");
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
        Outgoing::Text(_) => Ok(DeliveryKind::File),
        Outgoing::Edit(_) => Ok(DeliveryKind::Edit),
        Outgoing::Reaction(_) => Ok(DeliveryKind::Reaction),
        Outgoing::Question(_) => not_yet("questions with options"),
        Outgoing::Card(_) => not_yet("cards"),
        Outgoing::Request(request) => Err(requests::refusal(request)),
        _ => not_yet("messages of this kind"),
    }
}

/// `id` was made when the row's turn came: parts of a chat are sent in the order of the ids.
fn delivery(id: String, row: OutRow, kind: DeliveryKind, place: Place) -> NewDelivery {
    NewDelivery {
        id: Some(id),
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

/// Of a row whose files cannot be taken the text goes out, with why they do not come with it; the agent is told, too.
fn without_files(row: OutRow, place: Place, reason: &str) -> Checked {
    let said = match &row.content {
        Outgoing::Text(text) => text.text.as_str(),
        _ => "",
    };
    let note = format!("(A file could not be sent: {reason}.)");
    let text = if said.is_empty() { note } else { format!("{said}\n{note}") };
    let told = OutRow { content: Outgoing::text(text), ..row.clone() };
    let mut checked = refused(row, reason.to_owned());
    checked.spoken.insert(0, Spoken::Send(delivery(new_id(), told, DeliveryKind::Text, place)));
    checked
}

fn refused(row: OutRow, reason: String) -> Checked {
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
    let rejected = Rejected { name: row.id.clone(), bytes: bytes.to_string().into_bytes(), reason, message: None };
    Checked { spoken: vec![refuse(row.id, told)], rejected: Some(rejected) }
}

fn unreadable(error: &RowError) -> Checked {
    let reason = error.to_string();
    let told = Told::Notice(format!("What you sent was refused: {reason}."));
    let rejected = Rejected { name: error.key.clone(), bytes: error.key.clone().into_bytes(), reason, message: None };
    Checked { spoken: vec![refuse(error.key.clone(), told)], rejected: Some(rejected) }
}

fn refuse(source_id: String, told: Told) -> Spoken {
    Spoken::Refuse(Refusal { source_id, told })
}
