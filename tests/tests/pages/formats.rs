//! The tables, limits, requests and rules of the formats' pages are those of the code.

use std::collections::BTreeSet;

use nc_model::limits;
use nc_model::quantity::format_size;

use crate::page::{Item, Part, squeezed};
use crate::{none, read, some};

/// Limits that are no matter of the mailbox; their pages name them with the options that set them.
const ELSEWHERE: &[&str] = &["MAX_WAITING_FILES", "TIMEOUT_RANGE", "MAX_SANDBOX_PROCESSES", "MIN_SANDBOX_MEMORY"];

/// The tables of a schema, each with its columns, also those that a later version adds. Indexes, views and triggers are
/// passed over.
fn tables(sql: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_open = false;
    for line in sql.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            let name = rest.trim_start_matches("IF NOT EXISTS ").split([' ', '(']).next().unwrap_or_default();
            found.push((name.to_owned(), Vec::new()));
            is_open = true;
        } else if let Some((table, column)) =
            line.strip_prefix("ALTER TABLE ").and_then(|l| l.split_once(" ADD COLUMN "))
        {
            if let Some((_, columns)) = found.iter_mut().find(|(name, _)| name == table) {
                columns.extend(column.split(' ').next().map(str::to_owned));
            }
        } else if line.starts_with(')') {
            is_open = false;
        } else if let (true, Some((_, columns))) = (is_open, found.last_mut()) {
            let first = line.split_whitespace().next().unwrap_or_default();
            // Continued lines and the table's own rules begin otherwise.
            if line.starts_with("    ")
                && !line.starts_with("     ")
                && first.chars().all(|c| c.is_lowercase() || c == '_')
            {
                columns.push(first.to_owned());
            }
        }
    }
    found
}

/// The words under `.It Va` of a part, in order.
fn columns(part: &Part) -> BTreeSet<String> {
    part.items().iter().filter_map(|item| item.under("Va").first().map(|word| (*word).to_owned())).collect()
}

fn faults_of_tables(page: &Part, tables: &[(String, Vec<String>)], of_other: &[&str]) -> Vec<String> {
    let parts = page.section("DESCRIPTION").subsections();
    let mut wrong = Vec::new();
    for (table, wanted) in tables {
        let Some(part) = parts.iter().find(|part| part.title == *table) else {
            wrong.push(format!("the table {table} is not in the page"));
            continue;
        };
        let described = columns(part);
        let wanted: BTreeSet<String> = wanted.iter().cloned().collect();
        wrong.extend(wanted.difference(&described).map(|column| format!("{table}.{column} is not in the page")));
        wrong.extend(described.difference(&wanted).map(|column| format!("{table}.{column} is in the page alone")));
    }
    let is_known =
        |part: &Part| tables.iter().any(|(table, _)| *table == part.title) || of_other.contains(&&*part.title);
    let with_columns = parts.iter().filter(|part| !columns(part).is_empty() && !is_known(part));
    wrong.extend(with_columns.map(|part| format!("there is no table {:?}", part.title)));
    wrong
}

/// Every version of the store's schema, in order.
pub(crate) fn schema() -> String {
    let directory = crate::root().join("crates/nc-store/src/schema");
    let mut files: Vec<_> =
        directory.read_dir().expect("a schema").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|path| std::fs::read_to_string(path).expect("a schema is readable")).collect()
}

#[test]
fn every_table_and_column_of_the_store_stands_in_its_page() {
    let tables = tables(&schema());
    assert!(tables.len() > 15 && tables.iter().all(|(_, columns)| columns.len() >= 2), "{tables:?}");
    none(&faults_of_tables(&Part::page("nanoclaw-store.5"), &tables, &[]));
    let text = read("man/nanoclaw-store.5");
    for (from, to) in [(".Ss runs", ".Ss run"), (".It Va judged_at", ".It Va judged")] {
        some(&faults_of_tables(&Part::of(&text.replace(from, to)), &tables, &[]), from);
    }
}

#[test]
fn every_view_of_the_store_stands_in_its_page() {
    let schema = schema();
    let views: Vec<&str> =
        schema.lines().filter_map(|line| line.strip_prefix("CREATE VIEW ")?.split_whitespace().next()).collect();
    let page = Part::page("nanoclaw-store.5").section("DESCRIPTION").text();
    assert!(views.len() > 2);
    none(
        &views
            .iter()
            .filter(|view| !page.contains(**view))
            .map(|view| format!("{view} is missing"))
            .collect::<Vec<_>>(),
    );
    let version = format!("the schema's version, {}.", fs_steps());
    assert!(page.contains(&squeezed(&version)), "the page does not say {version:?}");
}

/// How many steps the migrations have.
fn fs_steps() -> usize {
    let directory = crate::root().join("crates/nc-store/src/schema");
    std::fs::read_dir(directory).expect("the schema's directory").count()
}

#[test]
fn every_table_and_column_of_the_mailbox_stands_in_its_page() {
    let schema = read("crates/nc-wire/src/mailbox/schema.rs");
    let tables = tables(&schema);
    assert_eq!(tables.len(), 8, "{tables:?}");
    none(&faults_of_tables(&Part::page("nc-mailbox.5"), &tables, &["Limits"]));
    let text = read("man/nc-mailbox.5").replace(".It Va on_wake", ".It Va at_wake");
    some(&faults_of_tables(&Part::of(&text), &tables, &["Limits"]), "a column of another name");
}

