//! The schema's versions, in order. `user_version` says which one a file has.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use crate::trouble::Trouble;
use crate::{StoreError, Verdict};

/// Each step is tried as it stands: a released one is never changed, only followed.
const STEPS: &[M<'static>] = &[M::up(include_str!("schema/0001.sql")), M::up(include_str!("schema/0002.sql"))];

/// The newest schema that this program knows.
pub(crate) const KNOWN: i64 = STEPS.len().cast_signed() as i64;

/// Brings the schema up to date; a newer one and a stranger's database are refused before anything is written.
///
/// Programs that do so at once are no trouble: each step is one transaction, and who comes second finds it done.
pub(crate) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    conn.set_transaction_behavior(TransactionBehavior::Immediate);
    let mut found = accepted_version(conn, path)?;
    while found < KNOWN {
        let done = Migrations::from_slice(STEPS).to_latest(conn);
        let before = std::mem::replace(&mut found, accepted_version(conn, path)?);
        match done {
            Err(error) if found == before => return Err(refusal(error, found, path)),
            _ => {}
        }
    }
    Ok(())
}

/// A step fails like any other write where the disk is full or others are in the way, else by its own fault.
fn refusal(error: rusqlite_migration::Error, found: i64, path: &Path) -> StoreError {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } if Trouble::of(&err).verdict() == Verdict::Keep => {
            err.into()
        }
        other => StoreError::Migration { path: path.to_owned(), found, known: KNOWN, source: Box::new(other) },
    }
}

/// The file's version, where it is one that this program can bring up to date.
pub(crate) fn accepted_version(conn: &Connection, path: &Path) -> Result<i64, StoreError> {
    // One snapshot: another program may be making the tables right now.
    let snapshot = Transaction::new_unchecked(conn, TransactionBehavior::Deferred)?;
    let found: i64 = snapshot.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > KNOWN {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: KNOWN });
    }
    if let Some(table) = foreign_table(&snapshot, found)? {
        return Err(StoreError::Foreign { path: path.to_owned(), table });
    }
    Ok(found)
}

/// A table of a database that is not ours: one without our version that has tables, or one without our tables.
fn foreign_table(conn: &Connection, version: i64) -> Result<Option<String>, StoreError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND (?1 = 0 OR NOT EXISTS
                   (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'messaging_groups'))
                ORDER BY name LIMIT 1";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([version])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_valid() {
        Migrations::from_slice(STEPS).validate().unwrap();
        assert_eq!(KNOWN, 2);
    }
}
