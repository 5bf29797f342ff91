//! From a message and the wirings of its chat to what is decided, with the name of the rule.

use std::collections::HashMap;

use nc_config::Config;
use nc_model::engage::{Facts, NO_WIRING, Verdict, WiringRules, engage};
use nc_model::{Decision, EngageMode, SenderScope, SessionMode, Trigger, UnknownSenderPolicy};
use nc_store::{Decided, Left, Listener, NewNotice, Stranger, Taken, Unrouted};

/// How many compiled patterns are kept. A guess: more wirings with a pattern of their own than a household has.
const PATTERNS: usize = 1000;

/// The rules of this installation, with what they need compiled once.
#[derive(Debug)]
pub(crate) struct Rules {
    config: Config,
    defaults: HashMap<String, Trigger>,
    patterns: HashMap<String, Result<Trigger, String>>,
}

/// A setting that this version does not carry out.
struct Refusal {
    /// The setting, and the name of the rule by which messages are dropped.
    setting: &'static str,
    /// What it says.
    value: String,
    /// What is allowed, in words.
    allowed: String,
}

impl Rules {
    /// The rules by `config`.
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone(), defaults: HashMap::new(), patterns: HashMap::new() }
    }

    /// Decides one message for the groups that listen, the highest priority first.
    pub(crate) fn decide(&mut self, message: &Unrouted, listeners: &[Listener]) -> Decided {
        let mut taken = Vec::new();
        let mut left: Option<Left> = None;
        let mut notices = Vec::new();
        for listener in listeners {
            let verdict = match self.rules_of(message, listener) {
                Ok(rules) => engage(&facts(message), &rules),
                Err(refusal) => {
                    notices.push(refusal.notice(message, listener));
                    Verdict::Leave { decision: Decision::Dropped, rule: refusal.setting }
                }
            };
            match verdict {
                Verdict::Take { decision, rule } => {
                    taken.push(Taken { group: listener.group, decision, rule: rule.to_owned() });
                }
                Verdict::Leave { decision, rule } => {
                    left.get_or_insert_with(|| Left { decision, rule: rule.to_owned() });
                }
            }
        }
        let left = left.unwrap_or_else(|| Left { decision: Decision::Ignored, rule: NO_WIRING.to_owned() });
        let stranger = (taken.is_empty() && turned_away(message, &left)).then(|| stranger(message, &left));
        Decided { seq: message.seq, chat: message.chat, taken, left, notices, stranger }
    }

    /// The rules of one wiring, or what of it this version does not carry out.
    fn rules_of(&mut self, message: &Unrouted, listener: &Listener) -> Result<WiringRules, Refusal> {
        unsupported(message, listener)?;
        Ok(WiringRules {
            group: listener.group,
            is_main: listener.is_main,
            session_mode: listener.session_mode,
            engage_mode: listener.engage_mode,
            engage_pattern: listener.engage_pattern.as_deref().map(|p| self.pattern(p)).transpose()?,
            default_trigger: self.default_trigger(&message.channel)?,
            sender_scope: listener.sender_scope,
            ignored_message_policy: listener.ignored_message_policy,
            priority: listener.priority,
        })
    }

    fn pattern(&mut self, pattern: &str) -> Result<Trigger, Refusal> {
        if self.patterns.len() >= PATTERNS {
            self.patterns.clear();
        }
        let compiled = self
            .patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| Trigger::pattern(pattern).map_err(|error| error.to_string()));
        let refusal = |why: &String| Refusal::new("engage_pattern", pattern, why.clone());
        compiled.as_ref().map(Clone::clone).map_err(refusal)
    }

    fn default_trigger(&mut self, channel: &str) -> Result<Trigger, Refusal> {
        if let Some(trigger) = self.defaults.get(channel) {
            return Ok(trigger.clone());
        }
        let trigger = match self.config.channel(channel).trigger {
            Some(pattern) => self.pattern(&pattern)?,
            None => Trigger::mention_name(&self.config.assistant_name),
        };
        self.defaults.insert(channel.to_owned(), trigger.clone());
        Ok(trigger)
    }
}

