//! From a message, a wiring of its chat and what its sender is there, to what is decided, with the name of the rule.

use std::collections::HashMap;

use nc_config::Config;
use nc_model::engage::{Facts, Relation, Verdict, WiringRules, engage};
use nc_model::{Provider, Trigger};
use nc_store::{Listener, NewNotice, Unrouted};

/// How many compiled patterns are kept. A guess: more wirings with a pattern of their own than a household has.
const PATTERNS: usize = 1000;

/// The rules of this installation, with what they need compiled once.
#[derive(Debug)]
pub(crate) struct Rules {
    config: Config,
    defaults: HashMap<String, Trigger>,
    patterns: HashMap<String, Result<Trigger, String>>,
}

/// A pattern that cannot be read.
struct Unreadable {
    pattern: String,
    why: String,
}

impl Rules {
    /// The rules by `config`.
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone(), defaults: HashMap::new(), patterns: HashMap::new() }
    }

    /// What a message is to one listener; where a pattern cannot be read, what the owners are told once.
    pub(crate) fn verdict(
        &mut self,
        message: &Unrouted,
        listener: &Listener,
        relation: Relation,
    ) -> Result<Verdict, NewNotice> {
        match self.rules_of(message, listener) {
            Ok(rules) => Ok(engage(&facts(message), &rules, relation)),
            Err(unreadable) => Err(unreadable.notice(message, listener)),
        }
    }

    /// What is to drive the model of a group: its own choice, or the configured one.
    pub(crate) fn provider(&self, listener: &Listener) -> Provider {
        listener.provider.as_deref().and_then(|word| word.parse().ok()).unwrap_or(self.config.provider)
    }

    fn rules_of(&mut self, message: &Unrouted, listener: &Listener) -> Result<WiringRules, Unreadable> {
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

    fn pattern(&mut self, pattern: &str) -> Result<Trigger, Unreadable> {
        if self.patterns.len() >= PATTERNS {
            self.patterns.clear();
        }
        let compiled = self
            .patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| Trigger::pattern(pattern).map_err(|error| error.to_string()));
        let unreadable = |why: &String| Unreadable { pattern: pattern.chars().take(100).collect(), why: why.clone() };
        compiled.as_ref().map(Clone::clone).map_err(unreadable)
    }

    fn default_trigger(&mut self, channel: &str) -> Result<Trigger, Unreadable> {
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

impl Unreadable {
    /// What the owners are told, once for each wiring and pattern.
    fn notice(&self, message: &Unrouted, listener: &Listener) -> NewNotice {
        let Self { pattern, why } = self;
        let text = format!(
            "Messages of the chat {:?} ({}) are dropped for the group {:?}: engage_pattern is {pattern:?}, and {why}. \
             Change it with nanoclawctl (unwire, wire), then write again.",
            message.platform_id, message.channel, listener.group_name
        );
        let cause = format!("wiring {}: engage_pattern {pattern}", listener.wiring);
        NewNotice { chat: None, unit: "nc-router".to_owned(), text, cause }
    }
}

fn facts(message: &Unrouted) -> Facts<'_> {
    Facts {
        text: message.text.as_deref(),
        kind: message.kind,
        is_bot: message.is_bot,
        from_me: message.from_me,
        is_mention: message.is_mention,
        is_direct: !message.is_group,
        has_sender: message.sender_id.as_ref().is_some_and(|id| !id.is_empty()),
        policy: message.policy,
    }
}
