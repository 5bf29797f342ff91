//! Sessions whose agent's file cannot be read.

use nc_model::ChatId;
use rusqlite::{OptionalExtension, params};

use super::refusals::notice;
use crate::notices::{NewNotice, say};
use crate::{Store, StoreError, new_id, now};

const ASIDE: &str = "UPDATE sessions SET status = 'set_aside' WHERE id = ?1 AND status = 'active'";
const RENEW: &str = "UPDATE sessions SET status = 'active' WHERE id = ?1 AND status = 'set_aside'";
const CHAT: &str = "SELECT messaging_group_id FROM sessions WHERE id = ?1";
const TELL: &str = "INSERT OR IGNORE INTO session_inbox (id, session_id, kind, content, trigger, source, created_at) \
                    VALUES (?1, ?2, 'notice', ?3, 0, ?4, ?5)";

impl Store {
    /// Sets a session aside whose `outbound.db` cannot be read for the reason `why`, and tells the person and the agent, in one
    /// transaction; false where it is not active, which changes nothing. Ring the router afterwards.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn set_session_aside(&mut self, session: &str, run: &str, why: &str) -> Result<bool, StoreError> {
        self.write("set_session_aside", |tx| {
            if tx.prepare_cached(ASIDE)?.execute([session])? == 0 {
                return Ok(false);
            }
            let chat: Option<i64> =
                tx.prepare_cached(CHAT)?.query_row([session], |row| row.get(0)).optional()?.flatten();
            let person = "What I was about to say could not be read and is lost. I begin again with a new mailbox.";
            let notice_to_person = NewNotice {
                chat: chat.map(ChatId),
                unit: "nc-ipcd".to_owned(),
                text: person.to_owned(),
                cause: format!("outbound.db of session {session}"),
            };
            say(tx, &notice_to_person)?;
            let agent = notice(&format!(
                "Your outbound.db could not be read ({why}). It was set aside; what you wrote there last was not sent."
            ));
            tx.prepare_cached(TELL)?.execute(params![new_id(), session, agent, format!("aside:{run}"), now().0])?;
            Ok(true)
        })
    }

    /// Says that a session which was set aside has a file that can be read again; false where it was not set aside.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be written.
    pub fn renew_session(&mut self, session: &str) -> Result<bool, StoreError> {
        self.write("renew_session", |tx| Ok(tx.prepare_cached(RENEW)?.execute([session])? > 0))
    }
}
