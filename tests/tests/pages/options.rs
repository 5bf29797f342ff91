//! Every long option of a program's `--help` stands in its page, and the reverse.

use std::collections::BTreeSet;
use std::process::Command;

use nc_testkit::programs;

use crate::page::Part;
use crate::{PROGRAMS, none, some};

/// Options that nanoclawctl describes once for all commands, and the one that it has besides.
const OF_EVERY_COMMAND: &[&str] = &["--dir", "--help", "--set"];
const OF_NONE: &str = "--version";

fn help(program: &str, words: &[&str]) -> String {
    let output = Command::new(programs().join(program)).args(words).arg("--help").output().expect("the program starts");
    assert!(output.status.success(), "{program} {words:?} --help ends with {}", output.status);
    String::from_utf8(output.stdout).expect("help is UTF-8")
}

/// The long options in a help text: those of its own lines, not those that a sentence names.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split([' ', ',']).take(3));
    words.filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches("...").to_owned()).collect()
}

/// The commands in a help text.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let is_entry = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    list.filter(is_entry).map(first).filter(|word| word != "help").collect()
}

/// Every command of nanoclawctl that can be given, with its help: those with none below it, and those that need none.
pub(crate) fn leaves() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(words) = left.pop() {
        let help = help("nanoclawctl", &words.iter().map(String::as_str).collect::<Vec<_>>());
        let below = commands(&help);
        if below.is_empty() || help.lines().any(|line| line.starts_with("Usage: ") && line.ends_with("[COMMAND]")) {
            found.push((words.join(" "), help));
        }
        left.extend(below.into_iter().map(|word| [words.clone(), vec![word]].concat()));
    }
    found
}

/// The options that a part of a page describes.
fn described(part: &Part) -> BTreeSet<String> {
    let items = part.items();
    items.iter().flat_map(|item| item.under("Fl")).filter(|flag| flag.starts_with("--")).map(str::to_owned).collect()
}

fn differences(of: &str, program: &BTreeSet<String>, page: &BTreeSet<String>) -> Vec<String> {
    let missing = program.difference(page).map(|option| format!("{of}: {option} is not in the page"));
    let beyond = page.difference(program).map(|option| format!("{of}: {option} is in the page alone"));
    missing.chain(beyond).collect()
}

/// What is wrong with the commands of nanoclawctl in `page`.
fn faults_of_commands(page: &Part, leaves: &[(String, String)]) -> Vec<String> {
    let parts = page.section("DESCRIPTION").subsections();
    let common: BTreeSet<String> = OF_EVERY_COMMAND.iter().map(|option| (*option).to_owned()).collect();
    let of_all = common.iter().cloned().chain([OF_NONE.to_owned()]).collect();
    let mut wrong = differences("every command", &of_all, &described(&parts[0]));
    let names: BTreeSet<String> = leaves.iter().map(|(name, _)| name.clone()).collect();
    wrong.extend(differences("commands", &names, &parts.iter().skip(1).map(|part| part.title.clone()).collect()));
    for (name, help) in leaves {
        let own: BTreeSet<String> = options(help).difference(&common).cloned().collect();
        let part = page.section("DESCRIPTION").subsection(name);
        wrong.extend(differences(name, &own, &described(&part)));
    }
    wrong
}

#[test]
fn every_option_stands_in_the_page_and_the_reverse() {
    for (program, page) in PROGRAMS.iter().filter(|(program, _)| *program != "nanoclawctl") {
        let (help, page) = (options(&help(program, &[])), Part::page(page));
        none(&differences(program, &help, &described(&page.section("DESCRIPTION"))));
        let mut more = help.clone();
        more.insert("--new".to_owned());
        some(&differences(program, &more, &described(&page.section("DESCRIPTION"))), "a new option");
    }
}

#[test]
fn every_command_stands_in_the_page_and_the_reverse() {
    let leaves = leaves();
    assert!(leaves.len() > 10, "only {} commands were found", leaves.len());
    none(&faults_of_commands(&Part::page("nanoclawctl.1"), &leaves));
    let text = crate::read("man/nanoclawctl.1");
    for (from, to) in [(".Ss chat list", ".Ss chat lists"), (".It Fl -folder Ar FOLDER", ".It Fl -place Ar FOLDER")] {
        some(&faults_of_commands(&Part::of(&text.replace(from, to)), &leaves), from);
    }
}

#[test]
fn every_credential_stands_in_the_page() {
    let names: BTreeSet<String> = nc_config::CREDENTIALS.iter().map(|known| known.name.to_owned()).collect();
    let page = Part::page("nanoclawctl.1").section("DESCRIPTION").subsection("secret set");
    let items = page.items();
    let described: BTreeSet<String> = items.iter().flat_map(|item| item.under("Ev")).map(str::to_owned).collect();
    none(&differences("credentials", &names, &described));
    let more = names.into_iter().chain(["NEW_KEY".to_owned()]).collect();
    some(&differences("credentials", &more, &described), "a new credential");
}
