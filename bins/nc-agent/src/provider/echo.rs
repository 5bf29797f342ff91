//! The provider for a house without a model: it says back what it got, and that it is no model.

use std::collections::VecDeque;
use std::future;
use std::time::Duration;

use nc_model::quantity;
use tokio::time::{Instant, sleep_until};

use super::{Abilities, Answer, Event, Item, Origin, Prompt, PromptId, Provider, Reply};
use crate::tools::ToolOutcome;
use crate::usage::Usage;

const REMARK: &str = "No model is configured: this is the echo provider.";

/// Says back what it got.
///
/// Its model is empty, or what it should do besides, for trying things out: `delay=2s` waits before each answer, `fail`
/// fails at each prompt; both with a comma between them.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    delay: Duration,
    fails: bool,
    waiting: VecDeque<(Instant, Event)>,
}

/// A model that the echo does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider \"echo\" has no model {word:?}: leave it empty, or write delay=DURATION (as 500ms, 2s) or fail")]
pub(crate) struct EchoError {
    word: String,
}

impl Echo {
    /// Reads what `model` asks for.
    pub(crate) fn new(model: &str) -> Result<Self, EchoError> {
        let mut echo = Self::default();
        for word in model.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let delay = word.strip_prefix("delay=").and_then(|text| quantity::parse_duration(text).ok());
            match (word, delay) {
                (_, Some(delay)) => echo.delay = delay,
                ("fail", None) => echo.fails = true,
                _ => return Err(EchoError { word: word.to_owned() }),
            }
        }
        Ok(echo)
    }

    fn outcome(&self, prompt: &Prompt) -> Event {
        let through = Some(prompt.id);
        if self.fails {
            let text = "The echo provider was told to fail.".to_owned();
            return Event::Error { through, retryable: false, text };
        }
        Event::Result { through, answer: Answer::Replies(replies(&prompt.items)), usage: Usage::default() }
    }
}

impl Provider for Echo {
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    async fn push(&mut self, prompt: &Prompt) {
        let now = Instant::now();
        self.waiting.push_back((now, Event::Progress));
        self.waiting.push_back((now + self.delay, self.outcome(prompt)));
    }

    async fn next(&mut self) -> Event {
        let Some((at, _)) = self.waiting.front() else { return future::pending().await };
        // A timer is never earlier than the next millisecond, also where none is due.
        if *at > Instant::now() {
            sleep_until(*at).await;
        }
        // Taken only now: a call that is dropped while it waits takes nothing with it.
        match self.waiting.pop_front() {
            Some((_, event)) => event,
            None => future::pending().await,
        }
    }

    async fn returned(&mut self, _call: &str, _outcome: &ToolOutcome) {}

    async fn interrupt(&mut self) {
        let through = |event: &Event| match event {
            Event::Result { through, .. } | Event::Error { through, .. } => *through,
            _ => None,
        };
        let last: Option<PromptId> = self.waiting.iter().rev().find_map(|(_, event)| through(event));
        self.waiting.clear();
        if last.is_some() {
            let text = "The answer was broken off.".to_owned();
            self.waiting.push_back((Instant::now(), Event::Error { through: last, retryable: true, text }));
        }
    }

    async fn end(&mut self) {
        self.waiting.clear();
    }
}

/// One reply for each item that asks for one, but none to agents: two echoes would talk for ever.
fn replies(items: &[Item]) -> Vec<Reply> {
    let context = items.iter().filter(|item| !item.trigger).count();
    let mut replies: Vec<Reply> = items
        .iter()
        .filter(|item| item.trigger && item.origin != Origin::Agent)
        .map(|item| Reply { row: item.row.clone(), text: said(item) })
        .collect();
    if let Some(last) = replies.last_mut() {
        last.text = format!("{}\n({REMARK}{})", last.text, context_note(context));
    }
    replies
}

fn said(item: &Item) -> String {
    match item.origin {
        Origin::Person | Origin::Agent => format!("You said: {}", item.text),
        Origin::Task => format!("A task is due: {}", item.text),
        Origin::Webhook => format!("A webhook said: {}", item.text),
    }
}

fn context_note(messages: usize) -> String {
    match messages {
        0 => String::new(),
        1 => " It also read 1 message of context.".to_owned(),
        _ => format!(" It also read {messages} messages of context."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(row: &str, trigger: bool, origin: Origin) -> Item {
        Item { row: row.to_owned(), trigger, origin, text: format!("text of {row}") }
    }

    #[test]
    fn a_model_is_empty_or_words_that_it_knows() {
        for model in ["", " ", "delay=2s", "fail", "delay=5ms , fail", ","] {
            assert!(Echo::new(model).is_ok(), "{model:?} was refused");
        }
        for model in ["gpt", "delay", "delay=", "delay=soon", "fail=1", "delay=2s;fail"] {
            assert!(Echo::new(model).is_err(), "{model:?} was taken");
        }
        let error = Echo::new("fail,gpt").unwrap_err().to_string();
        assert!(error.starts_with("the provider \"echo\" has no model \"gpt\""), "{error}");
    }

    #[test]
    fn each_row_that_asks_is_said_back_and_the_last_reply_has_the_remark() {
        let items = [
            item("1", true, Origin::Person),
            item("2", false, Origin::Person),
            item("3", true, Origin::Agent),
            item("4", true, Origin::Webhook),
        ];
        let said: Vec<(String, String)> = replies(&items).into_iter().map(|reply| (reply.row, reply.text)).collect();
        let remark = format!("A webhook said: text of 4\n({REMARK} It also read 1 message of context.)");
        let first = ("1".to_owned(), "You said: text of 1".to_owned());
        assert_eq!(said, [first, ("4".to_owned(), remark)]);
        assert!(replies(&items[1..3]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_its_time_and_survives_a_dropped_wait() {
        let mut echo = Echo::new("delay=5s").unwrap();
        let started = Instant::now();
        let items = vec![item("1", true, Origin::Person)];
        echo.push(&Prompt { id: PromptId(1), text: String::new(), items }).await;
        assert_eq!(echo.next().await, Event::Progress);
        tokio::time::timeout(Duration::from_secs(1), echo.next()).await.unwrap_err();
        assert!(matches!(echo.next().await, Event::Result { through: Some(PromptId(1)), .. }));
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_broken_off_may_be_tried_again() {
        let mut echo = Echo::new("delay=1h").unwrap();
        echo.push(&Prompt { id: PromptId(1), text: String::new(), items: Vec::new() }).await;
        echo.interrupt().await;
        assert!(matches!(echo.next().await, Event::Error { through: Some(PromptId(1)), retryable: true, .. }));
    }
}