/// Each limit by its constant, the item of the page that names it, and how it stands there.
fn limits_of_the_mailbox() -> Vec<(&'static str, &'static str, String)> {
    let grouped = |number: usize| match number.to_string() {
        digits if digits.len() > 3 => format!("{},{}", &digits[..digits.len() - 3], &digits[digits.len() - 3..]),
        digits => digits,
    };
    let of_text = format_size(u64::try_from(limits::MAX_TEXT_BYTES).unwrap_or(u64::MAX));
    vec![
        ("MAX_ROW_BYTES", "a row", format_size(limits::MAX_ROW_BYTES)),
        ("MAX_TEXT_BYTES", "a text", of_text),
        ("MAX_ROWS_A_LOOK", "a look", grouped(limits::MAX_ROWS_A_LOOK)),
        ("MAX_NEW_ROWS", "new rows", grouped(limits::MAX_NEW_ROWS)),
        ("MAX_NEW_NOTES", "new rows", grouped(limits::MAX_NEW_NOTES)),
        ("MAX_LOOK_BYTES", "a look", format_size(limits::MAX_LOOK_BYTES)),
        ("MAX_FILE", "attachments", format_size(limits::MAX_FILE)),
        ("MAX_FILES", "attachments", format!("{} of them", limits::MAX_FILES)),
        ("MAX_NAME", "attachments", format!("{} bytes", limits::MAX_NAME)),
        ("JSON_DEPTH", "JSON", format!("{} deep", limits::JSON_DEPTH)),
        ("MAX_MAILBOX_BYTES", "a file", format_size(limits::MAX_MAILBOX_BYTES)),
        ("MAX_SEQ", "a number", limits::MAX_SEQ.to_string()),
        ("MAX_ID_BYTES", "an id", format!("{} bytes", limits::MAX_ID_BYTES)),
        ("MAX_MEDIA_BYTES", "files kept", format_size(limits::MAX_MEDIA_BYTES)),
        ("MEDIA_KEPT", "files kept", format!("{} days", limits::MEDIA_KEPT.as_secs() / (24 * 60 * 60))),
        ("MAX_REJECTED_FILES", "refused things", grouped(limits::MAX_REJECTED_FILES)),
        ("MAX_REJECTED_BYTES", "refused things", format_size(limits::MAX_REJECTED_BYTES)),
    ]
}

fn faults_of_limits(page: &Part, source: &str) -> Vec<String> {
    let items = page.section("DESCRIPTION").subsection("Limits").items();
    let known = limits_of_the_mailbox();
    let says = |item: &Item, text: &str| item.text.contains(&squeezed(text));
    let is_said = |name: &str, text: &str| items.iter().any(|item| item.name() == squeezed(name) && says(item, text));
    let mut wrong: Vec<String> = known
        .iter()
        .filter(|(_, name, text)| !is_said(name, text))
        .map(|(constant, name, text)| format!("{constant}: the page does not say {text:?} of {name}"))
        .collect();
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let is_known = |name: &&str| ELSEWHERE.contains(name) || known.iter().any(|(constant, _, _)| constant == name);
    wrong.extend(constants.filter(|name| !is_known(name)).map(|name| format!("{name} is in no page")));
    wrong
}

#[test]
fn every_limit_stands_in_the_page_of_the_mailbox() {
    let source = read("crates/nc-model/src/limits.rs");
    none(&faults_of_limits(&Part::page("nc-mailbox.5"), &source));
    let text = read("man/nc-mailbox.5");
    some(&faults_of_limits(&Part::of(&text.replace("32 deep", "33 deep")), &source), "another limit");
    let more = format!("{source}\npub const MAX_NEW: u64 = 1;\n");
    some(&faults_of_limits(&Part::page("nc-mailbox.5"), &more), "a new limit");
}

fn faults_of_requests(page: &Part, source: &str) -> Vec<String> {
    let rest = source.split("action: \"").skip(1);
    let known: BTreeSet<&str> = rest.filter_map(|rest| rest.split('"').next()).collect();
    let items = page.section("DESCRIPTION").subsection("Requests").items();
    let described: BTreeSet<&str> = items.iter().flat_map(|item| item.under("Cm")).collect();
    known.symmetric_difference(&described).map(|name| format!("request {name}: page and program differ")).collect()
}

#[test]
fn every_request_stands_in_the_page_of_the_mailbox() {
    let source = read("bins/nc-ipcd/src/requests.rs");
    none(&faults_of_requests(&Part::page("nc-mailbox.5"), &source));
    some(&faults_of_requests(&Part::page("nc-mailbox.5"), &source.replace("get_task", "got_task")), "a new request");
}

fn faults_of_rules(page: &Part, sources: &[String]) -> Vec<String> {
    let description = page.section("DESCRIPTION");
    let text = ["Rules", "Commands"].map(|title| description.subsection(title).text()).join(" ");
    let is_rule = |word: &str| word.len() > 2 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let texts = sources.iter().flat_map(|source| crate::said::all_texts(source, 3));
    let names = texts.filter(|said| is_rule(&said.text)).filter(|said| !said.stands_in(&text));
    names.map(|said| format!("the rule {:?} is not in the page", said.text)).collect()
}

#[test]
fn every_rule_stands_in_the_routers_page() {
    let sources = [read("crates/nc-model/src/rule.rs")];
    none(&faults_of_rules(&Part::page("nc-router.8"), &sources));
    let text = read("man/nc-router.8").replace("own_message", "own message");
    some(&faults_of_rules(&Part::of(&text), &sources), "a rule of another name");
}
