//! Every warning and error that a program can log or print stands in the DIAGNOSTICS of a page.

use std::fs;

use crate::page::Part;
use crate::said::{Said, all_texts, said};
use crate::{PROGRAMS, none, some, sources};

/// How programs log and fail.
const CALLS: &[&str] = &[
    "warn!(",
    "error!(",
    "eprintln!(",
    "#[error(",
    "bail!(",
    "anyhow!(",
    "ensure!(",
    "context(",
    "with_context(",
    "complain(&format!(",
    "say(Level::Warn, &format!(",
    "say(Level::Error, &format!(",
    "Refusal::no(",
    "Refusal::again(",
    "Refusal::look(",
    "Refusal::with(",
    "Refusal::Request(",
    "Check::warn(",
    "Check::fail(",
];

/// The crates, each with the pages that have its errors.
const CRATES: &[(&str, &[&str])] = &[
    ("nc-model", &["nanoclaw.toml.5", "nanoclawctl.1", "nc-mailbox.5"]),
    ("nc-daemon", &["nanoclaw.7"]),
    ("nc-config", &["nanoclaw.toml.5"]),
    ("nc-store", &["nanoclaw-store.5"]),
    ("nc-wire", &["nc-mailbox.5", "nc-agent.8"]),
    ("nc-sandbox", &["nc-runner.8"]),
    ("nc-channel", &["nanoclawctl.1"]),
];

/// Files whose texts are said by whoever uses them, with the page that has them.
const TEXTS: &[(&str, &str)] = &[
    ("crates/nc-store/src/trouble.rs", "nanoclaw-store.5"),
    ("crates/nc-store/src/ledger/check.rs", "nanoclaw-store.5"),
];

/// Letters that a text of [`TEXTS`] has at least; shorter ones are words of a format.
const SENTENCE: usize = 15;

fn faults(of: &str, said: &[Said], pages: &[Part]) -> Vec<String> {
    let pieces: Vec<String> = pages.iter().flat_map(Part::pieces).collect();
    let missing = said.iter().filter(|said| !pieces.iter().any(|piece| said.stands_in(piece)));
    missing.map(|said| format!("{of}: {:?} is in no DIAGNOSTICS", said.text)).collect()
}

/// What the sources below a directory say.
fn said_below(directory: &str) -> Vec<Said> {
    let texts = sources(directory).into_iter().map(|path| fs::read_to_string(path).expect("a source"));
    texts.flat_map(|text| said(&text, CALLS)).collect()
}

#[test]
fn what_a_program_says_stands_in_its_page() {
    for (program, page) in PROGRAMS {
        let said = said_below(&format!("bins/{program}/src"));
        assert!(said.len() > 10, "{program} says only {} things", said.len());
        none(&faults(program, &said, &[Part::page(page).section("DIAGNOSTICS")]));
        some(&faults(program, &said, &[Part::of("")]), "an empty page");
    }
    let said = said("warn!(session, \"no such thing was ever said of {name}\");", CALLS);
    some(&faults("nc-router", &said, &[Part::page("nc-router.8").section("DIAGNOSTICS")]), "a new warning");
}

#[test]
fn the_errors_of_a_crate_stand_in_a_page() {
    for (name, pages) in CRATES {
        let pages: Vec<Part> = pages.iter().map(|page| Part::page(page).section("DIAGNOSTICS")).collect();
        let said = said_below(&format!("crates/{name}/src"));
        assert!(!said.is_empty(), "{name} says nothing");
        none(&faults(name, &said, &pages));
        some(&faults(name, &said, &[Part::of("")]), "an empty page");
    }
}

#[test]
fn troubles_of_the_store_and_faults_of_the_ledger_stand_in_the_stores_page() {
    for (file, page) in TEXTS {
        let (source, page) = (crate::read(file), crate::read(format!("man/{page}")));
        let said = all_texts(&source, SENTENCE);
        assert!(said.len() > 5, "{file} says only {} things", said.len());
        none(&faults(file, &said, &[Part::of(&page)]));
        let other = page.replace("disk failed", "disc failed").replace("sent more", "sent again");
        some(&faults(file, &said, &[Part::of(&other)]), "another text");
    }
}
