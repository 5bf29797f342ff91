//! Reading the new rows of a table: which there are, how large each is, and then each for itself.

use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use nc_model::limits::MAX_ID_BYTES;
use rusqlite::{Connection, OptionalExtension, Row, Statement};

use super::database::Allowance;
use super::fields::{Fields, is_id};
use super::table::{Rows, Table};
use super::{Limits, RowError};
use crate::json::FieldError;

/// What a scan works on.
#[derive(Clone, Copy)]
pub(super) struct Scan<'s> {
    /// The copy.
    pub(super) conn: &'s Connection,
    /// How long SQLite may work on it.
    pub(super) allowance: &'s Allowance,
    /// How much is taken.
    pub(super) limits: &'s Limits,
    /// The table, which is known to be a plain one.
    pub(super) table: &'static Table,
}

/// Why a scan did not come to its end.
pub(super) enum ScanError {
    /// SQLite gave up.
    Sqlite(rusqlite::Error),
    /// More rows are new than the table may have: nothing was taken.
    TooManyRows,
}

impl From<rusqlite::Error> for ScanError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Scan<'_> {
    /// Adds to `taken` the rows that are not known, up to the limits. After an error it holds what came before.
    pub(super) fn run<T>(
        self,
        known: impl FnMut(&str) -> bool,
        read: impl Fn(&Fields<'_>) -> Result<T, FieldError>,
        taken: &mut Rows<T>,
    ) -> Result<(), ScanError> {
        let (listed, listing) = list(self.conn, self.table, self.limits, known);
        if listed.new > self.table.most_new {
            return Err(ScanError::TooManyRows);
        }
        taken.more = listed.new > listed.first.len() || listing.is_err();
        if !listed.first.is_empty() {
            self.fetch(listed.first, read, taken)?;
        }
        Ok(listing?)
    }

    fn fetch<T>(
        self,
        listed: Vec<Listed>,
        read: impl Fn(&Fields<'_>) -> Result<T, FieldError>,
        taken: &mut Rows<T>,
    ) -> rusqlite::Result<()> {
        let mut measure = self.conn.prepare(&measure_sql(self.table))?;
        let mut fetch = self.conn.prepare(&fetch_sql(self.table))?;
        let (mut bytes, end) = (0_u64, self.allowance.renew());
        for row in listed {
            let size = measure_row(&mut measure, row.rowid)?;
            let fits = size <= self.limits.row;
            bytes += if fits { size } else { 0 };
            let enough = bytes > self.limits.bytes || self.allowance.renew() > end + self.limits.time;
            if enough && !taken.rows.is_empty() {
                taken.more = true;
                break;
            }
            let checked = if fits {
                fetch_row(&mut fetch, self.table, row.rowid, &read)?
            } else {
                Err(too_large(size, self.limits.row))
            };
            let refused = |problem| RowError { table: self.table.name, key: row.key, id: row.id, problem };
            taken.rows.push(checked.map_err(refused));
        }
        Ok(())
    }
}

/// The rows that are not known, as far as the look takes them.
struct List {
    /// The first of them, in the table's order.
    first: Vec<Listed>,
    /// How many there are; at one more than the table may have the count ends.
    new: usize,
}

/// Lists the rows that are not known. Where that fails on the way, what came before is listed.
///
/// The table is read in its own order and sorted here: an index may lie, and to sort inside SQLite takes one step without an end.
fn list(
    conn: &Connection,
    table: &Table,
    limits: &Limits,
    mut known: impl FnMut(&str) -> bool,
) -> (List, rusqlite::Result<()>) {
    let (mut first, mut new) = (BinaryHeap::new(), 0);
    let listing = each_row(conn, table, |row| {
        let row = match readable_key(row)? {
            Some(id) if known(id) => return Ok(ControlFlow::Continue(())),
            Some(id) => Listed::new(row, id.to_owned(), Some(id.to_owned()))?,
            None => Listed::new(row, format!("(row {})", row.get::<_, i64>(1)?), None)?,
        };
        if row.id.is_some() || !known(&row.key) {
            new += 1;
            first.push(row);
        }
        if first.len() > limits.rows {
            first.pop();
        }
        Ok(if new > table.most_new { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    (List { first: first.into_sorted_vec(), new }, listing)
}

fn each_row(
    conn: &Connection,
    table: &Table,
    mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<()> {
    let mut query = conn.prepare(&list_sql(table))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        if each(row)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Lists the rows without fetching what may be large.
fn list_sql(table: &Table) -> String {
    let Table { name, key, order, .. } = table;
    format!(
        "SELECT CASE WHEN typeof({order}) = 'integer' THEN {order} END, _rowid_,
                CASE WHEN typeof({key}) = 'text' AND octet_length({key}) <= {MAX_ID_BYTES} THEN {key} END
         FROM {name} NOT INDEXED"
    )
}

/// The size of a row. SQLite finds the lengths in the row's head and fetches nothing.
fn measure_sql(table: &Table) -> String {
    let length = |column: &&str| format!("ifnull(octet_length({column}), 0)");
    let size = table.columns.iter().map(length).collect::<Vec<_>>().join(" + ");
    format!("SELECT {size} FROM {} WHERE _rowid_ = ?1", table.name)
}

fn fetch_sql(table: &Table) -> String {
    format!("SELECT {} FROM {} WHERE _rowid_ = ?1", table.columns.join(", "), table.name)
}

/// A row before its fields were fetched. The order of the fields is the order of the rows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    order: i64,
    rowid: i64,
    key: String,
    id: Option<String>,
}

impl Listed {
    /// A row without a number comes last.
    fn new(row: &Row<'_>, key: String, id: Option<String>) -> rusqlite::Result<Self> {
        let order = row.get::<_, Option<i64>>(0)?.unwrap_or(i64::MAX);
        Ok(Self { order, rowid: row.get(1)?, key, id })
    }
}

/// The key of a listed row, where it can name a row.
fn readable_key<'r>(row: &'r Row<'_>) -> rusqlite::Result<Option<&'r str>> {
    let bytes = row.get_ref(2)?.as_bytes().ok();
    Ok(bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).filter(|id| is_id(id)))
}

/// The bytes of a row, 0 where it is not found.
fn measure_row(measure: &mut Statement<'_>, rowid: i64) -> rusqlite::Result<u64> {
    let size: Option<i64> = measure.query_row([rowid], |row| row.get(0)).optional()?;
    Ok(size.unwrap_or(0).try_into().unwrap_or(u64::MAX))
}

fn too_large(size: u64, most: u64) -> FieldError {
    FieldError::new("row", format!("at most {most} bytes"), size.to_string())
}

fn fetch_row<T>(
    fetch: &mut Statement<'_>,
    table: &'static Table,
    rowid: i64,
    read: &impl Fn(&Fields<'_>) -> Result<T, FieldError>,
) -> rusqlite::Result<Result<T, FieldError>> {
    let mut rows = fetch.query([rowid])?;
    let Some(row) = rows.next()? else {
        return Ok(Err(FieldError::new("row", "a row that the table and its index agree on", "none")));
    };
    let values = (0..table.columns.len()).map(|at| row.get_ref(at)).collect::<rusqlite::Result<Vec<_>>>()?;
    let fields = Fields { table, values };
    Ok(read(&fields))
}
