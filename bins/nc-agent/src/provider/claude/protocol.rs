//! What Claude Code writes and reads: one JSON object a line.
//!
//! Written down from what version 2.1.331 does. What is not known here is passed over, so that a later version may say more.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::usage::Usage;

/// One line of its output.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    System(System),
    /// What the model said: texts and calls of tools.
    Assistant(Said),
    /// What tools returned.
    User(Said),
    Result(Box<Outcome>),
    /// It asks something of whoever drives it.
    ControlRequest {
        request_id: String,
        request: Asked,
    },
    /// It answers what it was asked.
    ControlResponse {},
    /// How far it is with what was pushed.
    CommandLifecycle {
        command_uuid: String,
        state: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum System {
    /// A turn begins.
    Init {
        session_id: String,
        #[serde(default)]
        claude_code_version: String,
    },
    /// What works on beside the turns, all of it.
    BackgroundTasksChanged {
        #[serde(default)]
        tasks: Vec<Background>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Background {
    pub(super) task_id: String,
    #[serde(default)]
    pub(super) task_type: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    message: Message,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Value,
}

/// A call of a tool.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ToolCall<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) timeout_ms: Option<u64>,
}

impl Said {
    /// The tools that it calls.
    pub(super) fn calls(&self) -> impl Iterator<Item = ToolCall<'_>> {
        self.blocks("tool_use").filter_map(|block| {
            let timeout_ms = block["input"]["timeout"].as_u64();
            Some(ToolCall { id: block["id"].as_str()?, name: block["name"].as_str()?, timeout_ms })
        })
    }

    /// The calls that it brings the end of.
    pub(super) fn returns(&self) -> impl Iterator<Item = &str> {
        self.blocks("tool_result").filter_map(|block| block["tool_use_id"].as_str())
    }

    fn blocks(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.message.content.as_array().into_iter().flatten().filter(move |block| block["type"] == kind)
    }
}

/// How a turn ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outcome {
    /// An error of the API is a "success" in `subtype`; this alone tells.
    pub(super) is_error: bool,
    pub(super) result: Option<String>,
    pub(super) errors: Vec<String>,
    pub(super) api_error_status: Option<u16>,
    /// What was pushed and is dealt with.
    pub(super) user_message_uuids: Vec<String>,
    pub(super) user_message_uuid: Option<String>,
    /// Why there was a turn that nobody asked for.
    origin: Option<Value>,
    usage: Used,
    model_usage_since_last_result: Option<BTreeMap<String, Used>>,
}

/// What was used, as it is told of a turn and, in camel case, of a model.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Used {
    #[serde(alias = "inputTokens")]
    input_tokens: u64,
    #[serde(alias = "cacheCreationInputTokens")]
    cache_creation_input_tokens: u64,
    #[serde(alias = "cacheReadInputTokens")]
    cache_read_input_tokens: u64,
    #[serde(alias = "outputTokens")]
    output_tokens: u64,
    #[serde(rename = "costUSD")]
    cost_usd: Option<f64>,
}

impl Used {
    fn usage(&self) -> Usage {
        let read = [self.input_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens];
        Usage {
            input_tokens: Some(read.into_iter().fold(0, u64::saturating_add)),
            output_tokens: Some(self.output_tokens),
            cost_usd: self.cost_usd.filter(|cost| cost.is_finite() && *cost >= 0.0),
            ..Usage::default()
        }
    }
}

impl Outcome {
    /// Whether the turn came by itself, such as after something in the background had ended.
    pub(super) fn is_unasked(&self) -> bool {
        self.origin.is_some() && self.user_message_uuids.is_empty() && self.user_message_uuid.is_none()
    }

    /// What the turn used, with its helpers. The total that it also tells is of the whole session.
    pub(super) fn usage(&self) -> Usage {
        let Some(models) = &self.model_usage_since_last_result else { return self.usage.usage() };
        let mut usage = Usage::default();
        for model in models.values() {
            usage += model.usage();
        }
        usage
    }
}

/// What it asks.
#[derive(Debug, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum Asked {
    /// Something is about to happen that one wanted to hear of.
    HookCallback {
        callback_id: String,
        #[serde(default)]
        input: Value,
    },
    /// A message for the MCP server.
    McpMessage {
        #[serde(default)]
        message: Value,
    },
    #[serde(other)]
    Other,
}

/// Why a line says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no JSON at all.
    Rubbish,
    /// It is, but not as it was known to be.
    Unknown(String),
}

impl Line {
    pub(super) fn read(line: &[u8]) -> Result<Self, Unread> {
        serde_json::from_slice(line).map_err(|error| match error.classify() {
            serde_json::error::Category::Data if line.starts_with(b"{") => Unread::Unknown(error.to_string()),
            _ => Unread::Rubbish,
        })
    }
}

