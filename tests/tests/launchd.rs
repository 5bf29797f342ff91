//! The property lists for launchd: each is one, says only what launchd.plist(5) knows, and asks of its program what it can do;
//! and install.sh puts them where launchd looks, on what it takes for a macOS.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plist::{Dictionary, Value};
use tempfile::TempDir;

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

/// A macOS, as far as install.sh can see: programs that answer as there, a home, and what launchctl(1) was asked.
struct Mac {
    place: TempDir,
}

impl Mac {
    fn new() -> Self {
        let mac = Self { place: TempDir::new().expect("a directory") };
        for dir in ["bin", "home"] {
            fs::create_dir(mac.path(dir)).expect("a directory");
        }
        mac.program("uname", "echo Darwin");
        mac.program("id", "echo 501");
        mac.program("launchctl", &format!("echo \"$*\" >>'{}'", mac.path("asked").display()));
        mac
    }

    fn path(&self, below: &str) -> PathBuf {
        self.place.path().join(below)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Runs install.sh, which must succeed, and returns what it said.
    fn install(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(tree().join("install.sh"));
        command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.env("HOME", self.path("home")).stdin(Stdio::null());
        command.arg(format!("--built={}", nc_testkit::programs().display())).args(arguments);
        let output = nc_testkit::finish(&mut command);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.path("asked")).unwrap_or_default()
    }

    /// The names of everything below the home directory.
    fn files(&self) -> Vec<PathBuf> {
        fn below(dir: &Path, all: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).expect("it is there").map(|entry| entry.expect("an entry")) {
                if entry.file_type().expect("a type").is_dir() {
                    below(&entry.path(), all);
                } else {
                    all.push(entry.path());
                }
            }
        }
        let mut all = Vec::new();
        below(&self.path("home"), &mut all);
        all
    }
}

#[test]
fn install_puts_those_of_the_programs_that_there_are_where_launchd_looks() {
    let mac = Mac::new();
    let would = mac.install(&["--dry-run"]);
    assert!(would.contains("Library/LaunchAgents/org.nanoclaw.nc-router.plist"), "{would}");
    assert_eq!(mac.files(), Vec::<PathBuf>::new(), "a dry run");

    let said = mac.install(&[]);
    let home = mac.path("home");
    let data = home.join(".local/state/nanoclaw/data");
    assert!(
        said.contains("launchctl bootstrap gui/501") && said.contains(&*data.join("logs").to_string_lossy()),
        "{said}"
    );
    let all = lists(&home.join("Library/LaunchAgents"));
    assert!(["nc-ipcd", "nc-router", "nc-runner"].iter().all(|one| all.iter().any(|(program, _)| program == one)));
    for (program, list) in &all {
        assert!(tree().join("bins").join(program).is_dir(), "{program} does not exist");
        let arguments = list["ProgramArguments"].as_array().expect("arguments");
        let installed = home.join(".local/libexec/nanoclaw").join(program);
        assert_eq!(arguments[0].as_string().map(Path::new), Some(installed.as_path()));
        assert!(installed.is_file(), "{program}");
        assert_eq!(Path::new(text(list, "StandardErrorPath")), data.join("logs").join(format!("{program}.log")));
        let environment = list["EnvironmentVariables"].as_dictionary().expect("variables");
        assert_eq!(Path::new(text(environment, "NANOCLAW_DIR")), home.join(".config/nanoclaw"));
        if let Some(runs) = list.get("Sockets").and_then(|sockets| sockets.as_dictionary()?["Runs"].as_dictionary()) {
            assert_eq!(Path::new(text(runs, "SockPathName")), data.join("run/runner.sock"));
        }
    }
    for dir in ["logs", "run/runs", "run/talk", "run/channel"] {
        assert_eq!(fs::metadata(data.join(dir)).expect("it is made").mode() & 0o777, 0o700, "{dir}");
    }
    // The programs read what was installed, and lay their places out as the lists do.
    let mut ctl = Command::new(home.join(".local/bin/nanoclawctl"));
    ctl.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &home).current_dir(&home);
    let shown = nc_testkit::finish(ctl.args(["config", "show"]));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&*data.join("run").to_string_lossy()), "{shown}");
}

#[test]
fn what_is_loaded_is_started_anew_by_an_upgrade_and_put_out_by_the_removal() {
    let mac = Mac::new();
    mac.install(&[]);
    assert!(mac.install(&[]).contains("nothing was changed"));
    assert_eq!(mac.asked().matches("kickstart").count(), mac.asked().matches("print").count());
    fs::remove_file(mac.path("asked")).expect("asked");
    let router = mac.path("home/.local/libexec/nanoclaw/nc-router");
    fs::remove_file(&router).expect("it was installed");
    fs::write(&router, "of an earlier version").expect("another");
    mac.install(&[]);
    assert_eq!(mac.asked(), "print gui/501/org.nanoclaw.nc-router\nkickstart -k gui/501/org.nanoclaw.nc-router\n");
    mac.install(&["--uninstall", "--purge"]);
    assert!(mac.asked().contains("bootout gui/501/org.nanoclaw.nc-runner"), "{}", mac.asked());
    assert_eq!(mac.files(), Vec::<PathBuf>::new());
}
