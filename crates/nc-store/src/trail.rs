//! Which message something is about, for whoever writes down its way: `NANOCLAW_MESSAGE` of the journal.
//!
//! An agent names messages by the ids of the rows of its mailbox, `<seq>:<group>`. What it names is only believed where
//! the message was put into that very session.

use nc_model::{RoutingOutcome, Seq};

use crate::{Store, StoreError};

/// A message that has ended for one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedMessage {
    /// The message.
    pub seq: Seq,
    /// How.
    pub outcome: RoutingOutcome,
    /// What was sent: the answer, or the words that say that there is none.
    pub delivery: Option<String>,
}

/// How many messages one answer ends at most: as many as an agent takes at once.
const AT_ONCE: u32 = 100;

/// How far before the message that a delivery replies to others may lie that it answers, too, in messages of the store. A
/// guess: a batch of one session among those of others.
const REACH: i64 = 1000;

const GIVEN: &str =
    "SELECT EXISTS (SELECT 1 FROM routings WHERE session_id = ?1 AND message_seq = ?2 AND agent_group_id = ?3)";
const ANSWERED_WITH: &str = "SELECT message_seq FROM routings WHERE session_id = ?1 AND message_seq BETWEEN ?2 AND ?3 \
                             AND answer_delivery_id = ?4 ORDER BY message_seq LIMIT ?5";

const WAITING: &str = "SELECT r.message_seq, c.channel FROM routings r JOIN messages m ON m.seq = r.message_seq \
                       JOIN messaging_groups c ON c.id = m.messaging_group_id \
                       WHERE r.session_id = ?1 AND r.decision = 'work' AND r.outcome IS NULL \
                       ORDER BY r.message_seq LIMIT ?2";

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("trail: whether a session was given a message", GIVEN),
    ("trail: messages of an answer", ANSWERED_WITH),
    ("trail: messages that wait for a run", WAITING),
];

impl Store {
    /// The message that the mailbox's row `row` is, where `session` was given it; none for any other text.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn message_of_row(&self, session: &str, row: &str) -> Result<Option<Seq>, StoreError> {
        let Some((seq, group)) = numbers(row) else { return Ok(None) };
        let given: bool = self.conn().prepare_cached(GIVEN)?.query_row((session, seq, group), |row| row.get(0))?;
        Ok(given.then_some(Seq(seq)))
    }

    /// The first `limit` messages that an agent of `session` is to answer, and the channels that they came by.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn waiting_messages(&self, session: &str, limit: u32) -> Result<Vec<(Seq, String)>, StoreError> {
        let mut query = self.conn().prepare_cached(WAITING)?;
        let found = query.query_map((session, limit), |row| Ok((Seq(row.get(0)?), row.get(1)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// The messages that a delivery is about: the one that it replies to, and those that ended with it. `source` is the
    /// name of the delivery where no session sends it.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn messages_of_delivery(
        &self,
        delivery: &str,
        session: Option<&str>,
        reply: Option<&str>,
        source: &str,
    ) -> Result<Vec<Seq>, StoreError> {
        let Some(session) = session else { return Ok(message_of_command(source).into_iter().collect()) };
        let Some(newest) = reply.map(|row| self.message_of_row(session, row)).transpose()?.flatten() else {
            return Ok(Vec::new());
        };
        let mut query = self.conn().prepare_cached(ANSWERED_WITH)?;
        let reach = (session, newest.0.saturating_sub(REACH), newest.0, delivery, AT_ONCE);
        let mut found: Vec<Seq> = query.query_map(reach, |row| row.get(0).map(Seq))?.collect::<Result<_, _>>()?;
        if !found.contains(&newest) {
            found.push(newest);
        }
        Ok(found)
    }
}

/// The message that the router itself answered.
fn message_of_command(source: &str) -> Option<Seq> {
    numbers(source.strip_prefix("command:")?).map(|(seq, _)| Seq(seq))
}

/// Two numbers as this program writes them, and nothing that only reads like them.
fn numbers(row: &str) -> Option<(i64, i64)> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    let (seq, group) = row.split_once(':')?;
    Some((number(seq)?, number(group)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_numbers_as_they_are_written_here_name_a_message() {
        assert_eq!(numbers("12:3"), Some((12, 3)));
        for row in ["", "12", "12:", ":3", "012:3", "+12:3", "12:3:4", "12:3\n", " 12:3", "99999999999999999999:1"] {
            assert_eq!(numbers(row), None, "{row:?}");
        }
        assert_eq!(message_of_command("command:7:1"), Some(Seq(7)));
        assert_eq!(message_of_command("notice:7:1"), None);
    }
}
