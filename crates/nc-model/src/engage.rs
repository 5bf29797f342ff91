//! Whether a message is work for an agent, context for it, or nothing.

use crate::{Decision, EngageMode, GroupId, IgnoredMessagePolicy, MessageKind, SenderScope, SessionMode, Trigger};

/// The rule of a message whose chat no agent listens to.
pub const NO_WIRING: &str = "no_wiring";

/// What the rules need to know of a message.
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

/// What becomes of a message for one wiring, and the name of the rule that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The agent gets it: [`Decision::Work`] or [`Decision::Context`].
    Take {
        /// Work or context.
        decision: Decision,
        /// The rule that decided.
        rule: &'static str,
    },
    /// The agent does not get it: [`Decision::Ignored`] or [`Decision::Dropped`].
    Leave {
        /// Ignored or dropped.
        decision: Decision,
        /// The rule that decided.
        rule: &'static str,
    },
}

/// Decides what a message is to the agent of one wiring.
///
/// | rule | when | work | otherwise, by the wiring's policy |
/// | --- | --- | --- | --- |
/// | `sender_scope` | the wiring asks for known senders, and who is known is not decided yet | | always dropped |
/// | `not_a_message` | an edit, deletion, reaction, answer, command or word of the platform | never | context, or ignored |
/// | `own_message`, `bot`, `no_text` | as they say | never | context, or ignored |
/// | `pattern` | the wiring has a pattern, and it matches | yes | |
/// | `main`, `direct` | the main group, or a chat of one person, and no pattern | yes | |
/// | `trigger` | the default trigger matches | yes | |
/// | `mention` | mode `mention` or `mention-sticky`, and a mention or a direct chat | yes | |
/// | `accumulate` | none of these | | context |
/// | `drop_policy` | none of these | | ignored |
///
/// Under the policy `drop` the rules of the second and third line keep their names.
#[must_use]
pub fn engage(facts: &Facts<'_>, wiring: &WiringRules) -> Verdict {
    if wiring.sender_scope == SenderScope::Known {
        // Closed until somebody can say who is known: a wiring that asks for it must never let a stranger in.
        return Verdict::Leave { decision: Decision::Dropped, rule: "sender_scope" };
    }
    if let Some(rule) = never_work(facts) {
        return unengaged(wiring.ignored_message_policy, Some(rule));
    }
    match engaging_rule(facts, wiring) {
        Some(rule) => Verdict::Take { decision: Decision::Work, rule },
        None => unengaged(wiring.ignored_message_policy, None),
    }
}

