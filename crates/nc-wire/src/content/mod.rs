//! What the `content` of a row says, by its kind.

mod incoming;
mod outgoing;

pub use incoming::{
    Attachment, Author, ChatIn, ChatSdkIn, CliResponse, Incoming, QuestionResponse, ReplyTo, TaskIn, WebhookIn,
};
pub use outgoing::{Card, Choice, Edit, Outgoing, Question, Reaction, Request, TextOut};
