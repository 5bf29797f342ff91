//! What a row of `messages_out` says. An agent wrote it: every field is checked, and an error names it.

use nc_model::limits::{MAX_FILES, MAX_ID_BYTES, MAX_NAME, MAX_TEXT_BYTES};
use serde_json::{Map, Value, json};

use crate::files::is_plain_name;
use crate::json::{FieldError, Fields, parse};
use crate::mailbox::OutKind;

/// How many options a question may have. A guess: platforms show 5 to 25 buttons.
const MAX_OPTIONS: usize = 25;

/// The longest label, title or value of a question, in bytes. A guess, above every platform's own.
const MAX_LABEL: usize = 1024;

/// The longest name of a request, in bytes. A guess: the longest known has 18.
const MAX_ACTION: usize = 64;

/// The content of a row of `messages_out`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outgoing {
    /// A text, files or both.
    Text(TextOut),
    /// A change to what was sent.
    Edit(Edit),
    /// A reaction to a message.
    Reaction(Reaction),
    /// A question with options.
    Question(Question),
    /// A card.
    Card(Card),
    /// A request to the host.
    Request(Request),
}

/// `chat`: `{text}` or `{markdown}`, with `files`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextOut {
    /// What is to be sent; empty only where there are files.
    pub text: String,
    /// Whether the text is Markdown.
    pub markdown: bool,
    /// The names of the files in `outbox/<row id>/`; each is one path component.
    pub files: Vec<String>,
}

/// `chat`, `operation` `edit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// A `messages_in.id`, a `delivered.platform_message_id` or a `messages_out.id`.
    pub message_id: String,
    /// What it is to say.
    pub text: String,
}

/// `chat`, `operation` `reaction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// A `messages_in.id`, a `delivered.platform_message_id` or a `messages_out.id`.
    pub message_id: String,
    /// A short name (`thumbs_up`) or the character.
    pub emoji: String,
}

/// `chat-sdk`, `type` `ask_question`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What the answer will name.
    pub question_id: String,
    /// The title.
    pub title: String,
    /// The question.
    pub question: String,
    /// What one may choose; at least one.
    pub options: Vec<Choice>,
}

/// An option of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What the button says.
    pub label: String,
    /// What it says once it was chosen.
    pub selected_label: String,
    /// What the agent is told.
    pub value: String,
}

/// `chat-sdk`, `type` `card`.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// JSON, `{title, description, children, actions}`; bounded, not otherwise checked.
    pub card: String,
    /// What a channel without cards sends.
    pub fallback_text: String,
}

/// `system`: a request to the host, one flat object.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is asked for.
    pub action: String,
    /// What the answer repeats, where one is waited for.
    pub request_id: Option<String>,
    /// The whole object as JSON. What is built of it is many times larger, and there may be many: so it is not built here.
    content: String,
}

impl Request {
    /// Builds a request; the container's side writes it.
    #[must_use]
    pub fn new(action: &str, request_id: Option<&str>, mut body: Map<String, Value>) -> Self {
        body.insert("action".to_owned(), Value::from(action));
        if let Some(id) = request_id {
            body.insert("requestId".to_owned(), Value::from(id));
        }
        let content = Value::Object(body).to_string();
        Self { action: action.to_owned(), request_id: request_id.map(str::to_owned), content }
    }

    /// The whole object, to be read by [`Fields::of`] by whoever knows the action.
    ///
    /// # Errors
    /// [`FieldError`]; never for a request that was read from a row.
    pub fn body(&self) -> Result<Value, FieldError> {
        parse(&self.content, "content")
    }
}

impl Outgoing {
    /// A plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextOut { text: text.into(), ..TextOut::default() })
    }

    /// The kind of the row that holds it.
    #[must_use]
    pub fn kind(&self) -> OutKind {
        match self {
            Self::Text(_) | Self::Edit(_) | Self::Reaction(_) => OutKind::Chat,
            Self::Question(_) | Self::Card(_) => OutKind::ChatSdk,
            Self::Request(_) => OutKind::System,
        }
    }

    /// The content of the row: compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = match self {
            Self::Text(t) => text_json(t),
            Self::Edit(e) => json!({"operation": "edit", "messageId": e.message_id, "text": e.text}),
            Self::Reaction(r) => json!({"operation": "reaction", "messageId": r.message_id, "emoji": r.emoji}),
            Self::Question(q) => question_json(q),
            Self::Card(c) => card_json(c),
            Self::Request(r) => return r.content.clone(),
        };
        value.to_string()
    }

    /// Reads the content of a row of `kind`.
    ///
    /// # Errors
    /// [`FieldError`] with the field's name, where the JSON or a field is not what it has to be.
    pub fn read(kind: OutKind, content: &str) -> Result<Self, FieldError> {
        let value = parse(content, "content")?;
        let fields = Fields::of(&value, "content")?;
        match kind {
            OutKind::Chat => read_chat(&fields),
            OutKind::ChatSdk => read_chat_sdk(&fields),
            OutKind::System => read_request(&fields, content),
        }
    }
}

