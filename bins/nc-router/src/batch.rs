//! One batch of messages, from what the store knows of them to what is decided on each.
//!
//! Later messages see what earlier ones of the same batch bring about, though it is not in the store yet.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use nc_config::Installation;
use nc_model::command::{Gate, gate};
use nc_model::engage::{Relation, Verdict};
use nc_model::{ChatId, Decision, EngageMode, GroupId, Provider, SessionKey, Standing, rule};
use nc_store::{Decided, How, Left, Listener, Store, StoreError, Stranger, Taken, Unrouted};

use crate::commands;
use crate::rules::Rules;
use crate::way;

/// A conversation that a mention began: the agent's session, and the thread of the chat.
type Conversation = (GroupId, SessionKey, ChatId, Option<String>);

/// A batch of messages that are being decided on.
pub(crate) struct Batch<'a> {
    store: &'a Store,
    rules: &'a mut Rules,
    installation: &'a Installation,
    listeners: HashMap<ChatId, Rc<[Listener]>>,
    standings: HashMap<(String, GroupId), Standing>,
    conversations: HashSet<Conversation>,
}

/// Whether something of a message ends a session.
pub(crate) fn closes(decided: &Decided) -> bool {
    decided.taken.iter().any(|taken| matches!(taken.how, How::Command { closes: Some(_), .. }))
}

impl<'a> Batch<'a> {
    pub(crate) fn new(store: &'a Store, rules: &'a mut Rules, installation: &'a Installation) -> Self {
        let (listeners, standings, conversations) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { store, rules, installation, listeners, standings, conversations }
    }

    /// Decides one message for every agent that listens to its chat, the one with the highest priority first.
    pub(crate) fn decide(&mut self, message: &Unrouted) -> Result<Decided, StoreError> {
        let nobody = Left { decision: Decision::Ignored, rule: rule::NO_WIRING.to_owned() };
        let mut decided = Decided::new(message.seq, message.chat, Vec::new(), nobody);
        decided.thread.clone_from(&message.thread);
        let mut left = Vec::new();
        for listener in self.listeners(message.chat)?.iter() {
            let key = SessionKey::of(listener.session_mode, message.chat, message.thread.as_deref());
            let relation = self.relation(message, listener, &key)?;
            match self.rules.verdict(message, listener, relation) {
                Ok(verdict) if verdict.takes() => {
                    decided.taken.push(self.taken(message, listener, key, relation.standing, verdict)?);
                }
                Ok(verdict) => left.push(verdict),
                Err(notice) => {
                    decided.notices.push(notice);
                    let (decision, rule) = (Decision::Dropped, rule::ENGAGE_PATTERN);
                    left.push(Verdict { decision, rule, calls: false });
                }
            }
        }
        leave(message, &left, &mut decided);
        Ok(decided)
    }

    fn listeners(&mut self, chat: ChatId) -> Result<Rc<[Listener]>, StoreError> {
        if let Some(known) = self.listeners.get(&chat) {
            return Ok(Rc::clone(known));
        }
        let listeners: Rc<[Listener]> = self.store.listeners(chat)?.into();
        way::looked_up(chat, listeners.len());
        self.listeners.insert(chat, Rc::clone(&listeners));
        Ok(listeners)
    }

    fn relation(&mut self, message: &Unrouted, listener: &Listener, key: &SessionKey) -> Result<Relation, StoreError> {
        let standing = match &message.sender_id {
            Some(user) => self.standing(user, listener.group)?,
            None => Standing::default(),
        };
        let in_conversation = listener.engage_mode == EngageMode::MentionSticky
            && (self.conversations.contains(&(listener.group, key.clone(), message.chat, message.thread.clone()))
                || self.store.in_conversation(listener.group, key, message.chat, message.thread.as_deref())?);
        Ok(Relation { standing, in_conversation })
    }

    fn standing(&mut self, user: &str, group: GroupId) -> Result<Standing, StoreError> {
        let key = (user.to_owned(), group);
        if let Some(known) = self.standings.get(&key) {
            return Ok(*known);
        }
        let standing = self.store.standing(user, group)?;
        self.standings.insert(key, standing);
        Ok(standing)
    }

