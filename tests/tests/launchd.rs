//! The property lists for launchd: each is one, says only what launchd.plist(5) knows, and asks of its program what it can do.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use plist::{Dictionary, Value};

/// The keys that are used, each with the kind of its value, from launchd.plist(5).
const KEYS: &[(&str, &str)] = &[
    ("Label", "string"),
    ("ProgramArguments", "array"),
    ("EnvironmentVariables", "dictionary"),
    ("Umask", "integer"),
    ("RunAtLoad", "boolean"),
    ("KeepAlive", "boolean"),
    ("ThrottleInterval", "integer"),
    ("StartInterval", "integer"),
    ("inetdCompatibility", "dictionary"),
    ("Sockets", "dictionary"),
    ("StandardErrorPath", "string"),
];

const SOCKET_KEYS: &[(&str, &str)] =
    &[("SockFamily", "string"), ("SockType", "string"), ("SockPathName", "string"), ("SockPathMode", "integer")];

/// All programs that an init system starts.
const PROGRAMS: &[&str] = &["nc-ipcd", "nc-router", "nc-runner", "nc-scheduler", "nc-slack", "nc-whatsapp"];

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Dictionary(_) => "dictionary",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) => "integer",
        Value::String(_) => "string",
        _ => "something else",
    }
}

fn read(path: &Path) -> Dictionary {
    let list = Value::from_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    list.into_dictionary().expect("a dictionary")
}

/// Every list in a directory, by the name of its program.
fn lists(dir: &Path) -> Vec<(String, Dictionary)> {
    let paths = fs::read_dir(dir).expect("it is there").map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "plist"));
    let name = |path: &Path| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        name.strip_prefix("org.nanoclaw.").unwrap_or_else(|| panic!("{name}")).to_owned()
    };
    let mut all: Vec<_> = paths.map(|path| (name(&path), read(&path))).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

fn text<'a>(list: &'a Dictionary, key: &str) -> &'a str {
    list.get(key).and_then(Value::as_string).unwrap_or_else(|| panic!("{key} is missing"))
}

#[track_caller]
fn has_only(list: &Dictionary, keys: &[(&str, &str)]) {
    for (key, value) in list {
        assert!(keys.contains(&(key.as_str(), kind(value))), "{key}: a {} where none belongs", kind(value));
    }
}

#[test]
fn there_is_one_for_each_program_and_it_says_what_launchd_knows() {
    let all = lists(&tree().join("launchd"));
    assert_eq!(all.iter().map(|(program, _)| program.as_str()).collect::<Vec<_>>(), PROGRAMS);
    for (program, list) in &all {
        has_only(list, KEYS);
        assert_eq!(text(list, "Label"), format!("org.nanoclaw.{program}"));
        let arguments = list["ProgramArguments"].as_array().expect("arguments");
        assert_eq!(arguments[0].as_string(), Some(format!("/usr/local/libexec/nanoclaw/{program}").as_str()));
        assert!(arguments.iter().all(|argument| argument.as_string().is_some()), "{program}");
        assert_eq!(text(list, "StandardErrorPath"), format!("/var/lib/nanoclaw/data/logs/{program}.log"));
        assert_eq!(list["Umask"].as_signed_integer(), Some(0o077), "{program}: it is decimal in the file");
        let environment = list["EnvironmentVariables"].as_dictionary().expect("variables");
        assert_eq!(text(environment, "NANOCLAW_DIR"), "/etc/nanoclaw");
    }
}

#[test]
fn each_is_started_by_something_and_only_a_program_that_serves_a_connection_has_one_from_launchd() {
    for (program, list) in lists(&tree().join("launchd")) {
        let has = |key: &str| list.contains_key(key);
        let started = [has("KeepAlive"), has("StartInterval"), has("Sockets")];
        assert_eq!(started.iter().filter(|is| **is).count(), 1, "{program}");
        assert_eq!(has("Sockets"), program == "nc-runner");
        assert_eq!(has("inetdCompatibility"), has("Sockets"));
        let Some(sockets) = list.get("Sockets").and_then(Value::as_dictionary) else { continue };
        // inetd's nowait: one process a connection, which is its standard input.
        let inetd = list["inetdCompatibility"].as_dictionary().expect("a dictionary");
        assert_eq!((inetd.len(), inetd["Wait"].as_boolean()), (1, Some(false)));
        let runs = sockets["Runs"].as_dictionary().expect("a socket");
        has_only(runs, SOCKET_KEYS);
        assert_eq!((text(runs, "SockFamily"), text(runs, "SockType")), ("Unix", "stream"));
        assert_eq!(text(runs, "SockPathName"), "/run/nanoclaw/runner.sock");
        assert_eq!(runs["SockPathMode"].as_signed_integer(), Some(0o600));
    }
}
