//! Every key stands in nanoclaw.toml(5) with its default and what is allowed, and the example file is the program's.

use std::process::Command;

use nc_testkit::programs;

use crate::page::{Item, Part, squeezed};
use crate::{none, read, some};

/// A key as the example file describes it.
struct Described {
    name: String,
    allowed: String,
    default: Option<String>,
    counts: &'static str,
}

/// The keys, each with the line on what is allowed that precedes it in the example.
fn keys(example: &str) -> Vec<Described> {
    let allowed: Vec<&str> = example.lines().filter_map(|line| line.strip_prefix("# Allowed: ")).collect();
    assert_eq!(allowed.len(), nc_config::KEYS.len(), "the example has as many keys as there are");
    let described = nc_config::KEYS.iter().zip(allowed).map(|(key, allowed)| Described {
        name: key.name.to_owned(),
        allowed: allowed.to_owned(),
        default: key.default.map(str::to_owned),
        counts: key.counts,
    });
    described.collect()
}

fn faults(page: &Part, keys: &[Described]) -> Vec<String> {
    let items = page.section("DESCRIPTION").subsection("Keys").items();
    let find = |name: &str| items.iter().find(|item| item.name() == squeezed(name));
    let mut wrong: Vec<String> = keys.iter().flat_map(|key| faults_of(key, find(&key.name))).collect();
    let is_key = |item: &Item| keys.iter().any(|key| squeezed(&key.name) == item.name());
    wrong.extend(items.iter().filter(|item| !is_key(item)).map(|item| format!("{} is no key", item.name())));
    wrong
}

fn faults_of(key: &Described, item: Option<&Item>) -> Vec<String> {
    let Some(item) = item else { return vec![format!("{} is not in the page", key.name)] };
    let default = key.default.as_deref().map_or("Default: none.".to_owned(), |default| format!("Default: {default}"));
    let allowed = format!("Allowed: {}", key.allowed);
    let counts = format!("A change counts {}.", key.counts);
    let missing = [default, allowed, counts].into_iter().filter(|text| !item.text.contains(&squeezed(text)));
    missing.map(|text| format!("{}: the page does not say {text:?}", key.name)).collect()
}

#[test]
fn every_key_stands_in_the_page_with_its_default_its_range_and_when_a_change_counts() {
    let example = nc_config::example();
    none(&faults(&Part::page("nanoclaw.toml.5"), &keys(&example)));
    let text = read("man/nanoclaw.toml.5");
    for (from, to) in [
        (".It Va max_runs", ".It Va most_runs"),
        (".Li 5 .", ".Li 6 ."),
        ("Allowed: 1 to 1000.", "Allowed: 1 to 100."),
        ("at a reload of nc-router, and of", "at a start of"),
    ] {
        assert!(text.contains(from), "{from}");
        some(&faults(&Part::of(&text.replace(from, to)), &keys(&example)), from);
    }
    some(&faults(&Part::page("nanoclaw.toml.5"), &keys(&example)[1..]), "an item of the page that is no key");
}

#[test]
fn the_example_file_is_what_the_program_prints() {
    let printed = Command::new(programs().join("nanoclawctl")).args(["config", "example"]).output().expect("it starts");
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).expect("UTF-8"), read("nanoclaw.toml.example"));
}
