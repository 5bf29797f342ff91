//! Reading JSON that a stranger wrote: bounded in size and depth, and every error names the field.
//!
//! Unknown fields are ignored. A field that is missing and one that is `null` are the same.

use std::borrow::Cow;

use nc_model::limits::{JSON_DEPTH, MAX_ROW_BYTES};
use serde_json::{Map, Value};

/// A field that is not what it has to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {want}, found {found}")]
pub struct FieldError {
    /// Where it is, as `content.options[2].label`.
    pub field: String,
    /// What it has to be.
    pub want: Cow<'static, str>,
    /// What it is: a kind or a size, never the value.
    pub found: String,
}

impl FieldError {
    /// Says that `field` has to be `want` and is `found`.
    pub fn new(field: impl Into<String>, want: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        Self { field: field.into(), want: want.into(), found: found.into() }
    }
}

/// Reads `text`, of at most [`MAX_ROW_BYTES`] and [`JSON_DEPTH`], whose name in errors is `field`.
///
/// # Errors
/// [`FieldError`] where it is larger, deeper or no JSON. Nothing is built of a text that is refused for its size or depth.
pub fn parse(text: &str, field: &str) -> Result<Value, FieldError> {
    let size = text.len();
    if size as u64 > MAX_ROW_BYTES {
        return Err(FieldError::new(field, format!("at most {MAX_ROW_BYTES} bytes"), format!("{size}")));
    }
    if deeper_than(text, JSON_DEPTH) {
        return Err(FieldError::new(field, format!("JSON at most {JSON_DEPTH} deep"), "a deeper one"));
    }
    serde_json::from_str(text).map_err(|e| FieldError::new(field, "JSON", e.to_string()))
}

/// Whether arrays and objects lie deeper than `most` in `text`. Exact for JSON; for other texts only bounded.
fn deeper_than(text: &str, most: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// The kind of a value in words.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The fields of one JSON object, read by name.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, whose name in errors is `path`.
    ///
    /// # Errors
    /// [`FieldError`] where it is no object.
    pub fn of(value: &'a Value, path: impl Into<String>) -> Result<Self, FieldError> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { path, map }),
            other => Err(FieldError::new(path, "an object", kind_of(other))),
        }
    }

    /// An error about the field `name` of this object.
    pub fn error(&self, name: &str, want: impl Into<Cow<'static, str>>, found: impl Into<String>) -> FieldError {
        FieldError::new(format!("{}.{name}", self.path), want, found)
    }

    /// The value of `name`, absent where it is missing or null.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|v| !v.is_null())
    }

    /// The text of `name`, of at most `most` bytes.
    ///
    /// # Errors
    /// [`FieldError`] where it is longer or no text.
    pub fn text(&self, name: &str, most: usize) -> Result<Option<&'a str>, FieldError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= most => Ok(Some(text)),
            Some(Value::String(text)) => Err(self.error(name, at_most(most), format!("one of {}", text.len()))),
            Some(other) => Err(self.error(name, at_most(most), kind_of(other))),
        }
    }

    /// The text of `name`, of 1 to `most` bytes.
    ///
    /// # Errors
    /// [`FieldError`] where it is missing, empty, longer or no text.
    pub fn need_text(&self, name: &str, most: usize) -> Result<&'a str, FieldError> {
        match self.text(name, most)? {
            Some("") => Err(self.error(name, at_most(most), "an empty one")),
            Some(text) => Ok(text),
            None => Err(self.error(name, at_most(most), "nothing")),
        }
    }

    /// The truth value of `name`.
    ///
    /// # Errors
    /// [`FieldError`] where it is something else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, FieldError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.error(name, "true or false", kind_of(other))),
        }
    }

    /// The whole number of `name`.
    ///
    /// # Errors
    /// [`FieldError`] where it is something else, or larger than 64 bits hold.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, FieldError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.error(name, "a whole number", kind_of(value))),
            },
        }
    }

    /// The list of `name`, of at most `most` items, each with its name for errors; empty where it is missing.
    ///
    /// # Errors
    /// [`FieldError`] where it is longer or no list.
    pub fn list(&self, name: &str, most: usize) -> Result<Vec<(String, &'a Value)>, FieldError> {
        let want = || format!("a list of at most {most}");
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= most => {
                let name = |i: usize| format!("{}.{name}[{i}]", self.path);
                Ok(items.iter().enumerate().map(|(i, item)| (name(i), item)).collect())
            }
            Some(Value::Array(items)) => Err(self.error(name, want(), format!("one of {}", items.len()))),
            Some(other) => Err(self.error(name, want(), kind_of(other))),
        }
    }

    /// The list of texts of `name`: at most `most` of them, each of 1 to `longest` bytes.
    ///
    /// # Errors
    /// [`FieldError`] where it is not.
    pub fn texts(&self, name: &str, most: usize, longest: usize) -> Result<Vec<&'a str>, FieldError> {
        let text = |(field, item): (String, &'a Value)| match item {
            Value::String(text) if !text.is_empty() && text.len() <= longest => Ok(text.as_str()),
            Value::String(text) => Err(FieldError::new(field, at_most(longest), format!("one of {}", text.len()))),
            other => Err(FieldError::new(field, at_most(longest), kind_of(other))),
        };
        self.list(name, most)?.into_iter().map(text).collect()
    }

    /// The object of `name`.
    ///
    /// # Errors
    /// [`FieldError`] where it is something else.
    pub fn object(&self, name: &str) -> Result<Option<Fields<'a>>, FieldError> {
        self.value(name).map(|value| Fields::of(value, format!("{}.{name}", self.path))).transpose()
    }
}

