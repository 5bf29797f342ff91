//! What the model used, as it is left for the host.

use std::ops::AddAssign;

use serde::Serialize;

/// What a turn, or a run, used. The host believes it for display only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
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
}

impl AddAssign for Usage {
    fn add_assign(&mut self, turn: Self) {
        self.input_tokens = sum(self.input_tokens, turn.input_tokens, u64::saturating_add);
        self.output_tokens = sum(self.output_tokens, turn.output_tokens, u64::saturating_add);
        self.cost_usd = sum(self.cost_usd, turn.cost_usd, |a, b| a + b);
        self.first_token_ms = self.first_token_ms.or(turn.first_token_ms);
        self.turns = self.turns.saturating_add(turn.turns);
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
    pub(crate) fn to_json(self) -> String {
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
}
