//! What the agent is given of a message, and of what else its session is told: rows of the mailbox.

use nc_model::limits::MAX_TEXT_BYTES;
use nc_model::{Decision, GroupId, InboxKind, MessageKind};
use nc_store::{DeliveryReport, InboxRow, Quoted, Session, ToPlace};
use nc_wire::content::{Attachment, ChatIn, Incoming, ReplyTo};
use nc_wire::mailbox::{Delivered, DeliveredStatus, InKind, InRow};
use serde_json::Value;

/// How much of a message that is answered is shown with the answer, in characters. A guess: enough to know it again.
const QUOTED_CHARS: usize = 300;

/// The channel, and the place there, of whoever starts an agent by hand: what is said there is printed, and sent nowhere.
pub(crate) const BY_HAND: (&str, &str) = ("manual", "terminal");

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
        reply_to: message.reply_to.as_ref().map(|quoted| reply_to(quoted, message)),
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

fn reply_to(quoted: &Quoted, message: &ToPlace) -> ReplyTo {
    // What was taken back is not said again.
    let text = quoted.text.as_ref().filter(|_| message.kind != MessageKind::Delete);
    ReplyTo {
        id: Some(quoted.seq.map_or_else(|| quoted.platform_message_id.clone(), |seq| row_id(seq, message.group))),
        sender: quoted.sender_name.clone(),
        text: text.map(|text| text.chars().take(QUOTED_CHARS).collect()),
    }
}

/// The row of something that a session is told besides messages.
pub(crate) fn inbox_piece(row: &InboxRow, session: &Session) -> Piece {
    match row.kind {
        InboxKind::Delivery => delivered(row).map_or_else(Piece::Unreadable, Piece::Delivered),
        InboxKind::Task => from_chat(row, session, InKind::Task),
        InboxKind::System | InboxKind::Answer => from_chat(row, session, InKind::System),
        InboxKind::Prompt => by_hand(row, session),
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

/// A row that a person wrote by hand. The answer belongs into the session's chat, or into the one that the row names,
/// or to that person alone.
fn by_hand(row: &InboxRow, session: &Session) -> Piece {
    let content: Value = serde_json::from_str(&row.content).unwrap_or_default();
    let named = |field: &str| content.get(field).and_then(Value::as_str).map(str::to_owned);
    let place = match &session.chat {
        Some(chat) => (chat.channel.clone(), chat.platform_id.clone()),
        None => named("channelType").zip(named("platformId")).unwrap_or((BY_HAND.0.to_owned(), BY_HAND.1.to_owned())),
    };
    let thread_id = session.thread.clone().filter(|_| session.chat.is_some());
    Piece::Row(InRow { channel_type: Some(place.0), platform_id: Some(place.1), thread_id, ..bare(row, InKind::Chat) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use nc_model::{ChatId, Seq, SessionStatus, Timestamp};
    use nc_store::ChatAddress;

    fn session() -> Session {
        let chat = ChatAddress { id: ChatId(1), channel: "terminal".to_owned(), platform_id: "ana".to_owned() };
        Session {
            id: "s".to_owned(),
            group: GroupId(7),
            status: SessionStatus::Active,
            chat: Some(chat),
            thread: None,
            outbound_seen: 0,
            inbound_boot_id: None,
        }
    }

    fn piece(kind: InboxKind, content: &str) -> Piece {
        let (id, content) = ("id".to_owned(), content.to_owned());
        let (not_before, created_at) = (Some(Timestamp(9)), Timestamp(5));
        let row = InboxRow { id, kind, content, trigger: true, on_wake: true, not_before, created_at };
        inbox_piece(&row, &session())
    }

    #[test]
    fn each_kind_of_inbox_row_becomes_what_the_wire_calls_it() {
        let cases = [
            (InboxKind::Task, InKind::Task, true, "terminal", "ana"),
            (InboxKind::Prompt, InKind::Chat, true, "terminal", "ana"),
            (InboxKind::System, InKind::System, false, "terminal", "ana"),
            (InboxKind::Answer, InKind::System, false, "terminal", "ana"),
            (InboxKind::Notice, InKind::Chat, true, "agent", "7"),
            (InboxKind::Agent, InKind::Chat, true, "agent", "8"),
        ];
        for (kind, wire, trigger, channel, place) in cases {
            let content = "{\"text\":\"x\",\"agentGroupId\":8}";
            let Piece::Row(row) = piece(kind, content) else { panic!("{kind} is no row") };
            assert_eq!((row.kind, row.trigger), (wire, trigger), "{kind}");
            assert_eq!(
                (row.channel_type.as_deref(), row.platform_id.as_deref()),
                (Some(channel), Some(place)),
                "{kind}"
            );
            assert_eq!((row.content.as_str(), row.on_wake, row.process_after), (content, true, Some(Timestamp(9))));
        }
    }

    #[test]
    fn a_prompt_by_hand_is_answered_in_the_chat_that_there_is() {
        let fresh = Session { chat: None, thread: Some("t".to_owned()), ..session() };
        let cases = [
            (session(), "{}", ("terminal", "ana")),
            (fresh.clone(), "{}", ("manual", "terminal")),
            (fresh, "{\"channelType\":\"slack:acme\",\"platformId\":\"C1\"}", ("slack:acme", "C1")),
        ];
        for (session, content, place) in cases {
            let row = InboxRow {
                id: "id".to_owned(),
                kind: InboxKind::Prompt,
                content: content.to_owned(),
                trigger: true,
                on_wake: false,
                not_before: None,
                created_at: Timestamp(5),
            };
            let Piece::Row(row) = inbox_piece(&row, &session) else { panic!("it is no row") };
            assert_eq!((row.channel_type.as_deref(), row.platform_id.as_deref()), (Some(place.0), Some(place.1)));
            assert_eq!((row.thread_id, row.trigger), (None, true));
        }
    }

    #[test]
    fn a_report_of_a_delivery_is_read_or_refused_by_its_reason() {
        let report = "{\"message_out_id\":\"m\",\"platform_message_id\":null,\"status\":\"failed\"}";
        let Piece::Delivered(delivered) = piece(InboxKind::Delivery, report) else { panic!("not delivered") };
        assert_eq!((delivered.message_out_id.as_str(), delivered.status), ("m", DeliveredStatus::Failed));
        assert!(matches!(piece(InboxKind::Delivery, "{}"), Piece::Unreadable(_)));
        let unknown = report.replace("failed", "lost");
        assert!(matches!(piece(InboxKind::Delivery, &unknown), Piece::Unreadable(why) if why.contains("status")));
    }

    #[test]
    fn only_the_id_of_a_message_names_one() {
        let id = row_id(Seq(12), GroupId(3));
        assert_eq!(message_of(&id), Some((Seq(12), GroupId(3))));
        for other in ["0192f0c1-aaaa", "", "12", "a:b", "1:2:3"] {
            assert_eq!(message_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_text_of_any_length_is_cut_between_characters() {
        let fits = "é".repeat(MAX_TEXT_BYTES / 2);
        assert_eq!(words(MessageKind::Message, &fits), fits);
        let long = words(MessageKind::Message, &format!("x{fits}"));
        assert!(long.len() <= MAX_TEXT_BYTES && long.ends_with(CUT));
        assert!(words(MessageKind::Edit, "new").ends_with("new"));
    }
}
