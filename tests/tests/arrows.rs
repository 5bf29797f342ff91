//! Holds what ARCHITECTURE.md says of the tree: which way the arrows go, who may touch which format, how large a file may be.
//! It reads the manifests and the sources; nothing is built for it.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// The crates, each with those that it may use. Every one of them stands above it, so no arrow points back.
const CRATES: &[(&str, &[&str])] = &[
    ("nc-failpoint", &[]),
    ("nc-model", &[]),
    ("nc-daemon", &["nc-failpoint"]),
    ("nc-config", &["nc-model"]),
    ("nc-store", &["nc-failpoint", "nc-model"]),
    ("nc-wire", &["nc-failpoint", "nc-model"]),
    ("nc-sandbox", &["nc-failpoint", "nc-model"]),
    ("nc-channel", &["nc-model", "nc-store", "nc-daemon"]),
    (
        "nc-testkit",
        &["nc-failpoint", "nc-model", "nc-daemon", "nc-config", "nc-store", "nc-wire", "nc-sandbox", "nc-channel"],
    ),
];

/// A crate for tests, which nothing that is installed may use.
const FOR_TESTS: &str = "nc-testkit";

/// What the program inside the sandbox may use: not the store, not the configuration, nothing of the host.
const IN_THE_SANDBOX: (&str, &[&str]) = ("nc-agent", &["nc-failpoint", "nc-model", "nc-wire"]);

/// Libraries that belong to one format or one duty, with the crates that have it.
const OWNED: &[(&str, &[&str])] = &[
    ("rusqlite", &["nc-store", "nc-wire", "nc-testkit"]),
    ("rusqlite_migration", &["nc-store"]),
    ("seccompiler", &["nc-sandbox"]),
    ("sd-notify", &["nc-daemon"]),
    ("tracing-journald", &["nc-daemon"]),
];

/// Libraries return errors and do not log; these are what being a daemon or a channel means, and log for their programs.
const MAY_LOG: &[&str] = &["nc-daemon", "nc-channel"];

/// The longest source file, in lines: longer ones hold two ideas.
const MAX_LINES: usize = 400;

/// The longest `main.rs`, in lines. It should have about half of that, and read like the program's page.
const MAX_MAIN_LINES: usize = 120;

/// Why a test may be left out of a plain run: another test of the same file starts it as a process of its own.
const PLAYED: &str = "#[ignore = \"played by the other tests\"]";

struct Package {
    directory: PathBuf,
    manifest: Table,
}

impl Package {
    /// The names of the dependencies in a section.
    fn uses(&self, section: &str) -> BTreeSet<&str> {
        let table = self.manifest.get(section).and_then(toml::Value::as_table);
        table.into_iter().flat_map(Table::keys).map(String::as_str).collect()
    }

    /// What is in the thing that is installed.
    fn installed(&self) -> BTreeSet<&str> {
        &self.uses("dependencies") | &self.uses("build-dependencies")
    }

    fn sources(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        collect(&self.directory, &mut files);
        files
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The packages below a directory, by name.
fn packages(below: &str) -> BTreeMap<String, Package> {
    let entries = fs::read_dir(root().join(below)).expect("a directory of the workspace");
    entries.map(|entry| package(entry.expect("an entry").path())).collect()
}

fn package(directory: PathBuf) -> (String, Package) {
    let text = fs::read_to_string(directory.join("Cargo.toml")).expect("a manifest");
    let manifest: Table = text.parse().expect("TOML");
    let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
    (name, Package { directory, manifest })
}

fn everything() -> BTreeMap<String, Package> {
    let mut all = packages("bins");
    all.extend(packages("crates"));
    all.extend([package(root().join("tests"))]);
    all
}

/// Every `.rs` file below a directory, with its text.
fn collect(directory: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            files.push((path, text));
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let files: Vec<_> = everything().values().flat_map(Package::sources).collect();
    assert!(files.len() > 50, "only {} source files were found", files.len());
    files
}

/// Fails with a line for each thing that is not as it should be.
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn ours<'a>(uses: BTreeSet<&'a str>, all: &BTreeMap<String, Package>) -> Vec<&'a str> {
    uses.into_iter().filter(|name| all.contains_key(*name)).collect()
}