/// How the hook before a compaction is called.
pub(super) const BEFORE_COMPACTION: &str = "before-compaction";

/// The first line: what it is told about its place, and what it is to tell.
pub(super) fn initialize(instructions: &str) -> Value {
    json!({"type": "control_request", "request_id": "initialize", "request": {
        "subtype": "initialize",
        "appendSystemPrompt": instructions,
        "sdkMcpServers": [super::mcp::SERVER],
        "hooks": {"PreCompact": [{"hookCallbackIds": [BEFORE_COMPACTION]}]},
    }})
}

/// A prompt, by an id under which the result names it.
pub(super) fn prompt(uuid: &str, text: &str) -> Value {
    json!({"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}})
}

/// Asks it to break off.
pub(super) fn interrupt() -> Value {
    json!({"type": "control_request", "request_id": "interrupt", "request": {"subtype": "interrupt"}})
}

/// The answer to what it asked.
pub(super) fn answer(request_id: &str, response: &Value) -> Value {
    json!({"type": "control_response", "response": {
        "subtype": "success", "request_id": request_id, "response": response,
    }})
}

/// The answer to what is not known here: without one it would wait.
pub(super) fn refuse(request_id: &str) -> Value {
    json!({"type": "control_response", "response": {
        "subtype": "error", "request_id": request_id, "error": "this is not known here",
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &Value) -> Line {
        Line::read(line.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_type_may_stand_anywhere_and_be_anything() {
        let line = br#"{"is_error":true,"errors":["No"],"subtype":"error_during_execution","type":"result"}"#;
        let Line::Result(outcome) = Line::read(line).unwrap() else { panic!("no result") };
        assert!(outcome.is_error && outcome.errors == ["No"] && !outcome.is_unasked());
        for other in [
            json!({"type": "keep_alive"}),
            json!({"type": "system", "subtype": "status", "status": null}),
            json!({"type": "control_request", "request_id": "1", "request": {"subtype": "can_use_tool"}}),
        ] {
            let line = read(&other);
            let passed = matches!(line, Line::Other | Line::System(System::Other))
                || matches!(line, Line::ControlRequest { request: Asked::Other, .. });
            assert!(passed, "{other}");
        }
    }

    #[test]
    fn rubbish_is_told_from_what_is_not_known() {
        for rubbish in ["", "hello", "{", "{\"type\":", "\u{1}", "[1]", "1", "null"] {
            assert_eq!(Line::read(rubbish.as_bytes()).unwrap_err(), Unread::Rubbish, "{rubbish}");
        }
        for unknown in ["{}", r#"{"type":1}"#, r#"{"type":"result","is_error":"x"}"#] {
            assert!(matches!(Line::read(unknown.as_bytes()).unwrap_err(), Unread::Unknown(_)), "{unknown}");
        }
    }

    #[test]
    fn tools_are_found_among_what_was_said() {
        let Line::Assistant(said) = read(&json!({"type": "assistant", "message": {"content": [
            {"type": "text", "text": "x"},
            {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"timeout": 5000}},
            {"type": "tool_use", "id": "t2", "name": "Read", "input": {}},
            {"type": "tool_use", "id": 3},
        ]}})) else {
            panic!("nobody said it")
        };
        let bash = ToolCall { id: "t1", name: "Bash", timeout_ms: Some(5000) };
        assert_eq!(said.calls().collect::<Vec<_>>(), [bash, ToolCall { id: "t2", name: "Read", timeout_ms: None }]);
        let content = json!([{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]);
        let Line::User(said) = read(&json!({"type": "user", "message": {"content": content}})) else { panic!() };
        assert_eq!(said.returns().collect::<Vec<_>>(), ["t1"]);
        let Line::User(said) = read(&json!({"type": "user", "message": {"content": "text"}})) else { panic!() };
        assert_eq!(said.returns().count(), 0);
    }

    #[test]
    fn what_a_turn_used_is_that_of_all_its_models() {
        let model = |cost: f64| json!({"inputTokens": 10, "cacheReadInputTokens": 5, "cacheCreationInputTokens": 1, "outputTokens": 2, "costUSD": cost});
        let line = json!({"type": "result", "total_cost_usd": 9.0, "usage": {"input_tokens": 99},
            "model_usage_since_last_result": {"a": model(0.25), "b": model(0.5)}});
        let Line::Result(outcome) = read(&line) else { panic!("no result") };
        let usage = outcome.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_usd), (Some(32), Some(4), Some(0.75)));
        let line =
            json!({"type": "result", "usage": {"input_tokens": 9, "cache_read_input_tokens": 1, "output_tokens": 3}});
        let Line::Result(outcome) = read(&line) else { panic!("no result") };
        let usage = outcome.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_usd), (Some(10), Some(3), None));
    }
}
