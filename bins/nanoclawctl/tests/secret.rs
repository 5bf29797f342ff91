//! Credentials as files: what is kept, who may read it, and that no value is ever shown.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Stdio;

use nix::pty::openpty;
use support::{House, Ran};

const KEY: &str = "ANTHROPIC_API_KEY";

fn file(house: &House, name: &str) -> PathBuf {
    house.path().join("credentials").join(name)
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn set(house: &House, value: &[u8]) -> Ran {
    house.ctl_with(&["secret", "set", KEY], value)
}

#[test]
fn a_value_is_kept_for_its_owner_alone_replaced_and_removed() {
    let house = House::new();
    for value in ["hunter2", "hunter3\n"] {
        let ran = set(&house, value.as_bytes());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(!ran.stdout.contains("hunter"), "{}", ran.stdout);
        assert_eq!(fs::read_to_string(file(&house, KEY)).expect("kept"), format!("{}\n", value.trim()));
        assert_eq!((mode(&file(&house, KEY)), mode(&file(&house, ""))), (0o600, 0o700));
    }
    let listed = house.ok(&["secret", "list"]);
    let first = listed.lines().nth(1).unwrap_or_default();
    assert!(first.split_whitespace().take(2).eq([KEY, "file"]) && !listed.contains("hunter"), "{listed}");
    let json: serde_json::Value = serde_json::from_str(&house.ok(&["secret", "list", "--json"])).expect("JSON");
    assert_eq!((json[0]["name"].as_str(), json[0]["from"].as_str()), (Some(KEY), Some("file")));
    assert!(!json.to_string().contains("hunter"));
    house.ok(&["secret", "rm", KEY]);
    assert!(!file(&house, KEY).exists());
    assert_eq!(house.ctl(&["secret", "rm", KEY]).status, 1);
    assert_eq!(fs::read_dir(file(&house, "")).expect("a directory").count(), 0);
}

#[test]
fn what_is_no_credential_is_refused_and_the_one_before_stays() {
    let house = House::new();
    set(&house, b"before");
    let long = vec![b'x'; 16 * 1024 + 1];
    let cases: [(&[u8], &str); 5] = [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"hun\0ter2", "has a NUL in it"),
        (b"hunter2\nhunter3", "has a line break"),
        (&long, "has more than 16384 bytes"),
    ];
    for (value, why) in cases {
        let ran = set(&house, value);
        assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{}", ran.stderr);
        let said = ran.stderr;
        assert!(said.contains(KEY) && said.contains(why) && !said.contains("hunter"), "{said}");
        assert_eq!(fs::read_to_string(file(&house, KEY)).expect("kept"), "before\n");
    }
}

#[test]
fn only_the_names_of_the_table_are_names() {
    let house = House::new();
    for verb in ["set", "rm"] {
        for name in ["../x", "HOME", "anthropic_api_key", "", "ANTHROPIC_API_KEY/", "/etc/passwd"] {
            let ran = house.ctl_with(&["secret", verb, name], b"hunter2");
            assert_eq!((ran.status, ran.stdout.as_str()), (64, ""), "{name:?}: {}", ran.stderr);
        }
    }
    assert!(!file(&house, "").exists());
}

#[test]
fn what_others_may_read_stops_everything_until_it_is_mended() {
    let house = House::with_main();
    set(&house, b"hunter2");
    fs::set_permissions(file(&house, KEY), Permissions::from_mode(0o644)).expect("opened");
    for arguments in [&["up"][..], &["run"], &["secret", "list"], &["claude", "status"]] {
        let ran = house.ctl(arguments);
        assert_eq!(ran.status, 78, "{arguments:?}: {}", ran.stderr);
        let mend = format!("is open to others (mode 0644): chmod 600 {:?}", file(&house, KEY));
        assert!(ran.stderr.contains(&mend), "{arguments:?}: {}", ran.stderr);
    }
    let doctor = house.ctl(&["doctor"]);
    assert_eq!(doctor.status, 1);
    assert!(doctor.stdout.contains("chmod 600"), "{}", doctor.stdout);
    fs::set_permissions(file(&house, ""), Permissions::from_mode(0o755)).expect("opened");
    assert!(house.ctl(&["up"]).stderr.contains("(mode 0755): chmod 700"));
    // To keep one anew mends both, and says so.
    let ran = set(&house, b"hunter3");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("was open to others (mode 0755)"), "{}", ran.stderr);
    assert_eq!((mode(&file(&house, KEY)), mode(&file(&house, ""))), (0o600, 0o700));
    house.ok(&["secret", "list"]);
}