#[test]
fn the_table_knows_every_crate_and_has_no_arrow_that_points_back() {
    let known: BTreeSet<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    let crates = packages("crates");
    assert_eq!(
        known,
        crates.keys().map(String::as_str).collect(),
        "a crate without a place, or a place without a crate"
    );
    let mut above = BTreeSet::new();
    for (name, uses) in CRATES {
        assert!(uses.iter().all(|used| above.contains(used)), "{name} may use something that stands below it");
        above.insert(*name);
    }
}

#[test]
fn a_crate_uses_only_what_it_may() {
    let (all, crates) = (everything(), packages("crates"));
    let mut wrong = Vec::new();
    for (name, may) in CRATES {
        let not_allowed = |used: &&str| !may.contains(used);
        let used = ours(crates[*name].installed(), &all);
        wrong.extend(used.into_iter().filter(not_allowed).map(|used| format!("{name} may not use {used}")));
    }
    none(&wrong);
}

#[test]
fn a_program_uses_crates_and_never_another_program() {
    let (all, programs) = (everything(), packages("bins"));
    let mut wrong = Vec::new();
    for (name, package) in &all {
        let uses = &package.installed() | &package.uses("dev-dependencies");
        for used in ours(uses, &all).into_iter().filter(|used| programs.contains_key(*used)) {
            wrong.push(format!("{name} may not use {used}, which is a program"));
        }
    }
    none(&wrong);
}

#[test]
fn nothing_that_is_installed_has_test_code_in_it() {
    let used = |package: &Package| package.installed().contains(FOR_TESTS);
    let wrong = everything().into_iter().filter(|(_, package)| used(package));
    none(&wrong.map(|(name, _)| format!("{name} may use {FOR_TESTS} in its tests only")).collect::<Vec<_>>());
}

#[test]
fn the_program_in_the_sandbox_knows_nothing_of_the_host() {
    let (all, (name, may)) = (everything(), IN_THE_SANDBOX);
    assert_eq!(ours(all[name].installed(), &all), may);
}

#[test]
fn what_belongs_to_one_crate_is_used_by_no_other() {
    let mut wrong = Vec::new();
    for (name, package) in everything() {
        for (library, owners) in OWNED {
            if package.installed().contains(library) && !owners.contains(&name.as_str()) {
                wrong.push(format!("{name} may not use {library}, which is for {}", owners.join(" and ")));
            }
        }
    }
    none(&wrong);
    let store = packages("crates").remove("nc-store").expect("the store");
    assert!(store.installed().contains("rusqlite"), "this test looks for the wrong name");
}

#[test]
fn a_library_returns_errors_and_does_not_log() {
    let logs = |name: &str, package: &Package| {
        package.installed().contains("tracing") && !MAY_LOG.contains(&name) && name != FOR_TESTS
    };
    let wrong = packages("crates").into_iter().filter(|(name, package)| logs(name, package));
    none(&wrong.map(|(name, _)| format!("{name} may not use tracing")).collect::<Vec<_>>());
}

#[test]
fn a_version_stands_in_one_place_and_the_lints_hold_everywhere() {
    let mut wrong = Vec::new();
    for (name, package) in everything() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let table = package.manifest.get(section).and_then(toml::Value::as_table);
            for (used, how) in table.into_iter().flatten() {
                if how.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    wrong.push(format!("{name} does not take {used} from the workspace"));
                }
            }
        }
        let lints = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            wrong.push(format!("{name} does not have the lints of the workspace"));
        }
    }
    none(&wrong);
}

#[test]
fn a_file_is_short_and_a_main_shorter() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let most = if path.ends_with("src/main.rs") { MAX_MAIN_LINES } else { MAX_LINES };
        let lines = text.lines().count();
        if lines > most {
            wrong.push(format!("{} has {lines} lines, at most {most} are allowed", path.display()));
        }
    }
    none(&wrong);
}

#[test]
fn a_programs_main_says_what_it_reads_writes_trusts_and_exits_with() {
    let mut wrong = Vec::new();
    for (name, package) in packages("bins") {
        let text = fs::read_to_string(package.directory.join("src/main.rs")).expect("a main.rs");
        for word in ["reads", "writes", "trusts", "exits"] {
            if !text.lines().any(|line| line.starts_with(&format!("//! {word} "))) {
                wrong.push(format!("the first lines of {name}'s main.rs do not say what it {word}"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn no_test_is_switched_off() {
    let ignores = |line: &str| line.trim_start().starts_with("#[ignore") && line.trim() != PLAYED;
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let line = text.lines().position(ignores);
        wrong.extend(line.map(|at| format!("{}:{} switches a test off", path.display(), at + 1)));
    }
    none(&wrong);
}
