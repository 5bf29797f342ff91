//! README and ARCHITECTURE are short, name what there is, and nothing else.

use std::collections::BTreeSet;

use toml::Table;

use crate::{none, options, read, root, some};

/// README is read in one sitting.
const MOST_LINES: usize = 149;

fn faults_of_readme(text: &str, commands: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = text.lines().count();
    if lines > MOST_LINES {
        wrong.push(format!("README.md has {lines} lines, at most {MOST_LINES} are allowed"));
    }
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !link.starts_with("http") && !root().join(link).exists() {
            wrong.push(format!("README.md: there is no {link}"));
        }
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("    nanoclawctl ")) {
        if !commands.iter().any(|command| line.starts_with(command.as_str())) {
            wrong.push(format!("README.md: there is no command {line:?}"));
        }
    }
    wrong
}

#[test]
fn the_readme_is_short_and_names_what_there_is() {
    let commands: BTreeSet<String> = options::leaves().into_iter().map(|(name, _)| name).collect();
    let text = read("README.md");
    none(&faults_of_readme(&text, &commands));
    some(&faults_of_readme(&"\n".repeat(150), &commands), "a README of 150 lines");
    some(&faults_of_readme(&text.replace("](SECURITY.md)", "](SECURTY.md)"), &commands), "a link that leads nowhere");
    some(&faults_of_readme(&text.replace("    nanoclawctl doctor", "    nanoclawctl docter"), &commands), "no command");
}

fn faults_of_dependencies(manifest: &Table, architecture: &str) -> Vec<String> {
    let section = architecture.split("\n## Dependencies\n").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let described: BTreeSet<&str> = rows.collect();
    let all = manifest["workspace"]["dependencies"].as_table().expect("a table");
    let used: BTreeSet<&str> = all.keys().map(String::as_str).filter(|name| !name.starts_with("nc-")).collect();
    let missing = used.difference(&described).map(|name| format!("ARCHITECTURE.md has no line for {name}"));
    let beyond =
        described.difference(&used).map(|name| format!("ARCHITECTURE.md has {name}, which nothing depends on"));
    missing.chain(beyond).collect()
}

#[test]
fn every_dependency_has_its_line() {
    let manifest: Table = read("Cargo.toml").parse().expect("TOML");
    let architecture = read("ARCHITECTURE.md");
    none(&faults_of_dependencies(&manifest, &architecture));
    some(&faults_of_dependencies(&manifest, &architecture.replace("| `tokio`", "| `tokyo`")), "a line that is gone");
}

fn faults_of_owners(schema: &str, architecture: &str) -> Vec<String> {
    let tables = schema.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split(' ').next());
    let section = architecture.split("\n## Who owns which row\n").nth(1).unwrap_or_default();
    let is_owned = |table: &&str| section.contains(&format!("`{table}`"));
    tables
        .filter(|table| !is_owned(table))
        .map(|table| format!("ARCHITECTURE.md does not say who owns {table}"))
        .collect()
}

#[test]
fn every_table_has_its_owner() {
    let (schema, architecture) = (crate::formats::schema(), read("ARCHITECTURE.md"));
    none(&faults_of_owners(&schema, &architecture));
    some(&faults_of_owners(&schema, &architecture.replace("`runs`", "runs")), "a table without an owner");
}