#[test]
fn what_root_keeps_for_another_user_is_his() {
    if !nix::unistd::geteuid().is_root() {
        return nc_testkit::skip("a credential kept by root for another user", "the test does not run as root");
    }
    let house = House::new();
    chown(house.path(), Some(61_234), Some(61_234)).expect("given away");
    set(&house, b"hunter2");
    for name in ["", KEY] {
        assert_eq!(fs::metadata(file(&house, name)).expect("it is there").uid(), 61_234, "{name:?}");
    }
}

#[test]
fn at_a_terminal_it_is_asked_for_and_not_shown() {
    let house = House::new();
    let pty = openpty(None, None).expect("a pseudo-terminal");
    let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
    // As the leader of a session whose terminal that is: it is asked for at /dev/tty.
    let mut command = std::process::Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(env!("CARGO_BIN_EXE_nanoclawctl")).arg("--dir").arg(house.path());
    command.args(["secret", "set", KEY]).stdin(end()).stdout(end()).stderr(end());
    let mut child = command.spawn().expect("started");
    // Our copies of its end are in the way: the terminal would never end.
    drop((command, pty.slave));
    let mut terminal = File::from(pty.master);
    let mut shown = String::new();
    let mut buffer = [0; 1024];
    let mut typed = false;
    // The terminal ends, with an error, when the last of those who have it does.
    while let Ok(length @ 1..) = terminal.read(&mut buffer) {
        shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
        if shown.contains("(is not shown): ") && !typed {
            typed = true;
            terminal.write_all(b"hunter2\n").expect("typed");
        }
    }
    assert!(child.wait().expect("it ends").success(), "{shown}");
    assert!(shown.contains("is kept in") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(fs::read_to_string(file(&house, KEY)).expect("kept"), "hunter2\n");
}

/// An installation whose machine encrypts, by a systemd-creds that turns a text around.
fn encrypting(house: &House, arguments: &[&str], value: &[u8]) -> Ran {
    fs::write(house.path().join("input"), value).expect("an input");
    let mut command = house.command(arguments);
    command.stdin(File::open(house.path().join("input")).expect("an input"));
    command.env("PATH", format!("{}:/usr/bin:/bin", house.path().join("bin").display()));
    Ran::of(&nc_testkit::finish(&mut command))
}

fn vault() -> House {
    let house = House::new();
    for name in ["bin", "credentials.encrypted"] {
        fs::create_dir(house.path().join(name)).expect("a directory");
    }
    let script = "#!/bin/sh\nhere=$(dirname \"$0\")\n[ ! -e \"$here/cannot\" ] || { echo 'no key' >&2; exit 1; }\n\
        case \"$2\" in\nencrypt) { echo \"$1\"; tr a-z n-za-m; } >\"$4\";;\n\
        decrypt) [ \"$(head -n1 \"$3\")\" = \"$1\" ] || { echo 'Bad message' >&2; exit 1; }; tail -n +2 \"$3\" | tr a-z n-za-m;;\nesac\n";
    let program = house.path().join("bin/systemd-creds");
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("a mode");
    house
}

#[test]
fn where_the_machine_encrypts_nothing_lies_in_the_clear() {
    let house = vault();
    let encrypted = house.path().join("credentials.encrypted").join(KEY);
    fs::create_dir(file(&house, "")).expect("a directory");
    fs::set_permissions(file(&house, ""), Permissions::from_mode(0o700)).expect("a mode");
    fs::write(file(&house, KEY), "in the clear").expect("an older one");
    let ran = encrypting(&house, &["secret", "set", KEY], b"hunter2\n");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("credentials.encrypted"), "{}", ran.stdout);
    assert!(!file(&house, KEY).exists() && mode(&encrypted) == 0o600);
    assert!(!fs::read_to_string(&encrypted).expect("kept").contains("hunter2"));
    let listed = encrypting(&house, &["secret", "list", "--json"], b"");
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!(listed[0]["from"].as_str(), Some("encrypted"));
    // A damaged one is named, by who reads it.
    fs::write(&encrypted, "garbage").expect("damaged");
    let ran = encrypting(&house, &["secret", "list"], b"");
    assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot be decrypted (Bad message): `nanoclawctl secret set`"), "{}", ran.stderr);
    assert_eq!(encrypting(&house, &["secret", "rm", KEY], b"").status, 0);
    assert!(!encrypted.exists());
}

#[test]
fn where_the_machine_cannot_encrypt_it_is_said_and_kept_for_the_owner_alone() {
    let house = vault();
    fs::write(house.path().join("bin/cannot"), "").expect("no key");
    let ran = encrypting(&house, &["secret", "set", KEY], b"hunter2\n");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("is not encrypted, since this machine cannot: no key"), "{}", ran.stderr);
    assert_eq!(mode(&file(&house, KEY)), 0o600);
    assert_eq!(fs::read_dir(house.path().join("credentials.encrypted")).expect("a directory").count(), 0);
}