impl Refusal {
    fn new(setting: &'static str, value: &str, allowed: String) -> Self {
        Self { setting, value: value.chars().take(100).collect(), allowed }
    }

    /// What the owners are told, once for each wiring and value.
    fn notice(&self, message: &Unrouted, listener: &Listener) -> NewNotice {
        let (setting, value, allowed) = (self.setting, &self.value, &self.allowed);
        let text = format!(
            "Messages of the chat {:?} ({}) are dropped for the group {:?}: {setting} is {value:?}, and {allowed}. \
             Change it with nanoclawctl (wire, unwire), then write again.",
            message.platform_id, message.channel, listener.group_name
        );
        let cause = format!("wiring {}: {setting} {value}", listener.wiring);
        NewNotice { chat: None, unit: "nc-router".to_owned(), text, cause }
    }
}

/// What this version carries out of each setting of a wiring and its chat.
fn unsupported(message: &Unrouted, listener: &Listener) -> Result<(), Refusal> {
    let only = |word: &str| format!("this version carries out only {word:?}");
    if message.policy == UnknownSenderPolicy::RequestApproval {
        let allowed = "this version carries out only \"strict\" and \"public\"".to_owned();
        return Err(Refusal::new("unknown_sender_policy", message.policy.as_str(), allowed));
    }
    if listener.session_mode != SessionMode::Shared {
        let (value, allowed) = (listener.session_mode.as_str(), only(SessionMode::Shared.as_str()));
        return Err(Refusal::new("session_mode", value, allowed));
    }
    if listener.engage_mode != EngageMode::Pattern {
        let (value, allowed) = (listener.engage_mode.as_str(), only(EngageMode::Pattern.as_str()));
        return Err(Refusal::new("engage_mode", value, allowed));
    }
    if listener.sender_scope != SenderScope::All {
        let (value, allowed) = (listener.sender_scope.as_str(), only(SenderScope::All.as_str()));
        return Err(Refusal::new("sender_scope", value, allowed));
    }
    Ok(())
}

fn facts(message: &Unrouted) -> Facts<'_> {
    Facts {
        text: message.text.as_deref(),
        kind: message.kind,
        is_bot: message.is_bot,
        from_me: message.from_me,
        is_mention: message.is_mention,
        is_direct: !message.is_group,
    }
}

/// Whether somebody tried to reach an agent and was turned away, not just spoke where none listens.
fn turned_away(message: &Unrouted, left: &Left) -> bool {
    let called = message.is_mention || !message.is_group;
    left.decision == Decision::Dropped || (left.rule == NO_WIRING && called && !message.from_me && !message.is_bot)
}

