//! The fields of a row that may hold anything.

use nc_model::Timestamp;
use nc_model::limits::MAX_ID_BYTES;
use rusqlite::types::ValueRef;

use super::table::Table;
use crate::json::FieldError;

/// Whether a text can name a row in a log line and in the store.
pub(super) fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The fields of one row, none of them larger than a row may be.
pub(super) struct Fields<'r> {
    /// The table, whose columns the values are.
    pub(super) table: &'static Table,
    /// What stands in them.
    pub(super) values: Vec<ValueRef<'r>>,
}

impl Fields<'_> {
    fn value(&self, column: &str) -> ValueRef<'_> {
        let at = self.table.columns.iter().position(|name| *name == column);
        at.map_or(ValueRef::Null, |at| self.values[at])
    }

    /// The text of `column`, of at most `most` bytes; absent where it is NULL.
    pub(super) fn text(&self, column: &'static str, most: usize) -> Result<Option<&str>, FieldError> {
        let wrong = |found: String| FieldError::new(column, format!("a text of at most {most} bytes in UTF-8"), found);
        match self.value(column) {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) if bytes.len() > most => Err(wrong(format!("one of {}", bytes.len()))),
            ValueRef::Text(bytes) => {
                std::str::from_utf8(bytes).map(Some).map_err(|_not_utf8| wrong("other bytes".to_owned()))
            }
            other => Err(wrong(kind_of(other).to_owned())),
        }
    }

    /// The text of `column`, which must be there.
    pub(super) fn need_text(&self, column: &'static str, most: usize) -> Result<&str, FieldError> {
        let missing = || FieldError::new(column, format!("a text of at most {most} bytes in UTF-8"), "nothing");
        self.text(column, most)?.ok_or_else(missing)
    }

    /// The text of `column`, which must name something.
    pub(super) fn id(&self, column: &'static str) -> Result<String, FieldError> {
        let text = self.need_text(column, MAX_ID_BYTES)?;
        let wrong = || FieldError::new(column, "a text without control characters", "an empty one, or one with them");
        if is_id(text) { Ok(text.to_owned()) } else { Err(wrong()) }
    }

    /// The whole number of `column`; absent where it is NULL.
    pub(super) fn integer(&self, column: &'static str) -> Result<Option<i64>, FieldError> {
        match self.value(column) {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            other => Err(FieldError::new(column, "a whole number", kind_of(other))),
        }
    }

    /// The time of `column`; absent where it is NULL.
    pub(super) fn time(&self, column: &'static str) -> Result<Option<Timestamp>, FieldError> {
        const LONGEST: usize = 64;
        let wrong = |_| FieldError::new(column, "a time in RFC 3339, or YYYY-MM-DD HH:MM:SS in UTC", "another text");
        self.text(column, LONGEST)?.map(|text| Timestamp::parse(text).map_err(wrong)).transpose()
    }

    /// The time of `column`, which must be there.
    pub(super) fn need_time(&self, column: &'static str) -> Result<Timestamp, FieldError> {
        self.time(column)?.ok_or_else(|| FieldError::new(column, "a time", "nothing"))
    }
}

fn kind_of(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "nothing",
        ValueRef::Integer(_) => "a whole number",
        ValueRef::Real(_) => "a number with a point",
        ValueRef::Text(_) => "a text",
        ValueRef::Blob(_) => "bytes",
    }
}
