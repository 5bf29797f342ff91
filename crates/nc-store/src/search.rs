//! Finding messages by their words.

use nc_model::{GroupId, Seq};
use rusqlite::params;

use crate::messages::{Message, message_from_row};
use crate::{Store, StoreError};

const SEARCH: &str = "SELECT m.* FROM messages_text t JOIN messages m ON m.seq = t.rowid
    WHERE messages_text MATCH ?1 AND t.rowid < ?2 ORDER BY t.rowid DESC LIMIT ?3";
const SEARCH_GROUP: &str = "SELECT m.* FROM messages_text t JOIN messages m ON m.seq = t.rowid
    WHERE messages_text MATCH ?1 AND t.rowid < ?2
      AND EXISTS (SELECT 1 FROM wirings w WHERE w.messaging_group_id = m.messaging_group_id AND w.agent_group_id = ?4)
    ORDER BY t.rowid DESC LIMIT ?3";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] =
    &[("messages by words", SEARCH), ("messages by words for a group", SEARCH_GROUP)];

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search<'a> {
    /// Words that all stand in the text, in any case and order. The last one may be the beginning of a word where it
    /// ends in `*`; no other character has a meaning.
    pub words: &'a str,
    /// Only chats that this group listens to.
    pub group: Option<GroupId>,
    /// Only messages that arrived before this one.
    pub before: Option<Seq>,
    /// How many at most.
    pub limit: u32,
}

impl Store {
    /// The messages whose text has all the words, the newest first; none where there is no word.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn search(&self, search: &Search<'_>) -> Result<Vec<Message>, StoreError> {
        let Some(query) = full_text_query(search.words) else { return Ok(Vec::new()) };
        let before = search.before.map_or(i64::MAX, |seq| seq.0);
        let mut statement = self.conn().prepare_cached(if search.group.is_some() { SEARCH_GROUP } else { SEARCH })?;
        let rows = match search.group {
            Some(group) => statement.query_map(params![query, before, search.limit, group.0], message_from_row)?,
            None => statement.query_map(params![query, before, search.limit], message_from_row)?,
        };
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The words as FTS5 wants them: each quoted, so that nothing that a person or an agent writes is an operator.
fn full_text_query(words: &str) -> Option<String> {
    // FTS5 ends its query at a NUL.
    let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
    let quoted: Vec<String> = words
        .split(|c: char| c.is_whitespace() || c == '\0')
        .filter(is_word)
        .map(|word| match word.strip_suffix('*') {
            Some(start) => format!("\"{}\"*", start.replace('"', "\"\"")),
            None => format!("\"{}\"", word.replace('"', "\"\"")),
        })
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}
