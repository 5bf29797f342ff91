//! Which prompts Claude Code has, and which of them a result deals with.

use uuid::Uuid;

use super::protocol::Outcome;
use crate::provider::{Prompt, PromptId};

/// The prompts that have no result yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Turns {
    sent: Vec<Sent>,
    /// The last of them that a turn has begun with.
    begun: Option<PromptId>,
}

/// A prompt as it was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: PromptId,
    /// What results name it by.
    pub(super) uuid: String,
    pub(super) text: String,
}

impl Turns {
    /// Notes a prompt, and returns it as it is to be sent.
    pub(super) fn add(&mut self, prompt: &Prompt) -> &Sent {
        let at = self.sent.len();
        self.sent.push(Sent { id: prompt.id, uuid: Uuid::now_v7().to_string(), text: prompt.text.clone() });
        &self.sent[at]
    }

    /// Notes that a turn has begun with a prompt.
    pub(super) fn begin(&mut self, uuid: &str) {
        self.begun = self.find(uuid).or(self.begun);
    }

    /// The last prompt that a turn deals with, which is at its end. A turn that nobody asked for deals with none.
    ///
    /// One that fails and does not say which it deals with was about everything: nothing may wait for ever.
    pub(super) fn end(&mut self, outcome: &Outcome) -> Option<PromptId> {
        if outcome.is_unasked() {
            return None;
        }
        let named = outcome.user_message_uuids.iter().chain(&outcome.user_message_uuid);
        let through = named.filter_map(|uuid| self.find(uuid)).max().or(self.begun);
        let through = if outcome.is_error { through.or_else(|| self.last()) } else { through };
        if let Some(through) = through {
            self.sent.retain(|sent| sent.id > through);
            self.begun = None;
        }
        through
    }

    fn find(&self, uuid: &str) -> Option<PromptId> {
        self.sent.iter().find(|sent| sent.uuid == uuid).map(|sent| sent.id)
    }

    /// The newest.
    pub(super) fn last(&self) -> Option<PromptId> {
        self.sent.last().map(|sent| sent.id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// All of them, to be sent again.
    pub(super) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(count: u64) -> (Turns, Vec<String>) {
        let mut turns = Turns::default();
        let prompt = |n| Prompt { id: PromptId(n), text: format!("text {n}"), items: Vec::new() };
        let uuids = (1..=count).map(|n| turns.add(&prompt(n)).uuid.clone()).collect();
        (turns, uuids)
    }

    fn outcome(line: &serde_json::Value) -> Outcome {
        serde_json::from_value(line.clone()).unwrap()
    }

    #[test]
    fn a_result_deals_with_those_that_it_names_and_all_before() {
        let (mut turns, uuids) = turns(3);
        let named = outcome(&serde_json::json!({"user_message_uuids": [uuids[1], "another"]}));
        assert_eq!(turns.end(&named), Some(PromptId(2)));
        assert_eq!(turns.sent().iter().map(|sent| sent.id).collect::<Vec<_>>(), [PromptId(3)]);
        assert_eq!(turns.end(&named), None, "they are dealt with");
        let unasked = outcome(&serde_json::json!({"origin": {"kind": "task-notification"}}));
        assert_eq!((turns.end(&unasked), turns.is_empty()), (None, false));
    }

    #[test]
    fn one_that_names_none_deals_with_what_has_begun_and_a_failure_with_everything() {
        let (mut turns, uuids) = turns(3);
        assert_eq!(turns.end(&outcome(&serde_json::json!({}))), None);
        turns.begin(&uuids[0]);
        turns.begin("another");
        assert_eq!(turns.end(&outcome(&serde_json::json!({}))), Some(PromptId(1)));
        assert_eq!(turns.end(&outcome(&serde_json::json!({"is_error": true}))), Some(PromptId(3)));
        assert!(turns.is_empty());
    }
}