fn at_most(bytes: usize) -> String {
    format!("a text of at most {bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_what_is_open_and_not_what_is_quoted() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(JSON_DEPTH), "content").is_ok());
        let deep = parse(&nested(JSON_DEPTH + 1), "content").unwrap_err();
        assert_eq!(deep.to_string(), "content: expected JSON at most 32 deep, found a deeper one");
        assert!(parse(&format!("[{}1]", "[],".repeat(1000)), "content").is_ok());
        assert!(parse(&format!("\"{}\\\"[\"", "[{".repeat(1000)), "content").is_ok());
        assert!(parse(&"[".repeat(1_000_000), "content").is_err());
    }

    #[test]
    fn errors_name_the_field_and_never_the_value() {
        let value =
            parse(r#"{"a":3,"b":{"c":"secret"},"l":["x",1],"n":1.5,"big":99999999999999999999}"#, "content").unwrap();
        let fields = Fields::of(&value, "content").unwrap();
        let said = |e: FieldError| e.to_string();
        assert_eq!(
            said(fields.text("a", 9).unwrap_err()),
            "content.a: expected a text of at most 9 bytes, found a number"
        );
        let inner = fields.object("b").unwrap().unwrap();
        assert_eq!(
            said(inner.text("c", 5).unwrap_err()),
            "content.b.c: expected a text of at most 5 bytes, found one of 6"
        );
        assert_eq!(
            said(fields.texts("l", 5, 9).unwrap_err()),
            "content.l[1]: expected a text of at most 9 bytes, found a number"
        );
        assert_eq!(said(fields.list("l", 1).unwrap_err()), "content.l: expected a list of at most 1, found one of 2");
        assert!(fields.integer("n").is_err() && fields.integer("big").is_err() && fields.flag("a").is_err());
        assert!(fields.need_text("none", 9).is_err() && fields.object("a").is_err());
        assert_eq!(fields.integer("a"), Ok(Some(3)));
        assert_eq!(Fields::of(&Value::from(1), "x").unwrap_err().to_string(), "x: expected an object, found a number");
    }

    #[test]
    fn size_is_refused_before_anything_is_built() {
        let huge = format!("\"{}\"", "x".repeat(1024 * 1024));
        let said = parse(&huge, "content").unwrap_err().to_string();
        assert_eq!(said, "content: expected at most 1048576 bytes, found 1048578");
    }
}
