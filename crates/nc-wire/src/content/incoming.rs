//! What a row of `messages_in` says. The host writes it and the container reads it, so what is read is trusted.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::json::FieldError;
use crate::mailbox::InKind;

/// The content of a row of `messages_in`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Incoming {
    /// Somebody wrote.
    Chat(ChatIn),
    /// Somebody wrote, in the richer form.
    ChatSdk(ChatSdkIn),
    /// A scheduled task is due.
    Task(TaskIn),
    /// An event from outside.
    Webhook(WebhookIn),
    /// The answer to a question.
    QuestionResponse(QuestionResponse),
    /// The answer to a request.
    CliResponse(CliResponse),
    /// A `system` row of a type that is not known here.
    OtherSystem(Value),
}

/// `chat`: somebody wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatIn {
    /// The sender's name; `system` for a notice of the host.
    pub sender: String,
    /// The sender's id.
    pub sender_id: String,
    /// What was written.
    pub text: String,
    /// The files that came with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// What it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// Whether the assistant's own account wrote it.
    pub is_from_me: bool,
}

/// A file that came with a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attachment {
    /// `image`, `audio`, `video`, `file` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its length in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where it lies below `/workspace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_path: Option<String>,
    /// Where it lies elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The message that a message answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplyTo {
    /// The number or id that the agent knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// What was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `chat-sdk`: somebody wrote, in the form of chat libraries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatSdkIn {
    /// What was written.
    pub text: String,
    /// Who wrote it.
    pub author: Author,
    /// Whether the assistant was mentioned.
    pub is_mention: bool,
    /// The files that came with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// The author of a `chat-sdk` message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Author {
    /// The id.
    pub user_id: String,
    /// The name in full.
    pub full_name: String,
    /// The name of the account.
    pub user_name: String,
}

/// `task`: a scheduled task is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskIn {
    /// What is to be done.
    pub prompt: String,
    /// What is run first, and may say that there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

/// `webhook`: an event from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookIn {
    /// Where it came from.
    pub source: String,
    /// What happened.
    pub event: String,
    /// What came with it.
    pub payload: Value,
}

/// `system`, `question_response`: what somebody chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuestionResponse {
    /// The question.
    pub question_id: String,
    /// The value of the option.
    pub selected_option: String,
    /// Who chose it.
    pub user_id: String,
}

/// `system`, `cli_response`: the answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CliResponse {
    /// The request.
    pub request_id: String,
    /// `{id, ok, data}` or `{id, ok: false, error: {code, message}}`.
    pub frame: Value,
}

impl Incoming {
    /// The kind of the row that holds it.
    #[must_use]
    pub fn kind(&self) -> InKind {
        match self {
            Self::Chat(_) => InKind::Chat,
            Self::ChatSdk(_) => InKind::ChatSdk,
            Self::Task(_) => InKind::Task,
            Self::Webhook(_) => InKind::Webhook,
            Self::QuestionResponse(_) | Self::CliResponse(_) | Self::OtherSystem(_) => InKind::System,
        }
    }

    /// The content of the row: compact JSON, since runners look for the text `"questionId":"…"` in it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = match self {
            Self::Chat(content) => json!(content),
            Self::ChatSdk(content) => json!(content),
            Self::Task(content) => json!(content),
            Self::Webhook(content) => json!(content),
            Self::QuestionResponse(content) => typed("question_response", json!(content)),
            Self::CliResponse(content) => typed("cli_response", json!(content)),
            Self::OtherSystem(value) => value.clone(),
        };
        value.to_string()
    }

    /// Reads the content of a row of `kind`.
    ///
    /// # Errors
    /// [`FieldError`] where it is no JSON, too large or too deep, or a field has the wrong type.
    pub fn read(kind: InKind, content: &str) -> Result<Self, FieldError> {
        let value = crate::json::parse(content, "content")?;
        match kind {
            InKind::Chat => take(value).map(Self::Chat),
            InKind::ChatSdk => take(value).map(Self::ChatSdk),
            InKind::Task => take(value).map(Self::Task),
            InKind::Webhook => take(value).map(Self::Webhook),
            InKind::System => match value.get("type").and_then(Value::as_str) {
                Some("question_response") => take(value).map(Self::QuestionResponse),
                Some("cli_response") => take(value).map(Self::CliResponse),
                _ => Ok(Self::OtherSystem(value)),
            },
        }
    }
}

/// `value` with its type in front.
fn typed(name: &str, value: Value) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("type".to_owned(), Value::from(name));
    if let Value::Object(fields) = value {
        object.extend(fields);
    }
    Value::Object(object)
}

/// The host's own JSON is right but for the versions of two programs; what serde says of a wrong one is enough.
fn take<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, FieldError> {
    serde_json::from_value(value).map_err(|e| FieldError::new("content", "the fields of its kind", e.to_string()))
}
