//! What is to be done for a delivery on a platform, and what to do where the platform cannot.

use nc_model::DeliveryKind;
use serde::Deserialize;

use crate::{Capabilities, cut};

/// One thing to do on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a text.
    Text {
        /// Markdown.
        text: String,
    },
    /// Send files, perhaps with a text.
    Files {
        /// Markdown, perhaps empty.
        text: String,
        /// Their names below `media/out/<delivery id>/`.
        names: Vec<String>,
    },
    /// Change a text that was sent.
    Edit {
        /// What the agent calls the message: the platform's id, or a mailbox row's.
        message_id: String,
        /// The new text.
        text: String,
    },
    /// React to a message.
    React {
        /// What the agent calls the message.
        message_id: String,
        /// A character, or a short name.
        emoji: String,
    },
    /// Show a card.
    Card {
        /// The card as the agent wrote it.
        card: serde_json::Value,
    },
    /// Ask with buttons.
    Ask {
        /// The question's id, which comes back with the answer.
        question_id: String,
        /// The heading.
        title: String,
        /// The question.
        question: String,
        /// The labels of the options, in order.
        options: Vec<String>,
    },
    /// Show that the agent works.
    Typing,
}

/// A delivery whose content makes no sense: it never will be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is no JSON object, or a field has the wrong type.
    #[error("the content of the {kind} cannot be read: {reason}")]
    Unreadable {
        /// What it should be.
        kind: DeliveryKind,
        /// Where it is wrong.
        reason: String,
    },
    /// Something that it needs is not there.
    #[error("the content of the {kind} has no {field:?}")]
    Lacks {
        /// What it should be.
        kind: DeliveryKind,
        /// What is not there.
        field: &'static str,
    },
}

/// Every field that any kind of content may have, as on the wire.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Content {
    text: Option<String>,
    markdown: Option<String>,
    files: Vec<String>,
    message_id: Option<String>,
    emoji: Option<String>,
    question_id: Option<String>,
    title: Option<String>,
    question: Option<String>,
    options: Vec<AnOption>,
    card: Option<serde_json::Value>,
    fallback_text: Option<String>,
}

/// An option of a question: its label alone, or an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnOption {
    Label(String),
    Full { label: String },
}

/// What to do for a delivery, part by part. Empty where there is nothing to do on this platform, such as typing on one
/// that cannot show it.
///
/// # Errors
/// [`ContentError`] where the content is not what its kind needs: it never will be.
pub fn plan(kind: DeliveryKind, content: &str, can: Capabilities) -> Result<Vec<Action>, ContentError> {
    let unreadable = |e: serde_json::Error| ContentError::Unreadable { kind, reason: e.to_string() };
    let content: Content = serde_json::from_str(content).map_err(unreadable)?;
    Desired { kind, content }.actions(can)
}

struct Desired {
    kind: DeliveryKind,
    content: Content,
}

impl Desired {
    fn actions(self, can: Capabilities) -> Result<Vec<Action>, ContentError> {
        let lacks = |field| ContentError::Lacks { kind: self.kind, field };
        let content = self.content;
        let text = content.text.or(content.markdown);
        Ok(match self.kind {
            DeliveryKind::Text if content.files.is_empty() => texts(&text.ok_or_else(|| lacks("text"))?, can),
            DeliveryKind::Text | DeliveryKind::File => files(text.unwrap_or_default(), content.files, can),
            DeliveryKind::Edit => {
                let text = text.ok_or_else(|| lacks("text"))?;
                let message_id = content.message_id.ok_or_else(|| lacks("messageId"))?;
                if can.edits {
                    vec![Action::Edit { message_id, text }]
                } else {
                    texts(&format!("(changed) {text}"), can)
                }
            }
            DeliveryKind::Reaction => {
                let emoji = content.emoji.ok_or_else(|| lacks("emoji"))?;
                let message_id = content.message_id.ok_or_else(|| lacks("messageId"))?;
                if can.reactions { vec![Action::React { message_id, emoji }] } else { texts(&spoken(&emoji), can) }
            }
            DeliveryKind::Card if can.cards && content.card.is_some() => {
                vec![Action::Card { card: content.card.unwrap_or_default() }]
            }
            DeliveryKind::Card => texts(
                &content
                    .fallback_text
                    .or(text)
                    .or_else(|| card_text(content.card.as_ref()))
                    .ok_or_else(|| lacks("fallbackText"))?,
                can,
            ),
            DeliveryKind::Question => {
                let question = content.question.ok_or_else(|| lacks("question"))?;
                let question_id = content.question_id.ok_or_else(|| lacks("questionId"))?;
                let title = content.title.unwrap_or_default();
                let options: Vec<String> = content.options.into_iter().map(AnOption::label).collect();
                if can.buttons {
                    vec![Action::Ask { question_id, title, question, options }]
                } else {
                    texts(&asked(&title, &question, &options), can)
                }
            }
            DeliveryKind::Typing if can.typing => vec![Action::Typing],
            DeliveryKind::Typing => Vec::new(),
        })
    }
}

impl AnOption {
    fn label(self) -> String {
        match self {
            Self::Label(label) | Self::Full { label } => label,
        }
    }
}

fn texts(text: &str, can: Capabilities) -> Vec<Action> {
    cut(text, can.longest_text).into_iter().map(|part| Action::Text { text: part.to_owned() }).collect()
}

