//! What the model used, as it is left for the host.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use serde::Serialize;

use crate::parts::beginning;

/// How many tools are told of by name, and how long a name may be, in bytes: a model's client has some 20, and servers of
/// tools may add any number. What is above goes under [`OTHERS`].
const MAX_TOOLS: usize = 50;
const MAX_NAME: usize = 100;
const OTHERS: &str = "others";

/// What a turn, or a run, used. The host believes it for display only.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Usage {
    /// Tokens that the model read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input_tokens: Option<u64>,
    /// Tokens that it wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_tokens: Option<u64>,
    /// What that costs, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost_usd: Option<f64>,
    /// From the first prompt to the first token, in milliseconds; the run's first counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_token_ms: Option<u64>,
    /// Turns.
    pub(crate) turns: u64,
    /// Tools by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tools: BTreeMap<String, ToolUse>,
}

/// How a tool was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ToolUse {
    /// How often.
    pub(crate) calls: u64,
    /// For how long, in milliseconds.
    pub(crate) ms: u64,
}

impl ToolUse {
    /// Counts one use of the tool `name`.
    pub(crate) fn count(tools: &mut BTreeMap<String, Self>, name: &str, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self::add(tools, name, Self { calls: 1, ms });
    }

    fn add(tools: &mut BTreeMap<String, Self>, name: &str, more: Self) {
        let name = beginning(name, MAX_NAME);
        let name = if tools.contains_key(name) || tools.len() < MAX_TOOLS { name } else { OTHERS };
        let tool = tools.entry(name.to_owned()).or_default();
        tool.calls = tool.calls.saturating_add(more.calls);
        tool.ms = tool.ms.saturating_add(more.ms);
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, turn: Self) {
        self.input_tokens = sum(self.input_tokens, turn.input_tokens, u64::saturating_add);
        self.output_tokens = sum(self.output_tokens, turn.output_tokens, u64::saturating_add);
        self.cost_usd = sum(self.cost_usd, turn.cost_usd, |a, b| a + b);
        self.first_token_ms = self.first_token_ms.or(turn.first_token_ms);
        self.turns = self.turns.saturating_add(turn.turns);
        turn.tools.iter().for_each(|(name, more)| ToolUse::add(&mut self.tools, name, *more));
    }
}

/// What is known of both; what neither knows stays unknown.
fn sum<T>(a: Option<T>, b: Option<T>, add: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(add(a, b)),
        (known, unknown) => known.or(unknown),
    }
}

impl Usage {
    /// The value for `session_state`.
    pub(crate) fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_added_up_and_the_rest_stays_unknown() {
        let mut run = Usage::default();
        run += Usage { input_tokens: Some(10), first_token_ms: Some(400), turns: 1, ..Usage::default() };
        run += Usage {
            input_tokens: Some(5),
            cost_usd: Some(0.25),
            first_token_ms: Some(30),
            turns: 1,
            ..Usage::default()
        };
        assert_eq!(run.to_json(), r#"{"input_tokens":15,"cost_usd":0.25,"first_token_ms":400,"turns":2}"#);
    }

    #[test]
    fn tools_are_counted_by_name_and_their_number_has_a_bound() {
        let mut run = Usage::default();
        for n in 0..100 {
            let mut tools = BTreeMap::new();
            ToolUse::count(&mut tools, "Bash", Duration::from_millis(2));
            ToolUse::count(&mut tools, &format!("tool {n} {}", "x".repeat(200)), Duration::from_millis(1));
            run += Usage { tools, ..Usage::default() };
        }
        assert_eq!(run.tools["Bash"], ToolUse { calls: 100, ms: 200 });
        assert_eq!(run.tools[OTHERS], ToolUse { calls: 51, ms: 51 });
        assert_eq!(run.tools.len(), MAX_TOOLS + 1);
        assert!(run.to_json().len() < 10_000);
    }
}
