//! What `nc-agent` is told at its start: one JSON object on standard input, then end of file.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// The longest object, in bytes. Credentials are short; this is a bound, not a need.
pub const MAX_START_BYTES: u64 = 1024 * 1024;

/// The object on standard input of `nc-agent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartObject {
    /// The run.
    pub run: String,
    /// The session.
    pub session: String,
    /// Who answers: `echo`, or another provider.
    pub provider: String,
    /// The model, where the provider has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the provider needs to prove itself. It exists here and nowhere else.
    #[serde(default)]
    pub credentials: Credentials,
    /// How long the run may take.
    #[serde(default)]
    pub limits: StartLimits,
    /// The user's zone by its IANA name.
    pub timezone: String,
    /// The assistant's name.
    pub assistant_name: String,
    /// The group's name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// Whether the group is the main one.
    #[serde(default)]
    pub is_main: bool,
}

/// Limits that the agent keeps by itself; the runner keeps them too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartLimits {
    /// How long it stays with nothing to do, in milliseconds; 0 is the agent's own default.
    pub idle_timeout_ms: u64,
    /// How long a turn may take, in milliseconds; 0 is no limit but the runner's.
    pub run_timeout_ms: u64,
}

/// Credentials by name. They are never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(pub BTreeMap<String, String>);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why the object could not be read. It says nothing of what stood in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Standard input could not be read.
    #[error("read the start object from standard input")]
    Read(#[source] io::Error),
    /// It is longer than [`MAX_START_BYTES`].
    #[error("the start object has more than {MAX_START_BYTES} bytes")]
    TooLong,
    /// It is empty, no JSON, or a field is missing or wrong.
    #[error("the start object is not right at line {line}, column {column} ({class})")]
    NotRight {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What kind of error, without the text.
        class: &'static str,
    },
}

impl StartObject {
    /// Reads to the end of `input` and takes the object.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn read(input: impl Read) -> Result<Self, StartError> {
        let mut bytes = Vec::new();
        input.take(MAX_START_BYTES + 1).read_to_end(&mut bytes).map_err(StartError::Read)?;
        if bytes.len() as u64 > MAX_START_BYTES {
            return Err(StartError::TooLong);
        }
        serde_json::from_slice(&bytes).map_err(|e| not_right(&e))
    }

    /// The object as it is written: one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// What serde says of a wrong value may quote it, and it may be a credential: only the place is told.
fn not_right(error: &serde_json::Error) -> StartError {
    let class = match error.classify() {
        serde_json::error::Category::Io => "input",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "a field is missing or of the wrong type",
        serde_json::error::Category::Eof => "it ends too early",
    };
    StartError::NotRight { line: error.line(), column: error.column(), class }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> StartObject {
        StartObject {
            run: "r".into(),
            session: "s".into(),
            provider: "echo".into(),
            model: None,
            credentials: Credentials(BTreeMap::from([("ANTHROPIC_API_KEY".into(), "hunter2".into())])),
            limits: StartLimits { idle_timeout_ms: 1800, run_timeout_ms: 0 },
            timezone: "Europe/Paris".into(),
            assistant_name: "Andy".into(),
            group_name: None,
            is_main: true,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = object().to_json();
        assert!(written.starts_with(r#"{"run":"r","session":"s","provider":"echo","credentials":{"#), "{written}");
        assert!(written.contains(r#""idleTimeoutMs":1800"#) && written.contains(r#""assistantName":"Andy""#));
        assert_eq!(StartObject::read(written.as_bytes()).unwrap(), object());
    }

    #[test]
    fn no_credential_is_printed() {
        let object = object();
        assert!(!format!("{object:?}").contains("hunter2") && format!("{object:?}").contains("ANTHROPIC_API_KEY"));
        let wrong = r#"{"run":"r","session":"s","provider":"echo","timezone":"UTC","limits":"hunter2"}"#;
        let error = StartObject::read(wrong.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_wrong_or_endless_object_is_refused() {
        assert!(matches!(StartObject::read(&b""[..]), Err(StartError::NotRight { .. })));
        assert!(matches!(StartObject::read(&b"{}"[..]), Err(StartError::NotRight { .. })));
        assert!(matches!(StartObject::read(io::repeat(b' ')), Err(StartError::TooLong)));
    }
}
