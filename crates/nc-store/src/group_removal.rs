//! Removing a group: what must be over before, and what goes with it.

use nc_model::GroupId;
use rusqlite::{Connection, params};

use crate::groups::{Group, group_by_id};
use crate::{Store, StoreError, now};

/// What may be open for a group, each with the number of such rows.
const OPEN: &[(&str, &str)] = &[
    (
        "runs live or not yet collected",
        "SELECT count(*) FROM runs r JOIN sessions s ON s.id = r.session_id
          WHERE s.agent_group_id = ?1 AND r.collected_at IS NULL",
    ),
    (
        "messages not answered",
        "SELECT count(*) FROM routings r JOIN sessions s ON s.id = r.session_id
          WHERE s.agent_group_id = ?1 AND r.decision = 'work' AND r.outcome IS NULL",
    ),
    (
        "messages waiting for an approval",
        "SELECT count(*) FROM routings WHERE decision = 'held' AND outcome IS NULL AND agent_group_id = ?1",
    ),
    (
        "tasks, prompts or answers not done",
        "SELECT count(*) FROM session_inbox i JOIN sessions s ON s.id = i.session_id
          WHERE s.agent_group_id = ?1 AND i.trigger = 1 AND i.ended_at IS NULL",
    ),
];

/// What is moved on when a group goes (?2 is the time): nothing of it waits for ever. Sessions, runs, routings and
/// deliveries stay as history.
const MOVED_ON: &[&str] = &[
    "UPDATE pending_approvals SET status = 'expired', decided_at = ?2 WHERE agent_group_id = ?1 AND status = 'pending'",
    "UPDATE routings SET placed_at = ?2 WHERE placed_at IS NULL AND decision = 'context'
        AND session_id IN (SELECT id FROM sessions WHERE agent_group_id = ?1)",
    "UPDATE session_inbox SET placed_at = ?2 WHERE placed_at IS NULL
        AND session_id IN (SELECT id FROM sessions WHERE agent_group_id = ?1)",
];

/// What goes with a group; wirings, its own destinations, roles and memberships follow by their foreign keys.
const GONE: &[&str] = &[
    "UPDATE scheduled_tasks SET status = 'cancelled', next_run_at = NULL, retry_at = NULL
      WHERE agent_group_id = ?1 AND status IN ('active', 'paused')",
    "UPDATE sessions SET status = 'closed' WHERE agent_group_id = ?1 AND status <> 'closed'",
    "DELETE FROM destinations WHERE target_kind = 'agent' AND target_id = ?1",
    "DELETE FROM agent_groups WHERE id = ?1",
];

impl Store {
    /// Removes a group, closes its sessions and cancels its tasks; what it did stays in the ledger. Returns what it was.
    ///
    /// Its folder and session directories are the caller's to keep or remove.
    ///
    /// # Errors
    /// [`StoreError::GroupBusy`] where it has a run or work that is not done, [`StoreError::NoSuch`].
    pub fn remove_group(&mut self, id: GroupId) -> Result<Group, StoreError> {
        let at = now();
        self.write("remove_group", |tx| {
            let group = group_by_id(tx, id)?;
            if let Some(open) = open_work(tx, id)? {
                return Err(StoreError::GroupBusy { folder: group.folder, open });
            }
            for sql in MOVED_ON {
                tx.prepare_cached(sql)?.execute(params![id.0, at.0])?;
            }
            for sql in GONE {
                tx.prepare_cached(sql)?.execute([id.0])?;
            }
            Ok(group)
        })
    }
}

/// What is open for the group, in words.
fn open_work(tx: &Connection, id: GroupId) -> Result<Option<String>, StoreError> {
    let mut open = Vec::new();
    for (what, sql) in OPEN {
        let count: i64 = tx.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?;
        if count > 0 {
            open.push(format!("{what}: {count}"));
        }
    }
    Ok((!open.is_empty()).then(|| open.join(", ")))
}
