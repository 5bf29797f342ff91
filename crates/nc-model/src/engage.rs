//! Whether a message is work for an agent, context for it, or nothing.

use crate::access::Standing;
use crate::{
    Decision, EngageMode, GroupId, IgnoredMessagePolicy, MessageKind, SenderScope, SessionMode, Trigger,
    UnknownSenderPolicy, rule,
};

/// What the rules need to know of a message and its chat.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of the message or its chat")]
pub struct Facts<'a> {
    /// What was written; none for a message of files alone and for what has no text.
    pub text: Option<&'a str>,
    /// What kind of message it is.
    pub kind: MessageKind,
    /// A program wrote it.
    pub is_bot: bool,
    /// The account that we use wrote it, and not in its chat with itself.
    pub from_me: bool,
    /// The platform says that it mentions us.
    pub is_mention: bool,
    /// The chat has one person in it.
    pub is_direct: bool,
    /// The platform says who wrote it.
    pub has_sender: bool,
    /// Who may engage the chat's agents without being known.
    pub policy: UnknownSenderPolicy,
}

/// What the sender and the thread of a message are to the agent of one wiring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// What the sender is to the agent group; nothing where the platform does not say who it is.
    pub standing: Standing,
    /// A session of the agent was engaged by a mention in this thread, and takes messages still.
    pub in_conversation: bool,
}

/// One wiring of the chat, with the default trigger filled in.
#[derive(Clone, Debug)]
pub struct WiringRules {
    /// The agent group that listens.
    pub group: GroupId,
    /// It is the main group.
    pub is_main: bool,
    /// Which session of the group the message belongs to.
    pub session_mode: SessionMode,
    /// What makes the agent answer.
    pub engage_mode: EngageMode,
    /// The wiring's own pattern; none means the default trigger.
    pub engage_pattern: Option<Trigger>,
    /// `@NAME`, or what the channel's configuration says instead.
    pub default_trigger: Trigger,
    /// Whose messages it takes.
    pub sender_scope: SenderScope,
    /// What becomes of what does not engage it.
    pub ignored_message_policy: IgnoredMessagePolicy,
    /// The order among wirings; the highest names the rule where nobody takes the message.
    pub priority: i64,
}

/// What a message is to one wiring, and the name of the rule that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The agent gets it as [`Decision::Work`] or [`Decision::Context`], it waits as [`Decision::Held`], or the agent does
    /// not get it: [`Decision::Ignored`] or [`Decision::Dropped`].
    pub decision: Decision,
    /// The rule that decided.
    pub rule: &'static str,
    /// Whether the message calls the agent, whatever the rules on who may do so say.
    pub calls: bool,
}

impl Verdict {
    /// Whether something of the message is the agent's, now or after an approval.
    #[must_use]
    pub fn takes(self) -> bool {
        matches!(self.decision, Decision::Work | Decision::Context | Decision::Held)
    }
}

/// Decides what a message is to the agent of one wiring.
///
/// First, whether the message calls the agent:
///
/// | rule | when | it calls |
/// | --- | --- | --- |
/// | `not_a_message` | an edit, deletion, reaction, answer, command or word of the platform | no |
/// | `own_message`, `bot`, `no_text` | as they say | no |
/// | `pattern` | mode `pattern`: the wiring has a pattern, and it matches | yes |
/// | `main`, `direct` | mode `pattern`, no pattern: the main group, or a chat of one person | yes |
/// | `trigger` | mode `pattern`, no pattern: the default trigger matches | yes |
/// | `mention` | mode `mention` or `mention-sticky`: a mention, or a chat of one person | yes |
/// | `sticky` | mode `mention-sticky`: a conversation of several people that a mention began | yes |
/// | `accumulate`, `drop_policy` | none of these | no |
///
/// Then, who may. An owner, an admin or a member of the group is known.
///
/// | the sender is not known | it calls | it does not call |
/// | --- | --- | --- |
/// | the chat is `strict` | dropped by `unknown_sender` | |
/// | the chat is `request_approval` | held by that name; by `unknown_sender` dropped where nobody knows who wrote | |
/// | the wiring takes `known` senders | dropped by `sender_scope` | the same, but for what we wrote ourselves |
///
/// What calls and may is work; what does not call is context, or with the policy `drop` ignored.
#[must_use]
pub fn engage(facts: &Facts<'_>, wiring: &WiringRules, relation: Relation) -> Verdict {
    let known = relation.standing.is_known();
    let outside = wiring.sender_scope == SenderScope::Known && !known;
    let calling = if let Some(rule) = never_work(facts) { Err(rule) } else { calls(facts, wiring, relation) };
    match calling {
        Ok(rule) => {
            let (decision, rule) = match facts.policy {
                UnknownSenderPolicy::RequestApproval if !known && facts.has_sender => {
                    (Decision::Held, rule::REQUEST_APPROVAL)
                }
                UnknownSenderPolicy::Strict | UnknownSenderPolicy::RequestApproval if !known => {
                    (Decision::Dropped, rule::UNKNOWN_SENDER)
                }
                _ if outside => (Decision::Dropped, rule::SENDER_SCOPE),
                _ => (Decision::Work, rule),
            };
            Verdict { decision, rule, calls: true }
        }
        Err(_) if outside && !facts.from_me => {
            Verdict { decision: Decision::Dropped, rule: rule::SENDER_SCOPE, calls: false }
        }
        Err(rule) => uncalled(wiring.ignored_message_policy, rule),
    }
}

/// The rule by which a message can call nobody, if there is one.
fn never_work(facts: &Facts<'_>) -> Option<&'static str> {
    if facts.kind != MessageKind::Message {
        Some(rule::NOT_A_MESSAGE)
    } else if facts.from_me {
        Some(rule::OWN_MESSAGE)
    } else if facts.is_bot {
        Some(rule::BOT)
    } else if facts.text.is_none_or(|text| text.trim().is_empty()) {
        Some(rule::NO_TEXT)
    } else {
        None
    }
}

/// The rule by which a message with a text calls the agent, or the one by which it does not.
fn calls(facts: &Facts<'_>, wiring: &WiringRules, relation: Relation) -> Result<&'static str, &'static str> {
    let text = facts.text.unwrap_or_default();
    let mentions = facts.is_mention || facts.is_direct;
    let (calls, rule) = match (wiring.engage_mode, &wiring.engage_pattern) {
        (EngageMode::Pattern, Some(pattern)) => (pattern.matches(text), rule::PATTERN),
        (EngageMode::Pattern, None) if wiring.is_main => (true, rule::MAIN),
        (EngageMode::Pattern, None) if facts.is_direct => (true, rule::DIRECT),
        (EngageMode::Pattern, None) => (wiring.default_trigger.matches(text), rule::TRIGGER),
        (EngageMode::MentionSticky, _) if !mentions => (relation.in_conversation, rule::STICKY),
        (EngageMode::Mention | EngageMode::MentionSticky, _) => (mentions, rule::MENTION),
    };
    let uncalled = match wiring.ignored_message_policy {
        IgnoredMessagePolicy::Accumulate => rule::ACCUMULATE,
        IgnoredMessagePolicy::Drop => rule::DROP_POLICY,
    };
    if calls { Ok(rule) } else { Err(uncalled) }
}

fn uncalled(policy: IgnoredMessagePolicy, rule: &'static str) -> Verdict {
    let decision = match policy {
        IgnoredMessagePolicy::Accumulate => Decision::Context,
        IgnoredMessagePolicy::Drop => Decision::Ignored,
    };
    Verdict { decision, rule, calls: false }
}

#[cfg(test)]
mod tests;
