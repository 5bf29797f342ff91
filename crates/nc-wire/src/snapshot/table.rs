//! Reading a table that may hold anything: is it a plain table, which rows are new, and what stands in their fields.

use nc_model::Timestamp;
use nc_model::limits::MAX_ID_BYTES;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Statement};

use super::{Limits, RowError, Snapshot, SnapshotError};
use crate::json::FieldError;

/// A table of the protocol.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// The column that a row goes by.
    pub(super) key: &'static str,
    /// In which order rows are handed out.
    pub(super) order: &'static str,
    /// The columns that are read, in order.
    pub(super) columns: &'static [&'static str],
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
        if !is_plain(&self.conn, table, &failed)? {
            return Ok(Rows::default());
        }
        let mut taken = Rows::default();
        match scan(&self.conn, table, &self.limits, known, read, &mut taken) {
            Err(error) if taken.rows.is_empty() => Err(failed(error)),
            Err(_) => Ok(Rows { more: true, ..taken }),
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

fn scan<T>(
    conn: &Connection,
    table: &'static Table,
    limits: &Limits,
    mut known: impl FnMut(&str) -> bool,
    read: impl Fn(&Fields<'_>) -> Result<T, FieldError>,
    taken: &mut Rows<T>,
) -> rusqlite::Result<()> {
    let mut list = conn.prepare(&list_sql(table))?;
    let mut fetch =
        conn.prepare(&format!("SELECT {} FROM {} WHERE _rowid_ = ?1", table.columns.join(", "), table.name))?;
    let mut found = list.query([])?;
    let mut bytes = 0_u64;
    while let Some(row) = found.next()? {
        let listed = Listed::read(row)?;
        if known(&listed.key) {
            continue;
        }
        let fits = listed.size <= limits.row;
        bytes += if fits { listed.size } else { 0 };
        if taken.rows.len() == limits.rows || bytes > limits.bytes {
            taken.more = true;
            break;
        }
        let checked =
            if fits { fetch_row(&mut fetch, table, &listed, &read)? } else { Err(too_large(&listed, limits.row)) };
        taken.rows.push(checked.map_err(|problem| RowError {
            table: table.name,
            key: listed.key,
            id: listed.id,
            problem,
        }));
    }
    Ok(())
}

/// Lists the rows without fetching what may be large: SQLite finds the lengths in a row's head.
fn list_sql(table: &Table) -> String {
    let length = |column: &&str| format!("ifnull(octet_length({column}), 0)");
    let size = table.columns.iter().map(length).collect::<Vec<_>>().join(" + ");
    let Table { name, key, order, .. } = table;
    format!(
        "SELECT _rowid_, CASE WHEN typeof({key}) = 'text' AND octet_length({key}) <= {MAX_ID_BYTES} THEN {key} END, {size}
         FROM {name} ORDER BY {order}"
    )
}

/// A row before its fields were fetched.
struct Listed {
    rowid: i64,
    key: String,
    id: Option<String>,
    size: u64,
}

impl Listed {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let rowid = row.get(0)?;
        let id = row.get_ref(1)?.as_bytes().ok().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let id = id.filter(|id| is_id(id)).map(str::to_owned);
        let key = id.clone().unwrap_or_else(|| format!("(row {rowid})"));
        let size = row.get::<_, i64>(2)?.try_into().unwrap_or(u64::MAX);
        Ok(Self { rowid, key, id, size })
    }
}

/// Whether a text can name a row in a log line and in the store.
fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn too_large(listed: &Listed, most: u64) -> FieldError {
    FieldError::new("row", format!("at most {most} bytes"), listed.size.to_string())
}

fn fetch_row<T>(
    fetch: &mut Statement<'_>,
    table: &'static Table,
    listed: &Listed,
    read: &impl Fn(&Fields<'_>) -> Result<T, FieldError>,
) -> rusqlite::Result<Result<T, FieldError>> {
    let mut rows = fetch.query([listed.rowid])?;
    let Some(row) = rows.next()? else {
        return Ok(Err(FieldError::new("row", "a row that the table and its index agree on", "none")));
    };
    let values = (0..table.columns.len()).map(|at| row.get_ref(at)).collect::<rusqlite::Result<Vec<_>>>()?;
    let fields = Fields { table, values };
    Ok(read(&fields))
}

/// The fields of one row, none of them larger than a row may be.
pub(super) struct Fields<'r> {
    table: &'static Table,
    values: Vec<ValueRef<'r>>,
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
