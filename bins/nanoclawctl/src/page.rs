//! Long lists, a page at a time.

use crate::cli::Page;

/// How many rows are asked for: one more than are shown says that there are more.
pub(crate) fn asked(page: &Page) -> u32 {
    page.limit.saturating_add(1)
}

/// The rows that are shown, and the key of the last of them where there are more.
pub(crate) fn cut<T>(mut rows: Vec<T>, page: &Page, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return (rows, None);
    }
    rows.truncate(limit);
    let last = rows.last().map(key);
    (rows, last)
}

/// Says on standard error that there are more, after the rows.
pub(crate) fn tell(more: Option<String>) {
    if let Some(key) = more {
        eprintln!("nanoclawctl: there are more: --after {key} goes on, --limit shows more at once");
    }
}