fn text_json(text: &TextOut) -> Value {
    let name = if text.markdown { "markdown" } else { "text" };
    let mut object = Map::from_iter([(name.to_owned(), Value::from(text.text.as_str()))]);
    if !text.files.is_empty() {
        object.insert("files".to_owned(), json!(text.files));
    }
    Value::Object(object)
}

fn card_json(card: &Card) -> Value {
    let value = serde_json::from_str(&card.card).unwrap_or(Value::Null);
    json!({"type": "card", "card": value, "fallbackText": card.fallback_text})
}

fn question_json(q: &Question) -> Value {
    let option = |c: &Choice| json!({"label": c.label, "selectedLabel": c.selected_label, "value": c.value});
    let options: Vec<Value> = q.options.iter().map(option).collect();
    json!({"type": "ask_question", "questionId": q.question_id, "title": q.title, "question": q.question,
           "options": options})
}

fn read_chat(fields: &Fields<'_>) -> Result<Outgoing, FieldError> {
    match fields.text("operation", MAX_ACTION)? {
        None => read_text(fields).map(Outgoing::Text),
        Some("edit") => Ok(Outgoing::Edit(Edit {
            message_id: fields.need_text("messageId", MAX_ID_BYTES)?.to_owned(),
            text: fields.need_text("text", MAX_TEXT_BYTES)?.to_owned(),
        })),
        Some("reaction") => Ok(Outgoing::Reaction(Reaction {
            message_id: fields.need_text("messageId", MAX_ID_BYTES)?.to_owned(),
            emoji: fields.need_text("emoji", MAX_NAME)?.to_owned(),
        })),
        Some(_) => Err(fields.error("operation", "edit or reaction", "another word")),
    }
}

fn read_text(fields: &Fields<'_>) -> Result<TextOut, FieldError> {
    let plain = fields.text("text", MAX_TEXT_BYTES)?;
    let markdown = fields.text("markdown", MAX_TEXT_BYTES)?;
    let files = read_files(fields)?;
    let text = plain.filter(|t| !t.is_empty()).or(markdown).unwrap_or_default();
    if text.is_empty() && files.is_empty() {
        return Err(fields.error("text", "a text, or files", "neither"));
    }
    let is_markdown = plain.is_none_or(str::is_empty) && markdown.is_some();
    Ok(TextOut { text: text.to_owned(), markdown: is_markdown, files })
}

fn read_files(fields: &Fields<'_>) -> Result<Vec<String>, FieldError> {
    let names = fields.texts("files", MAX_FILES, MAX_NAME)?;
    if let Some(at) = names.iter().position(|name| !is_plain_name(name)) {
        return Err(fields.error(&format!("files[{at}]"), "a name without directories", "another"));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn read_chat_sdk(fields: &Fields<'_>) -> Result<Outgoing, FieldError> {
    match fields.need_text("type", MAX_ACTION)? {
        "ask_question" => read_question(fields).map(Outgoing::Question),
        "card" => read_card(fields).map(Outgoing::Card),
        _ => Err(fields.error("type", "ask_question or card", "another word")),
    }
}

fn read_question(fields: &Fields<'_>) -> Result<Question, FieldError> {
    let options = fields.list("options", MAX_OPTIONS)?.into_iter().map(|(path, value)| read_choice(value, path));
    let question = Question {
        question_id: fields.need_text("questionId", MAX_ID_BYTES)?.to_owned(),
        title: fields.text("title", MAX_LABEL)?.unwrap_or_default().to_owned(),
        question: fields.need_text("question", MAX_TEXT_BYTES)?.to_owned(),
        options: options.collect::<Result<_, _>>()?,
    };
    if question.options.is_empty() {
        return Err(fields.error("options", "at least one option", "none"));
    }
    Ok(question)
}

fn read_choice(value: &Value, path: String) -> Result<Choice, FieldError> {
    if let Value::String(label) = value
        && (1..=MAX_LABEL).contains(&label.len())
    {
        return Ok(Choice { label: label.clone(), selected_label: label.clone(), value: label.clone() });
    }
    let fields = Fields::of(value, path)?;
    let label = fields.need_text("label", MAX_LABEL)?;
    let or_label = |name| fields.text(name, MAX_LABEL).map(|text| text.unwrap_or(label).to_owned());
    Ok(Choice { label: label.to_owned(), selected_label: or_label("selectedLabel")?, value: or_label("value")? })
}

fn read_card(fields: &Fields<'_>) -> Result<Card, FieldError> {
    let Some(card @ Value::Object(_)) = fields.value("card") else {
        return Err(fields.error("card", "an object", "something else"));
    };
    let fallback_text = fields.text("fallbackText", MAX_TEXT_BYTES)?.unwrap_or_default().to_owned();
    Ok(Card { card: card.to_string(), fallback_text })
}

fn read_request(fields: &Fields<'_>, content: &str) -> Result<Outgoing, FieldError> {
    let action = fields.need_text("action", MAX_ACTION)?;
    if !action.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return Err(fields.error("action", "a name of a-z, 0-9 and '_'", "another"));
    }
    let request_id = fields.text("requestId", MAX_ID_BYTES)?.map(str::to_owned);
    Ok(Outgoing::Request(Request { action: action.to_owned(), request_id, content: content.to_owned() }))
}
