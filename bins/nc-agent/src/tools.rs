//! The tools that the model is offered, beside those of its own client.

use serde_json::{Value, json};

/// What a tool says to the model: what it did, or why it did not.
pub(crate) type ToolOutcome = Result<String, String>;

/// A call that was read and may be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToolCall {
    /// `send_message`
    SendMessage { text: String, to: Option<String> },
    /// `send_file`
    SendFile { path: String, filename: Option<String>, text: Option<String>, to: Option<String> },
}

/// One tool: its name, what the model is told of it, and its arguments.
struct Tool {
    name: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    read: fn(&Arguments<'_>) -> Result<ToolCall, String>,
}

/// An argument. All are texts.
struct Argument {
    name: &'static str,
    needed: bool,
    description: &'static str,
}

const TO: Argument = Argument {
    name: "to",
    needed: false,
    description: "The name of the destination. May be left out where there is only one.",
};

const TOOLS: &[Tool] = &[
    Tool {
        name: "send_message",
        description: "Sends a text to a destination at once, while you go on working: to say that something will take \
                      long, or to write to somebody else than you are answering. The final text of your turn is sent \
                      without this tool, so do not send the same twice.",
        arguments: &[Argument { name: "text", needed: true, description: "What to say." }, TO],
        read: |given| Ok(ToolCall::SendMessage { text: given.need("text")?, to: given.text("to")? }),
    },
    Tool {
        name: "send_file",
        description: "Sends a file to a destination at once. It must be a regular file below /workspace or /tmp, of at \
                      most 50 MiB; a link is not followed.",
        arguments: &[
            Argument {
                name: "path",
                needed: true,
                description: "The file: absolute, or relative to /workspace/agent.",
            },
            TO,
            Argument { name: "text", needed: false, description: "What to say with it." },
            Argument {
                name: "filename",
                needed: false,
                description: "What to call it, where its own name will not do.",
            },
        ],
        read: |given| {
            Ok(ToolCall::SendFile {
                path: given.need("path")?,
                filename: given.text("filename")?,
                text: given.text("text")?,
                to: given.text("to")?,
            })
        },
    },
];

/// The tools as an MCP server lists them.
pub(crate) fn listing() -> Value {
    TOOLS.iter().map(Tool::listing).collect()
}

impl ToolCall {
    /// Reads a call of the tool `name`.
    ///
    /// # Errors
    /// Words for the model.
    pub(crate) fn read(name: &str, arguments: &Value) -> Result<Self, String> {
        let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
            let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
            return Err(format!("There is no tool {name:?}. There are: {}.", names.join(", ")));
        };
        (tool.read)(&Arguments(arguments))
    }
}

impl Tool {
    fn listing(&self) -> Value {
        let describe = |of: &Argument| (of.name.to_owned(), json!({"type": "string", "description": of.description}));
        let properties: serde_json::Map<String, Value> = self.arguments.iter().map(describe).collect();
        let needed: Vec<&str> = self.arguments.iter().filter(|of| of.needed).map(|of| of.name).collect();
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": {"type": "object", "properties": properties, "required": needed},
        })
    }
}

struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match &self.0[name] {
            Value::Null => Ok(None),
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(format!("{name} must be a text.")),
        }
    }

    fn need(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("{name} is missing or empty."))
    }
}

#[cfg(test)]
mod tests {
    use nc_model::limits::MAX_FILE;

    use super::*;

    #[test]
    fn a_call_is_read_or_refused_in_words() {
        let message =
            |text: &str, to: Option<&str>| ToolCall::SendMessage { text: text.into(), to: to.map(str::to_owned) };
        let read = |name, arguments| ToolCall::read(name, &arguments);
        assert_eq!(read("send_message", json!({"text": "hi", "to": "", "x": 1})), Ok(message("hi", None)));
        assert_eq!(read("send_message", json!({"text": "hi", "to": "ana"})), Ok(message("hi", Some("ana"))));
        for (name, arguments, why) in [
            ("send_message", json!({}), "text is missing or empty."),
            ("send_message", json!({"text": " "}), "text is missing or empty."),
            ("send_message", json!({"text": ["hi"]}), "text must be a text."),
            ("send_message", json!("hi"), "text is missing or empty."),
            ("send_file", json!({"text": "hi"}), "path is missing or empty."),
            ("send_fil", json!({}), "There is no tool \"send_fil\". There are: send_message, send_file."),
        ] {
            assert_eq!(read(name, arguments), Err(why.to_owned()));
        }
    }

    #[test]
    fn the_listing_has_each_tool_with_its_arguments() {
        let listing = listing();
        assert_eq!(listing[0]["inputSchema"]["required"], json!(["text"]));
        assert_eq!(listing[1]["inputSchema"]["properties"]["filename"]["type"], "string");
        assert!(listing[1]["description"].as_str().unwrap().contains(&format!("{} MiB", MAX_FILE >> 20)));
    }
}