fn stranger(message: &Unrouted, left: &Left) -> Stranger {
    Stranger {
        channel: message.channel.clone(),
        platform_id: message.platform_id.clone(),
        user: message.sender_id.clone(),
        name: message.sender_name.clone(),
        reason: left.rule.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nc_model::{ChatId, GroupId, IgnoredMessagePolicy, MessageKind, Seq};

    fn rules(settings: &[&str]) -> Rules {
        let dir = tempfile::tempdir().unwrap();
        let set = settings.iter().map(|s| (*s).to_owned()).collect();
        let options = nc_config::Options { dir: Some(dir.path().to_owned()), set };
        Rules::new(&nc_config::load(&options).unwrap().config)
    }

    fn message(text: &str) -> Unrouted {
        Unrouted {
            seq: Seq(1),
            chat: ChatId(1),
            channel: "slack:acme".to_owned(),
            platform_id: "C1".to_owned(),
            is_group: true,
            policy: UnknownSenderPolicy::Strict,
            kind: MessageKind::Message,
            from_me: false,
            is_bot: false,
            is_mention: false,
            text: Some(text.to_owned()),
            sender_id: Some("slack:U1".to_owned()),
            sender_name: None,
        }
    }

    fn listener(group: i64) -> Listener {
        Listener {
            wiring: group,
            group: GroupId(group),
            group_name: "Family".to_owned(),
            is_main: false,
            session_mode: SessionMode::Shared,
            engage_mode: EngageMode::Pattern,
            engage_pattern: None,
            sender_scope: SenderScope::All,
            ignored_message_policy: IgnoredMessagePolicy::Drop,
            priority: 0,
        }
    }

    fn summary(decided: &Decided) -> String {
        let taken: Vec<_> = decided.taken.iter().map(|t| format!("{} {} {}", t.group, t.decision, t.rule)).collect();
        let left = format!("{} {}", decided.left.decision, decided.left.rule);
        if taken.is_empty() { left } else { taken.join(", ") }
    }

    #[test]
    fn the_first_listener_that_leaves_a_message_names_the_rule_where_nobody_takes_it() {
        let by_mention = Listener { engage_mode: EngageMode::Mention, ..listener(2) };
        let mut rules = rules(&[]);
        let cases: [(&str, &[Listener], &str); 6] = [
            ("hi", &[], "ignored no_wiring"),
            ("hi", &[listener(1)], "ignored drop_policy"),
            ("hi", &[listener(1), by_mention.clone()], "ignored drop_policy"),
            ("hi", &[by_mention.clone(), listener(1)], "dropped engage_mode"),
            ("@andy hi", &[by_mention, listener(1)], "1 work trigger"),
            ("@andy hi", &[listener(1), listener(2)], "1 work trigger, 2 work trigger"),
        ];
        for (text, listeners, expected) in cases {
            assert_eq!(summary(&rules.decide(&message(text), listeners)), expected);
        }
    }

    #[test]
    fn a_channel_may_have_another_trigger_than_the_name() {
        let mut rules = rules(&["channels.terminal.trigger=^hey bot", "assistant_name=Zoe"]);
        for (channel, text, expected) in [
            ("terminal", "hey bot, hi", "1 work trigger"),
            ("terminal", "@zoe hi", "ignored drop_policy"),
            ("slack:acme", "@zoe hi", "1 work trigger"),
        ] {
            let message = Unrouted { channel: channel.to_owned(), ..message(text) };
            assert_eq!(summary(&rules.decide(&message, &[listener(1)])), expected, "{channel} {text}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_read_lets_nothing_in_and_is_told() {
        let broken = Listener { engage_pattern: Some("(".to_owned()), ..listener(1) };
        let decided = rules(&[]).decide(&message("anything"), &[broken]);
        assert_eq!(summary(&decided), "dropped engage_pattern");
        assert!(decided.notices[0].text.contains("not a regular expression"), "{:?}", decided.notices);
        assert_eq!(decided.notices[0].cause, "wiring 1: engage_pattern (");
    }

    #[test]
    fn who_called_and_was_turned_away_is_counted_and_who_only_spoke_is_not() {
        let mut rules = rules(&[]);
        let known = Listener { sender_scope: SenderScope::Known, ..listener(1) };
        let direct = Unrouted { is_group: false, ..message("hi") };
        let bot = Unrouted { is_bot: true, ..direct.clone() };
        let mention = Unrouted { is_mention: true, ..message("hi") };
        let cases = [
            (message("hi"), vec![], false),
            (direct, vec![], true),
            (bot, vec![], false),
            (mention, vec![], true),
            (message("hi"), vec![listener(1)], false),
            (message("hi"), vec![known.clone()], true),
            (message("@andy hi"), vec![known, listener(2)], false),
        ];
        for (message, listeners, counted) in cases {
            assert_eq!(rules.decide(&message, &listeners).stranger.is_some(), counted, "{message:?}");
        }
    }
}