fn files(text: String, names: Vec<String>, can: Capabilities) -> Vec<Action> {
    if can.files {
        return vec![Action::Files { text, names }];
    }
    let shown = names.iter().map(|name| format!("[file {name:?}: this channel shows no files]"));
    let lines: Vec<String> = Some(text).filter(|t| !t.is_empty()).into_iter().chain(shown).collect();
    texts(&lines.join("\n"), can)
}

/// A reaction in words; a short name between colons, as people write it.
fn spoken(emoji: &str) -> String {
    let is_name = !emoji.is_empty() && emoji.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c));
    if is_name { format!(":{emoji}:") } else { emoji.to_owned() }
}

fn asked(title: &str, question: &str, options: &[String]) -> String {
    let title = Some(title).filter(|t| !t.is_empty()).map(str::to_owned);
    let options = options.iter().enumerate().map(|(i, label)| format!("{}. {label}", i + 1));
    title.into_iter().chain([question.to_owned()]).chain(options).collect::<Vec<_>>().join("\n")
}

/// Title and description of a card, where it has them.
fn card_text(card: Option<&serde_json::Value>) -> Option<String> {
    let lines: Vec<&str> = ["title", "description"].iter().filter_map(|field| card?.get(field)?.as_str()).collect();
    Some(lines.join("\n")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Capabilities = Capabilities {
        edits: true,
        reactions: true,
        files: true,
        cards: true,
        buttons: true,
        typing: true,
        longest_text: 10,
    };

    fn text_only(kind: DeliveryKind, content: &str) -> String {
        let actions = plan(kind, content, Capabilities::TEXT_ONLY).unwrap();
        let [Action::Text { text }] = actions.as_slice() else { panic!("{actions:?}") };
        text.clone()
    }

    #[test]
    fn what_a_platform_cannot_do_is_said_in_words() {
        use DeliveryKind::{Card, Edit, File, Question, Reaction, Text};
        let cases = [
            (Text, r#"{"text":"hi","more":1}"#, "hi"),
            (Text, r#"{"markdown":"*hi*"}"#, "*hi*"),
            (Text, r#"{"text":"see","files":["a.pdf"]}"#, "see\n[file \"a.pdf\": this channel shows no files]"),
            (
                File,
                r#"{"files":["a","b"]}"#,
                "[file \"a\": this channel shows no files]\n[file \"b\": this channel shows no files]",
            ),
            (Edit, r#"{"messageId":"4","text":"new"}"#, "(changed) new"),
            (Reaction, r#"{"messageId":"4","emoji":"thumbs_up"}"#, ":thumbs_up:"),
            (Reaction, r#"{"messageId":"4","emoji":"👍"}"#, "👍"),
            (Card, r#"{"card":{"title":"T","description":"D"}}"#, "T\nD"),
            (Card, r#"{"card":{},"fallbackText":"F"}"#, "F"),
            (
                Question,
                r#"{"questionId":"q","title":"T","question":"Q?","options":["a",{"label":"b","value":1}]}"#,
                "T\nQ?\n1. a\n2. b",
            ),
        ];
        for (kind, content, expected) in cases {
            assert_eq!(text_only(kind, content), expected, "{kind} {content}");
        }
        assert_eq!(plan(DeliveryKind::Typing, "{}", Capabilities::TEXT_ONLY), Ok(Vec::new()));
    }

    #[test]
    fn what_a_platform_can_do_is_done() {
        let long = plan(DeliveryKind::Text, r#"{"text":"one two three"}"#, EVERYTHING).unwrap();
        assert_eq!(long.len(), 2);
        let edit = plan(DeliveryKind::Edit, r#"{"messageId":"4","text":"new"}"#, EVERYTHING).unwrap();
        assert_eq!(edit, [Action::Edit { message_id: "4".into(), text: "new".into() }]);
        let react = plan(DeliveryKind::Reaction, r#"{"messageId":"4","emoji":"x"}"#, EVERYTHING).unwrap();
        assert_eq!(react, [Action::React { message_id: "4".into(), emoji: "x".into() }]);
        assert_eq!(plan(DeliveryKind::Typing, "{}", EVERYTHING).unwrap(), [Action::Typing]);
    }

    #[test]
    fn content_that_makes_no_sense_is_refused_by_its_field() {
        let cases = [
            (DeliveryKind::Text, "{}", "the content of the text has no \"text\""),
            (DeliveryKind::Text, "5", "the content of the text cannot be read: "),
            (DeliveryKind::Text, r#"{"text":5}"#, "invalid type: integer `5`"),
            (DeliveryKind::Edit, r#"{"text":"x"}"#, "has no \"messageId\""),
            (DeliveryKind::Reaction, r#"{"messageId":"4"}"#, "has no \"emoji\""),
            (DeliveryKind::Card, r#"{"card":{}}"#, "has no \"fallbackText\""),
            (DeliveryKind::Question, "{}", "has no \"question\""),
        ];
        for (kind, content, reason) in cases {
            let error = plan(kind, content, EVERYTHING.with_text_cards()).unwrap_err().to_string();
            assert!(error.contains(reason), "{kind} {content}: {error}");
        }
    }

    impl Capabilities {
        fn with_text_cards(self) -> Self {
            Self { cards: false, ..self }
        }
    }
}