/// The rule by which a message can engage nobody, if there is one.
fn never_work(facts: &Facts<'_>) -> Option<&'static str> {
    if facts.kind != MessageKind::Message {
        Some("not_a_message")
    } else if facts.from_me {
        Some("own_message")
    } else if facts.is_bot {
        Some("bot")
    } else if facts.text.is_none_or(|text| text.trim().is_empty()) {
        Some("no_text")
    } else {
        None
    }
}

/// The rule by which a message with a text engages the agent, if there is one.
fn engaging_rule(facts: &Facts<'_>, wiring: &WiringRules) -> Option<&'static str> {
    let text = facts.text.unwrap_or_default();
    match wiring.engage_mode {
        EngageMode::Mention | EngageMode::MentionSticky => (facts.is_mention || facts.is_direct).then_some("mention"),
        EngageMode::Pattern => match &wiring.engage_pattern {
            Some(pattern) => pattern.matches(text).then_some("pattern"),
            None if wiring.is_main => Some("main"),
            None if facts.is_direct => Some("direct"),
            None => wiring.default_trigger.matches(text).then_some("trigger"),
        },
    }
}

fn unengaged(policy: IgnoredMessagePolicy, rule: Option<&'static str>) -> Verdict {
    match policy {
        IgnoredMessagePolicy::Accumulate => {
            Verdict::Take { decision: Decision::Context, rule: rule.unwrap_or("accumulate") }
        }
        IgnoredMessagePolicy::Drop => {
            Verdict::Leave { decision: Decision::Ignored, rule: rule.unwrap_or("drop_policy") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts<'_> {
        Facts {
            text: Some(text),
            kind: MessageKind::Message,
            is_bot: false,
            from_me: false,
            is_mention: false,
            is_direct: false,
        }
    }

    fn wiring() -> WiringRules {
        WiringRules {
            group: GroupId(1),
            is_main: false,
            session_mode: SessionMode::Shared,
            engage_mode: EngageMode::Pattern,
            engage_pattern: None,
            default_trigger: Trigger::mention_name("Andy"),
            sender_scope: SenderScope::All,
            ignored_message_policy: IgnoredMessagePolicy::Accumulate,
            priority: 0,
        }
    }

    const fn work(rule: &'static str) -> Verdict {
        Verdict::Take { decision: Decision::Work, rule }
    }

    const fn context(rule: &'static str) -> Verdict {
        Verdict::Take { decision: Decision::Context, rule }
    }

    #[test]
    fn each_rule_decides_its_own_case() {
        let main = WiringRules { is_main: true, ..wiring() };
        let mention = WiringRules { engage_mode: EngageMode::Mention, ..wiring() };
        let pattern = WiringRules { engage_pattern: Some(Trigger::pattern("deploy").unwrap()), ..wiring() };
        let main_pattern = WiringRules { is_main: true, ..pattern.clone() };
        let direct = |text| Facts { is_direct: true, ..facts(text) };
        let cases = [
            (facts("hi"), &main, work("main")),
            (direct("hi"), &wiring(), work("direct")),
            (facts("@andy hi"), &wiring(), work("trigger")),
            (facts("hi"), &wiring(), context("accumulate")),
            (facts("deploy it"), &pattern, work("pattern")),
            (facts("@andy hi"), &pattern, context("accumulate")),
            (direct("hi"), &pattern, context("accumulate")),
            (facts("hi"), &main_pattern, context("accumulate")),
            (facts("@andy hi"), &mention, context("accumulate")),
            (Facts { is_mention: true, ..facts("hi") }, &mention, work("mention")),
            (direct("hi"), &mention, work("mention")),
            (Facts { is_bot: true, ..facts("@andy") }, &main, context("bot")),
            (Facts { from_me: true, ..direct("@andy") }, &main, context("own_message")),
            (Facts { text: None, ..facts("") }, &main, context("no_text")),
            (facts(" \n"), &main, context("no_text")),
        ];
        for (facts, wiring, expected) in cases {
            assert_eq!(engage(&facts, wiring), expected, "{facts:?}");
        }
    }

    #[test]
    fn only_a_message_is_ever_work() {
        let main = WiringRules { is_main: true, ..wiring() };
        for kind in MessageKind::ALL.iter().copied().filter(|kind| *kind != MessageKind::Message) {
            assert_eq!(engage(&Facts { kind, ..facts("@andy") }, &main), context("not_a_message"));
        }
    }

    #[test]
    fn the_drop_policy_leaves_what_does_not_engage_and_keeps_the_rule() {
        let drop = WiringRules { ignored_message_policy: IgnoredMessagePolicy::Drop, ..wiring() };
        let ignored = |rule| Verdict::Leave { decision: Decision::Ignored, rule };
        assert_eq!(engage(&facts("hi"), &drop), ignored("drop_policy"));
        assert_eq!(engage(&Facts { is_bot: true, ..facts("hi") }, &drop), ignored("bot"));
        assert_eq!(engage(&facts("@andy hi"), &drop), work("trigger"));
    }

    #[test]
    fn a_wiring_for_known_senders_lets_nobody_in() {
        let known = WiringRules { sender_scope: SenderScope::Known, is_main: true, ..wiring() };
        let dropped = Verdict::Leave { decision: Decision::Dropped, rule: "sender_scope" };
        assert_eq!(engage(&facts("hi"), &known), dropped);
    }
}
