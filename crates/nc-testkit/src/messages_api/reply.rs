//! What the server answers, as a test says it.

use std::time::Duration;

use serde_json::{Value, json};

/// What to answer to one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A turn of these content blocks, streamed whole.
    Blocks(Vec<Block>),
    /// A turn that says this, for a conversation of so many tokens: a client makes a long one shorter.
    Full(String, u64),
    /// An HTTP status with an error object in the API's form.
    Status {
        /// The HTTP status.
        code: u16,
        /// `error.type`, such as `authentication_error`.
        kind: &'static str,
        /// `error.message`.
        message: String,
    },
    /// The text's beginning, and then the connection breaks.
    Cut(String),
    /// The headers, and then nothing until the client gives up.
    Hang,
    /// The text, one character after another with this pause before each.
    Slow(String, Duration),
}

/// One block of an answer's content.
#[derive(Clone, Debug)]
pub enum Block {
    /// Text.
    Text(String),
    /// A call of a tool.
    Tool {
        /// The tool's name.
        name: String,
        /// Its arguments.
        input: Value,
    },
}

impl Reply {
    /// A turn that says `text`.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Blocks(vec![Block::Text(text.into())])
    }

    /// A turn that calls the tool `name`.
    #[must_use]
    pub fn tool(name: impl Into<String>, input: Value) -> Self {
        Self::Blocks(vec![Block::Tool { name: name.into(), input }])
    }

    /// The error that the API gives with this HTTP status: 400, 401, 402, 403, 404, 429, 500 or 529.
    ///
    /// The kinds are those of the API's page on errors.
    #[must_use]
    pub fn error(code: u16) -> Self {
        let (kind, message) = match code {
            401 => ("authentication_error", "invalid x-api-key"),
            402 => ("billing_error", "Your credit balance is too low to access the API."),
            403 => ("permission_error", "Your key may not use this."),
            404 => ("not_found_error", "model not found"),
            429 => ("rate_limit_error", "This request would exceed your rate limit."),
            529 => ("overloaded_error", "Overloaded"),
            500..=599 => ("api_error", "Internal server error"),
            _ => ("invalid_request_error", "The request was not understood."),
        };
        Self::Status { code, kind, message: message.to_owned() }
    }
}

/// How many tokens a request has, where nothing else is said.
pub(super) const TOKENS: u64 = 11;

/// The server-sent events of a turn as (event, data), in the order of the API's page on streaming.
pub(super) fn events(model: &str, blocks: &[Block], tokens: u64) -> Vec<Value> {
    let mut events = vec![start(model, tokens)];
    for (index, block) in blocks.iter().enumerate() {
        let (begun, delta) = match block {
            Block::Text(text) => (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text})),
            Block::Tool { name, input } => (
                json!({"type": "tool_use", "id": format!("toolu_{:012x}{index:02}", super::server::serial()), "name": name, "input": {}}),
                json!({"type": "input_json_delta", "partial_json": input.to_string()}),
            ),
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let reason = if blocks.iter().any(|b| matches!(b, Block::Tool { .. })) { "tool_use" } else { "end_turn" };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 7}}));
    events.push(json!({"type": "message_stop"}));
    events
}

/// The first events of a turn, up to where its first text may come.
pub(super) fn opening(model: &str) -> Vec<Value> {
    vec![
        start(model, TOKENS),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ]
}

/// One piece of text of the first block.
pub(super) fn piece(text: &str) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
}

/// The last events of a turn of one block.
pub(super) fn closing() -> Vec<Value> {
    vec![
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

fn start(model: &str, tokens: u64) -> Value {
    json!({"type": "message_start", "message": {
        "id": format!("msg_{:016x}", super::server::serial()), "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}}})
}
