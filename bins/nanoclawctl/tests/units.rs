//! What the init system is asked, by a systemctl that the test says what to answer; and channels, with it and without.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use support::{House, Ran};

const SWITCHES: &str = "nanoclaw.toml.d/80-channels.toml";

/// An installation that units serve, as far as systemctl says.
struct Served {
    house: House,
}

impl Served {
    fn new() -> Self {
        let served = Self { house: House::with_main() };
        fs::create_dir(served.path("bin")).expect("a directory");
        let script = format!(
            "#!/bin/sh\nhere={}\necho \"$@\" >>\"$here/asked\"\ncase \"$*\" in\n*--user*) exit 1;;\n\
             *Listen*) echo \"$here/data/run/router.sock (Datagram)\";;\n*ActiveState*target*) cat \"$here/target\";;\n\
             *list-units*) cat \"$here/failed\";;\n\
             *' start '*) if [ -e \"$here/refuses\" ]; then echo 'Access denied' >&2; exit 4; fi;;\nesac\n",
            served.house.path().display()
        );
        fs::write(served.path("bin/systemctl"), script).expect("a script");
        fs::set_permissions(served.path("bin/systemctl"), Permissions::from_mode(0o755)).expect("a mode");
        served.says("target", "active\n");
        served.says("failed", "");
        served
    }

    fn path(&self, name: &str) -> PathBuf {
        self.house.path().join(name)
    }

    fn says(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn ctl(&self, arguments: &[&str]) -> Ran {
        let mut command = self.house.command(arguments);
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        Ran::of(&nc_testkit::finish(&mut command))
    }

    fn asked(&self, words: &str) -> bool {
        fs::read_to_string(self.path("asked")).expect("it was asked").lines().any(|line| line.ends_with(words))
    }
}

#[test]
fn failed_sockets_are_started_again_and_services_are_not() {
    let served = Served::new();
    let ran = served.ctl(&["sweep"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    served.says("failed", "nc-router.socket loaded failed failed A bell\nnc-ipcd.service loaded failed failed X\n");
    let ran = served.ctl(&["sweep"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout, "nc-router.socket had failed and is started again\n");
    assert!(served.asked("reset-failed nc-router.socket") && served.asked("start nc-router.socket"));
    assert!(!served.asked("start nc-ipcd.service"));
    let doctor = served.ctl(&["doctor"]);
    assert_eq!(doctor.status, 1);
    for failed in ["nc-router.socket has failed", "nc-ipcd.service has failed"] {
        assert!(doctor.stdout.contains(&format!("FAIL units: {failed}")), "{}", doctor.stdout);
    }
    served.says("refuses", "");
    let ran = served.ctl(&["sweep"]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("nc-router.socket has failed and cannot be started again: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("Access denied"), "{}", ran.stderr);
    // What a person has stopped stays so.
    served.says("target", "inactive\n");
    assert_eq!(served.ctl(&["sweep"]).status, 0);
}

#[test]
fn where_no_init_system_is_there_is_nothing_to_sweep() {
    let house = House::new();
    let ran = house.ctl(&["sweep"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("no init system serves this installation"), "{}", ran.stderr);
}

#[test]
fn a_channel_is_switched_in_the_configuration() {
    let house = House::with_main();
    let listed = house.json(&["channel", "list"]);
    assert_eq!((listed[0]["name"].as_str(), listed[0]["enabled"].as_bool()), (Some("terminal"), Some(true)));
    let now = house.json(&["channel", "disable", "terminal"]);
    assert_eq!((now["enabled"].as_bool(), now["unit"].as_str()), (Some(false), None));
    assert!(now["from"].as_str().is_some_and(|from| from.contains("80-channels.toml")), "{now}");
    let talk = house.ctl(&["talk", "--once", "hello"]);
    assert_eq!(talk.status, 78);
    assert!(talk.stderr.contains("`nanoclawctl channel enable terminal`"), "{}", talk.stderr);
    let tested = house.ctl(&["channel", "test", "terminal"]);
    assert_eq!(tested.status, 1);
    assert!(tested.stdout.contains("FAIL configuration: terminal is disabled"), "{}", tested.stdout);
    house.ok(&["channel", "enable", "terminal"]);
    assert_eq!(house.json(&["channel", "list"])[0]["enabled"].as_bool(), Some(true));
    // Once more changes nothing.
    let before = fs::read_to_string(house.path().join(SWITCHES)).expect("the file");
    house.ok(&["channel", "enable", "terminal"]);
    assert_eq!(fs::read_to_string(house.path().join(SWITCHES)).expect("the file"), before);
}

#[test]
fn what_wins_over_the_switch_is_named_and_nothing_is_changed() {
    let house = House::new();
    fs::create_dir(house.path().join("nanoclaw.toml.d")).expect("a directory");
    let ours = house.path().join("nanoclaw.toml.d/90-ours.toml");
    fs::write(&ours, "[channels.terminal]\nenabled = true\n").expect("a file");
    let ran = house.ctl(&["channel", "disable", "terminal"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (78, ""));
    assert!(ran.stderr.contains("90-ours.toml:2 says otherwise of terminal and wins"), "{}", ran.stderr);
    assert!(!house.path().join(SWITCHES).exists());
    for name in ["../x", "", "telegram", "terminal:", "Terminal"] {
        for verb in ["enable", "disable", "test"] {
            let ran = house.ctl(&["channel", verb, name]);
            assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{verb} {name:?}");
            assert!(ran.stderr.contains("there is no channel"), "{}", ran.stderr);
        }
    }
    assert_eq!(fs::read_dir(house.path().join("nanoclaw.toml.d")).expect("a directory").count(), 1);
}
