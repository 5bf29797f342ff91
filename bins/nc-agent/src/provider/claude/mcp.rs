//! The MCP server `nanoclaw`, to which Claude Code talks over its own standard input and output.
//!
//! Four methods are all that a server of tools needs (Model Context Protocol, revision 2025-11-25), so they stand here by
//! themselves: no process to start, no transport, and a call is carried out by whoever holds the mailbox.

use serde_json::{Value, json};

use crate::tools::{self, ToolOutcome};

/// How the server is called. Its tools are `mcp__nanoclaw__NAME` to the model.
pub(super) const SERVER: &str = "nanoclaw";

/// The revision that is spoken where the client names none.
const REVISION: &str = "2025-11-25";

/// What becomes of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// This is the answer.
    Now(Value),
    /// A tool is called, and its end will be the answer.
    Call {
        /// The message's id.
        id: Value,
        tool: String,
        arguments: Value,
    },
}

const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Answers one message.
pub(super) fn reply(message: &Value) -> Reply {
    let id = message["id"].clone();
    let params = &message["params"];
    match message["method"].as_str() {
        Some("initialize") => {
            let revision = params["protocolVersion"].as_str().unwrap_or(REVISION);
            Reply::Now(result(
                &id,
                &json!({
                    "protocolVersion": revision,
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": SERVER, "version": env!("CARGO_PKG_VERSION")},
                }),
            ))
        }
        Some("ping") => Reply::Now(result(&id, &json!({}))),
        Some("tools/list") => Reply::Now(result(&id, &json!({"tools": tools::listing()}))),
        Some("tools/call") => match params["name"].as_str() {
            Some(tool) => Reply::Call { id, tool: tool.to_owned(), arguments: params["arguments"].clone() },
            None => Reply::Now(error(&id, INVALID_PARAMS, "the name of the tool is missing")),
        },
        // A notification wants no answer, but the way that it came does; what is in it is not looked at.
        Some(_) if id.is_null() => Reply::Now(result(&json!(0), &json!({}))),
        _ => Reply::Now(error(&id, METHOD_NOT_FOUND, "there is no such method")),
    }
}

/// The answer to the call `id`.
pub(super) fn returned(id: &Value, outcome: &ToolOutcome) -> Value {
    let (text, is_error) = match outcome {
        Ok(text) => (text, false),
        Err(reason) => (reason, true),
    };
    result(id, &json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
}

fn result(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(message: &Value) -> Value {
        match reply(message) {
            Reply::Now(value) => value,
            call @ Reply::Call { .. } => panic!("not answered at once: {call:?}"),
        }
    }

    #[test]
    fn a_client_is_greeted_and_told_of_the_tools() {
        let hello = now(
            &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2024-11-05"}}),
        );
        assert_eq!((&hello["id"], &hello["result"]["protocolVersion"]), (&json!(0), &json!("2024-11-05")));
        let tools = now(&json!({"id": "a", "method": "tools/list"}));
        assert_eq!(tools["id"], "a");
        let names: Vec<_> = tools["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["send_message", "send_file"]);
        assert_eq!(now(&json!({"id": 1, "method": "ping"}))["result"], json!({}));
        assert_eq!(now(&json!({"method": "notifications/initialized"}))["result"], json!({}));
    }

    #[test]
    fn what_is_not_known_is_an_error_and_a_call_is_handed_on() {
        assert_eq!(now(&json!({"id": 1, "method": "resources/list"}))["error"]["code"], METHOD_NOT_FOUND);
        assert_eq!(now(&json!({"id": 1}))["error"]["code"], METHOD_NOT_FOUND);
        assert_eq!(now(&json!({"id": 1, "method": "tools/call", "params": {}}))["error"]["code"], INVALID_PARAMS);
        let call = reply(&json!({"id": 2, "method": "tools/call", "params": {"name": "x", "arguments": {"a": 1}}}));
        assert_eq!(call, Reply::Call { id: json!(2), tool: "x".to_owned(), arguments: json!({"a": 1}) });
        let failed = returned(&json!(2), &Err("why".to_owned()));
        assert_eq!(failed["result"], json!({"content": [{"type": "text", "text": "why"}], "isError": true}));
    }
}