    fn taken(
        &mut self,
        message: &Unrouted,
        listener: &Listener,
        session: SessionKey,
        standing: Standing,
        verdict: Verdict,
    ) -> Result<Taken, StoreError> {
        let group = listener.group;
        let taken = |rule: &str, how| Ok(Taken { group, rule: rule.to_owned(), how });
        match verdict.decision {
            Decision::Held => {
                let (user, name) = (message.sender_id.clone().unwrap_or_default(), message.sender_name.clone());
                taken(verdict.rule, How::Held { user, name })
            }
            Decision::Work => match self.command(message, listener, &session, standing)? {
                Some((rule, how)) => taken(rule, how),
                None => taken(verdict.rule, self.work(message, listener, session, verdict.rule)),
            },
            _ => taken(verdict.rule, How::Context { session }),
        }
    }

    fn work(&mut self, message: &Unrouted, listener: &Listener, session: SessionKey, by: &str) -> How {
        let sticky = listener.engage_mode == EngageMode::MentionSticky && message.is_group;
        let begins_conversation = sticky && by == rule::MENTION;
        if begins_conversation {
            self.conversations.insert((listener.group, session.clone(), message.chat, message.thread.clone()));
        }
        How::Work { session, begins_conversation }
    }

    /// What becomes of a message that would be work, where it is a command; and by which rule.
    fn command(
        &self,
        message: &Unrouted,
        listener: &Listener,
        session: &SessionKey,
        standing: Standing,
    ) -> Result<Option<(&'static str, How)>, StoreError> {
        let Some(text) = message.text.as_deref().filter(|text| text.trim_start().starts_with('/')) else {
            return Ok(None);
        };
        let open = self.store.open_session(listener.group, session)?;
        let provider = match self.rules.provider(listener) {
            // Only the runner knows what that comes to; what the session ran on last is what its conversation is in.
            Provider::Auto => open.as_deref().map(|id| self.store.last_provider(id)).transpose()?.flatten(),
            named => Some(named.to_string()),
        };
        let native = provider.as_deref() == Some(Provider::Claude.as_str());
        Ok(match gate(text, standing, native) {
            None => None,
            Some(Gate::Native) => {
                Some((rule::NATIVE_COMMAND, How::Work { session: session.clone(), begins_conversation: false }))
            }
            Some(Gate::Refuse(answer, rule)) => Some((rule, How::Command { answer, closes: None })),
            Some(Gate::Do(does)) => {
                let folder = self.installation.group_dir(&listener.folder);
                let figures = open.as_deref().map(|id| self.store.figures(id)).transpose()?;
                let answer = commands::answer(does, &folder, figures);
                let closes = commands::closes(does).then(|| session.clone());
                Some((rule::COMMAND, How::Command { answer, closes }))
            }
        })
    }
}

/// What is to be done where nobody takes a message, or somebody was refused.
fn leave(message: &Unrouted, left: &[Verdict], decided: &mut Decided) {
    if let Some(first) = left.first() {
        decided.left = Left { decision: first.decision, rule: first.rule.to_owned() };
    }
    let nobody = decided.taken.is_empty();
    let refused = |verdict: &&Verdict| verdict.decision == Decision::Dropped && verdict.rule != rule::ENGAGE_PATTERN;
    let unheard = |verdict: &&Verdict| verdict.calls && verdict.decision == Decision::Dropped;
    let called_nobody = nobody
        && decided.left.rule == rule::NO_WIRING
        && (message.is_mention || !message.is_group)
        && !(message.from_me || message.is_bot);
    let reason = left.iter().find(unheard).map(|verdict| verdict.rule).or(called_nobody.then_some(rule::NO_WIRING));
    decided.stranger = reason.map(|reason| stranger(message, reason));
    decided.forgets = nobody && left.iter().any(|verdict| refused(&verdict));
}

fn stranger(message: &Unrouted, reason: &str) -> Stranger {
    Stranger {
        channel: message.channel.clone(),
        platform_id: message.platform_id.clone(),
        user: message.sender_id.clone(),
        name: message.sender_name.clone(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
