//! What a table of the protocol has to be before anything is read from it.

use rusqlite::{Connection, OptionalExtension, Row};

use super::fields::Fields;
use super::scan::{Scan, ScanError};
use super::{RowError, Snapshot, SnapshotError};
use crate::json::FieldError;

/// Names by which SQLite finds a row by its place, unless a column has that name.
const ROWID: [&str; 3] = ["_rowid_", "rowid", "oid"];

/// A table of the protocol.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// The column that a row goes by.
    pub(super) key: &'static str,
    /// The column of numbers in whose order rows are handed out.
    pub(super) order: &'static str,
    /// The columns that are read, in order.
    pub(super) columns: &'static [&'static str],
    /// How many rows may be new at one look.
    pub(super) most_new: usize,
}

/// New rows of a table, each for itself.
#[derive(Debug)]
pub struct Rows<T> {
    /// The rows, in the table's order, with those that were refused among them.
    pub rows: Vec<Result<T, RowError>>,
    /// Whether a limit cut them: the next look, which must not be skipped, hands out the others.
    pub more: bool,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), more: false }
    }
}

impl Snapshot {
    /// Hands out the rows of `table` whose key `known` does not know, up to the limits.
    ///
    /// What cannot be read behind rows that could is left for the next look, when these are known, so that none of them is lost.
    pub(super) fn take<T>(
        &self,
        table: &'static Table,
        known: impl FnMut(&str) -> bool,
        read: impl Fn(&Fields<'_>) -> Result<T, FieldError>,
    ) -> Result<Rows<T>, SnapshotError> {
        let failed = SnapshotError::sqlite(self.limits.time);
        self.allowance.renew();
        if !is_plain(&self.conn, table, &failed)? {
            return Ok(Rows::default());
        }
        let scan = Scan { conn: &self.conn, allowance: &self.allowance, limits: &self.limits, table };
        let mut taken = Rows::default();
        match scan.run(known, read, &mut taken) {
            Err(ScanError::TooManyRows) => Err(SnapshotError::TooManyRows { table: table.name, most: table.most_new }),
            Err(ScanError::Sqlite(error)) if taken.rows.is_empty() => Err(failed(error)),
            Err(ScanError::Sqlite(_)) => Ok(Rows { more: true, ..taken }),
            Ok(()) => Ok(taken),
        }
    }
}

/// Whether the table is there. Anything else of its name, or a column that is computed, is an error: to read it would run
/// what the agent wrote.
fn is_plain(
    conn: &Connection,
    table: &Table,
    failed: &impl Fn(rusqlite::Error) -> SnapshotError,
) -> Result<bool, SnapshotError> {
    let problem = |problem: String| SnapshotError::Table { table: table.name, problem };
    let sql = "SELECT type = 'table' AND rootpage > 0 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
    let plain: Option<bool> = conn.query_row(sql, [table.name], |row| row.get(0)).optional().map_err(failed)?;
    match plain {
        None => return Ok(false),
        Some(false) => return Err(problem("is no plain table".to_owned())),
        Some(true) => {}
    }
    let columns = columns(conn, table).map_err(failed)?;
    if let Some((name, _)) = columns.iter().find(|(_, hidden)| *hidden != 0) {
        return Err(problem(format!("has the hidden or generated column {name:?}")));
    }
    if let Some((name, _)) = columns.iter().find(|(name, _)| ROWID.iter().any(|taken| name.eq_ignore_ascii_case(taken)))
    {
        return Err(problem(format!("has a column {name:?}, a name that SQLite needs")));
    }
    match table.columns.iter().find(|wanted| !columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))) {
        Some(missing) => Err(problem(format!("has no column {missing:?}"))),
        None => Ok(true),
    }
}

/// The columns' names, cut, with SQLite's number for what is hidden about them.
fn columns(conn: &Connection, table: &Table) -> rusqlite::Result<Vec<(String, i64)>> {
    let mut query = conn.prepare(&format!("PRAGMA main.table_xinfo({})", table.name))?;
    let column = |row: &Row<'_>| {
        let name = String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?).chars().take(64).collect();
        Ok((name, row.get(6)?))
    };
    query.query_map([], column)?.collect()
}
