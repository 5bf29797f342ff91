//! What the agent is given of a message, and of what else its session is told: rows of the mailbox.

use nc_model::limits::MAX_TEXT_BYTES;
use nc_model::{Decision, GroupId, InboxKind, MessageKind};
use nc_store::{DeliveryReport, InboxRow, Quoted, Session, ToPlace};
use nc_wire::content::{Attachment, ChatIn, Incoming, ReplyTo};
use nc_wire::mailbox::{Delivered, DeliveredStatus, InKind, InRow};
use serde_json::Value;

/// How much of a message that is answered is shown with the answer, in characters. A guess: enough to know it again.
const QUOTED_CHARS: usize = 300;

/// What stands where a text was cut.
const CUT: &str = "\n[… the rest of this message was cut]";

/// What becomes of a row of a session's inbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A row of `messages_in`.
    Row(InRow),
    /// A row of `delivered`.
    Delivered(Delivered),
    /// Nothing: whoever wrote it made a mistake.
    Unreadable(String),
}

/// The id of a message's row in the mailboxes of `group`.
pub(crate) fn row_id(seq: nc_model::Seq, group: GroupId) -> String {
    format!("{seq}:{group}")
}

/// The message and group of a row's id; none for a row that is no message of a chat.
pub(crate) fn message_of(id: &str) -> Option<(nc_model::Seq, GroupId)> {
    let (seq, group) = id.split_once(':')?;
    Some((nc_model::Seq(seq.parse().ok()?), GroupId(group.parse().ok()?)))
}

/// The row of a message; `attachments` is what was made of its files.
pub(crate) fn chat_row(message: &ToPlace, attachments: Vec<Attachment>) -> InRow {
    let sender = message.sender_name.as_deref().or(message.sender_id.as_deref()).unwrap_or_default();
    let content = ChatIn {
        sender: sender.to_owned(),
        sender_id: message.sender_id.clone().unwrap_or_default(),
        text: words(message.kind, message.text.as_deref().unwrap_or_default()),
        attachments,
        reply_to: message.reply_to.as_ref().map(|quoted| reply_to(quoted, message.group)),
        is_from_me: message.from_me,
    };
    InRow {
        id: row_id(message.seq, message.group),
        kind: InKind::Chat,
        timestamp: message.sent_at,
        trigger: message.decision == Decision::Work,
        platform_id: Some(message.platform_id.clone()),
        channel_type: Some(message.channel.clone()),
        thread_id: message.thread.clone(),
        content: Incoming::Chat(content).to_json(),
        source_session_id: None,
        on_wake: false,
        process_after: None,
    }
}

/// The text of a message; what is no message says in words what it is.
fn words(kind: MessageKind, text: &str) -> String {
    let text = cut(text);
    match kind {
        MessageKind::Message | MessageKind::Command | MessageKind::Answer | MessageKind::System => text,
        MessageKind::Edit => format!("[changed an earlier message to:] {text}"),
        MessageKind::Delete => "[took back an earlier message]".to_owned(),
        MessageKind::Reaction => format!("[reacted to an earlier message:] {text}"),
    }
}

/// `text`, or as much of it as a message may have and a word on the rest.
fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    let room = MAX_TEXT_BYTES - CUT.len();
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{CUT}", &text[..end])
}

fn reply_to(quoted: &Quoted, group: GroupId) -> ReplyTo {
    ReplyTo {
        id: Some(quoted.seq.map_or_else(|| quoted.platform_message_id.clone(), |seq| row_id(seq, group))),
        sender: quoted.sender_name.clone(),
        text: quoted.text.as_ref().map(|text| text.chars().take(QUOTED_CHARS).collect()),
    }
}

/// The row of something that a session is told besides messages.
pub(crate) fn inbox_piece(row: &InboxRow, session: &Session) -> Piece {
    match row.kind {
        InboxKind::Delivery => delivered(row).map_or_else(Piece::Unreadable, Piece::Delivered),
        InboxKind::Task => from_chat(row, session, InKind::Task),
        InboxKind::System | InboxKind::Answer => from_chat(row, session, InKind::System),
        InboxKind::Prompt => from_chat(row, session, InKind::Chat),
        InboxKind::Notice | InboxKind::Agent => from_agent(row, session),
    }
}

/// A row whose answer belongs into the session's chat.
fn from_chat(row: &InboxRow, session: &Session, kind: InKind) -> Piece {
    let chat = session.chat.as_ref();
    Piece::Row(InRow {
        platform_id: chat.map(|c| c.platform_id.clone()),
        channel_type: chat.map(|c| c.channel.clone()),
        thread_id: session.thread.clone(),
        ..bare(row, kind)
    })
}

/// A row that another agent wrote, or, as a notice, the agent's own group.
fn from_agent(row: &InboxRow, session: &Session) -> Piece {
    let content = match serde_json::from_str::<Value>(&row.content) {
        Ok(content) => content,
        Err(error) => return Piece::Unreadable(error.to_string()),
    };
    let named = |field: &str| match content.get(field) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let peer = if row.kind == InboxKind::Agent { named("agentGroupId") } else { None };
    Piece::Row(InRow {
        platform_id: Some(peer.unwrap_or_else(|| session.group.to_string())),
        channel_type: Some("agent".to_owned()),
        source_session_id: named("sourceSessionId"),
        ..bare(row, InKind::Chat)
    })
}

fn bare(row: &InboxRow, kind: InKind) -> InRow {
    InRow {
        id: row.id.clone(),
        kind,
        timestamp: row.created_at,
        // What a tool waits for is never a reason to run an agent.
        trigger: row.trigger && kind != InKind::System,
        platform_id: None,
        channel_type: None,
        thread_id: None,
        content: row.content.clone(),
        source_session_id: None,
        on_wake: row.on_wake,
        process_after: row.not_before,
    }
}

fn delivered(row: &InboxRow) -> Result<Delivered, String> {
    let report: DeliveryReport = serde_json::from_str(&row.content).map_err(|error| error.to_string())?;
    let status = report.status.parse::<DeliveredStatus>().map_err(|error| format!("status: {error}"))?;
    Ok(Delivered {
        message_out_id: report.message_out_id,
        platform_message_id: report.platform_message_id,
        status,
        at: row.created_at,
    })
}
