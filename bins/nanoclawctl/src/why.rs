//! `nanoclawctl why`: what was decided on a message for each agent, by which rule, and what came of it.

use std::process::ExitCode;

use nc_config::Options;
use nc_model::rule::rule_in_words;
use nc_model::{Decision, RoutingOutcome, SendStatus, Seq, Timestamp};
use nc_store::{Chat, Message, Reason, SendRecord, SentDelivery, Store};
use serde_json::{Value, json};

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::{harmless, line};
use crate::when::span;
use crate::{chats, cli, output};

/// How much of a text is shown, in characters: enough to know it again.
const SHOWN: usize = 80;

pub(crate) fn run(options: &Options, why: &cli::Why) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let mut store = installed.existing_store()?;
    let message = find(&mut store, &why.which)?;
    let chat = store.chat(message.chat)?;
    let reasons = store.reasons(message.seq)?;
    let routed = store.fate(message.seq)?.routed;
    if why.json.json {
        let reasons: Vec<Value> = reasons.iter().map(reason).collect();
        output::json(&json!({ "message": fields(&message, &chat), "routed": routed, "decisions": reasons }))?;
        return Ok(ExitCode::SUCCESS);
    }
    line(harmless(&headline(&message, &chat)))?;
    if reasons.is_empty() {
        line(if routed {
            "  nothing was decided on it, though the router has passed it: `nanoclawctl ledger --check` says more"
        } else {
            "  the router has not looked at it yet: it does so when it runs (`nanoclawctl doctor`)"
        })?;
    }
    reasons
        .iter()
        .flat_map(|reason| in_words(reason, message.received_at))
        .try_for_each(|text| line(harmless(&text)))?;
    Ok(ExitCode::SUCCESS)
}

fn find(store: &mut Store, which: &cli::WhichMessage) -> anyhow::Result<Message> {
    match (which.message, &which.chat) {
        (Some(seq), _) => Ok(store.message(Seq(seq))?),
        (None, Some(given)) => {
            let chat = chats::find(store, given)?;
            let newest = store.messages_of_chat(chat.id, None, 1)?.pop();
            newest.ok_or_else(|| Refusal::no(format!("nobody has written to {} yet", chats::address(&chat))))
        }
        // The command line asks for one of them.
        (None, None) => Err(Refusal::look("say which message: its number, or --chat CHAT for the newest of a chat")),
    }
}

fn headline(message: &Message, chat: &Chat) -> String {
    let who = match (&message.sender_name, &message.sender_id) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (Some(name), None) => name.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => "somebody whom the platform does not name".to_owned(),
    };
    let (seq, kind, address, at) = (message.seq, message.kind, chats::address(chat), message.received_at);
    let text = match &message.text {
        Some(text) => format!("{:?}", beginning(text)),
        None => "without a text, or its text was not kept".to_owned(),
    };
    format!("message {seq} of {address} ({kind}), by {who}, received {at}: {text}")
}

fn beginning(text: &str) -> String {
    let cut = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
    if cut < text.len() { format!("{}…", &text[..cut]) } else { text.to_owned() }
}

/// What was decided for one group, a line for each step.
fn in_words(reason: &Reason, received: Timestamp) -> Vec<String> {
    let Reason { rule, decided_at, .. } = reason;
    let whom = match (&reason.folder, reason.group) {
        (Some(folder), _) => format!("group \"{folder}\""),
        (None, Some(group)) => format!("group {group}, which was removed"),
        (None, None) => "nobody".to_owned(),
    };
    let mut lines = vec![format!(
        "  {whom}: {}, because {} (rule {rule}, decided {decided_at})",
        decision(reason.decision),
        rule_in_words(rule)
    )];
    let mut step = |text: String| lines.push(format!("    {text}"));
    if let Some(session) = &reason.session {
        step(match reason.placed_at {
            Some(at) => format!("put into the mailbox of session {session} {at}"),
            None => format!("not yet in the mailbox of session {session}"),
        });
    }
    if let Some(approval) = &reason.approval {
        step(format!("it waits for the approval {approval}"));
    }
    if let Some(at) = reason.given_at {
        let run = reason.run.as_ref().map(|run| format!(" of run {run}")).unwrap_or_default();
        step(format!("the agent{run} took it {at}"));
    }
    if reason.attempts > 0 {
        let again = reason.next_attempt_at.map(|at| format!("; it is tried again {at}")).unwrap_or_default();
        step(format!("runs failed at it {} times{again}", reason.attempts));
    }
    if let Some(text) = end(reason, received) {
        step(text);
    }
    for (what, delivery) in [("answer", &reason.answer), ("notice", &reason.notice)] {
        if let Some(delivery) = delivery {
            lines.extend(sent(what, delivery));
        }
    }
    lines
}

fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Work => "to be answered",
        Decision::Context => "kept as context",
        Decision::Command => "answered by the router itself",
        Decision::Ignored => "ignored",
        Decision::Dropped => "dropped",
        Decision::Held => "held",
    }
}

/// How work ended, or that it has not.
fn end(reason: &Reason, received: Timestamp) -> Option<String> {
    let took = |at: Timestamp| span(at.ms_since(received));
    match (reason.outcome, reason.outcome_at) {
        (Some(RoutingOutcome::Answered), Some(at)) => Some(format!("answered {} after it was received", took(at))),
        (Some(RoutingOutcome::NoReply), Some(at)) => {
            Some(format!("the agent was done with it {} after it was received, and sent nothing", took(at)))
        }
        (Some(RoutingOutcome::Failed), Some(at)) => Some(format!("given up {} after it was received", took(at))),
        _ if reason.decision == Decision::Work && reason.given_at.is_none() => {
            Some("no agent has taken it yet".to_owned())
        }
        _ if reason.decision == Decision::Work => Some("the agent is at it".to_owned()),
        _ => None,
    }
}

fn sent(what: &str, delivery: &SentDelivery) -> Vec<String> {
    let SentDelivery { id, channel, platform_id, created_at, kind, .. } = delivery;
    let mut lines = vec![format!("    {what}: delivery {id} ({kind}) to {channel}:{platform_id}, made {created_at}")];
    lines.extend(delivery.sends.iter().map(|part| format!("      part {}: {}", part.part, part_in_words(part))));
    if delivery.sends.is_empty() {
        lines.push("      nothing is to be sent of it".to_owned());
    }
    lines
}

fn part_in_words(send: &SendRecord) -> String {
    let at = send.status_at;
    let level = send.level.map(|level| format!(", {level}")).unwrap_or_default();
    let error = send.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    match send.status {
        SendStatus::Queued => format!("waits for its channel since {at}"),
        SendStatus::Leased | SendStatus::Sending => format!("its channel is at it since {at}"),
        SendStatus::Sent => format!("sent {at}{level}"),
        SendStatus::Retry => {
            let again = send.next_attempt_at.map(|at| format!(", again {at}")).unwrap_or_default();
            format!("failed {} times{again}{error}", send.attempts)
        }
        SendStatus::Unknown => format!("nobody can know whether it arrived, since {at}{error}"),
        SendStatus::Dead => format!("could not be sent, {at}{error}"),
    }
}

fn fields(message: &Message, chat: &Chat) -> Value {
    json!({
        "seq": message.seq, "chat": message.chat, "channel": chat.channel, "platform_id": chat.platform_id,
        "kind": message.kind, "thread": message.thread_id, "sender_id": message.sender_id,
        "sender_name": message.sender_name, "from_me": message.from_me, "is_bot": message.is_bot,
        "is_mention": message.is_mention, "text": message.text, "sent_at": message.sent_at.to_string(),
        "received_at": message.received_at.to_string(),
    })
}

fn reason(reason: &Reason) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "group": reason.folder, "group_id": reason.group, "decision": reason.decision, "rule": reason.rule,
        "because": rule_in_words(&reason.rule), "decided_at": reason.decided_at.to_string(), "session": reason.session,
        "placed_at": time(reason.placed_at), "approval": reason.approval, "given_at": time(reason.given_at),
        "run": reason.run, "attempts": reason.attempts, "next_attempt_at": time(reason.next_attempt_at),
        "outcome": reason.outcome, "outcome_at": time(reason.outcome_at),
        "answer": reason.answer.as_ref().map(delivery), "notice": reason.notice.as_ref().map(delivery),
    })
}

fn delivery(delivery: &SentDelivery) -> Value {
    let send = |send: &SendRecord| {
        json!({
            "part": send.part, "status": send.status, "status_at": send.status_at.to_string(), "attempts": send.attempts,
            "next_attempt_at": send.next_attempt_at.map(|at| at.to_string()),
            "platform_message_id": send.platform_message_id, "level": send.level, "error": send.error,
        })
    };
    json!({
        "id": delivery.id, "chat": delivery.chat, "channel": delivery.channel, "platform_id": delivery.platform_id,
        "kind": delivery.kind, "created_at": delivery.created_at.to_string(),
        // What an agent wrote is JSON in the store; were it none, it is shown as the text that it is.
        "content": serde_json::from_str(&delivery.content).unwrap_or_else(|_| json!(delivery.content)),
        "sends": delivery.sends.iter().map(send).collect::<Vec<_>>(),
    })
}
