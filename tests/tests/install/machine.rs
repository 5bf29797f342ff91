//! In a booted machine, with the real programs: from the first installation to --purge.

use std::path::Path;

use nc_testkit::machine::{BUILT, Machine, Said, Shared, TREE};

use crate::listing::Listing;

static MACHINE: Shared = Shared::new(|| Machine::bare("install"));

/// Where other programs than the built ones are in the machine.
const OTHER: &str = "/root/other";

/// A program that runs, and ends with 1 when it is started to serve.
const BROKEN: &str = "#!/bin/sh\ncase $1 in --version) exit 0 ;; esac\nexit 1\n";

fn install(machine: &Machine, arguments: &[&str]) -> Said {
    machine.command([&format!("{TREE}/install.sh") as &str].iter().chain(arguments)).output()
}

#[track_caller]
fn is(said: &Said, code: i32) {
    assert_eq!(said.code(), Some(code), "{}\n{}", said.stdout, said.stderr);
}

/// The machine's disk, with the content of what this could change. Left out is what the system itself writes as it runs, among
/// it the copies of users' files as they were one change before.
fn disk(machine: &Machine) -> Listing {
    const LEFT_OUT: &[&str] = &[
        "root/other",
        "var/log",
        "var/tmp",
        "var/cache",
        "tmp",
        "run",
        "proc",
        "sys",
        "dev",
        "etc/passwd-",
        "etc/group-",
        "etc/shadow-",
        "etc/gshadow-",
        "etc/.pwd.lock",
        "var/lib/systemd/random-seed",
        "var/lib/systemd/timers",
        "var/lib/systemd/linger",
        "opt/nanoclaw-tree",
        "opt/nanoclaw-built",
    ];
    let left_out = |path: &Path| LEFT_OUT.iter().any(|name| path.starts_with(name));
    let whole = |path: &Path| ["etc", "usr/local", "var/lib", "opt"].iter().any(|name| path.starts_with(name));
    Listing::read(&machine.path("/"), &left_out, &whole, false)
}

/// What has a name of ours where nothing outlives a boot, and units of ours that systemd knows.
fn left_running(machine: &Machine) -> String {
    machine.sh("find /run -xdev \\( -path /run/systemd/propagate -o -path /run/systemd/inaccessible \\) -prune -o \
         \\( -name '*nanoclaw*' -o -name 'nc-*' -o -name untouched \\) -print
         systemctl list-units --all --plain --no-legend 'nc-*' 'nanoclaw*' | grep -v '^nc-machine' || :
         pgrep -a '^nc-|nanoclawctl' || :")
}

#[track_caller]
fn is_answered(machine: &Machine, text: &str) {
    let said = machine.talk_once(text);
    assert!(said.success() && said.stdout.contains(text), "{text:?}: {}\n{}", said.stdout, said.stderr);
}

fn first(machine: &Machine) {
    let before = disk(machine);
    machine.sh("mkdir /usr/local/libexec; mount -t tmpfs -o size=40m none /usr/local/libexec");
    is(&install(machine, &[&format!("--built={BUILT}")]), 78);
    assert_eq!(
        machine.sh("cd /usr/local; find libexec -mindepth 1; umount libexec; rmdir libexec"),
        "",
        "on a full disk"
    );
    before.is_the_same(&disk(machine), "on a full disk");
    is(&machine.command([&format!("{TREE}/install.sh"), &format!("--built={BUILT}")]).user("nobody").output(), 78);
    let built = format!("--built={BUILT}");
    is(&install(machine, &[&built]), 0);
    let once = disk(machine);
    let said = install(machine, &[&built]);
    is(&said, 0);
    assert!(said.stderr.contains("nothing was changed"), "{}", said.stderr);
    once.is_the_same(&disk(machine), "a second run");
    machine.configure("provider = \"echo\"\n");
    machine.ok(["nanoclawctl", "group", "add", "Main", "--folder", "main", "--main"]);
    machine.ok(["systemctl", "enable", "--now", "nanoclaw.target"]);
    is_answered(machine, "first of all");
}

/// Neither a program that does not run nor one that does not get ready replaces the one that runs.
fn broken_upgrades(machine: &Machine) {
    machine.sh(&format!("mkdir -p {OTHER}; cp {BUILT}/nanoclawctl {BUILT}/nc-router {BUILT}/nc-ipcd {BUILT}/nc-runner {BUILT}/nc-agent {OTHER}"));
    let before = disk(machine);
    let other = format!("--built={OTHER}");
    for (program, text) in [("nc-router", "#!/bin/sh\nexit 1\n"), ("nc-router", BROKEN), ("nc-ipcd", BROKEN)] {
        machine.put(&format!("{OTHER}/{program}"), text, 0o755);
        let said = install(machine, &[&other]);
        is(&said, 78);
        assert!(said.stderr.contains(program), "{}", said.stderr);
        let changed = before.differences(&disk(machine));
        assert!(changed.iter().all(|line| line.contains(": var/lib/nanoclaw/")), "{program}: {changed:#?}");
        assert_eq!(machine.show("nc-router.service", "ActiveState"), "active", "{program}");
        machine.sh(&format!("cp {BUILT}/{program} {OTHER}"));
        is_answered(machine, &format!("after a broken {program}"));
    }
}

/// What changed is started anew, and nothing else; a run goes on.
fn upgrade(machine: &Machine) {
    let main = |unit: &str| machine.show(unit, "MainPID");
    let (router, runs) = (main("nc-router.service"), machine.units(&["nc-runner@*"]));
    machine.sh(&format!("printf '\\n' >>{OTHER}/nc-runner; printf '\\n' >>{OTHER}/nc-agent"));
    is(&install(machine, &[&format!("--built={OTHER}")]), 0);
    assert_eq!(main("nc-router.service"), router, "it did not change");
    machine.sh(&format!("printf '\\n' >>{OTHER}/nc-router"));
    is(&install(machine, &[&format!("--built={OTHER}")]), 0);
    assert_ne!(main("nc-router.service"), router, "it changed");
    assert!(!runs.is_empty());
    for (run, _) in runs {
        assert_ne!(machine.show(&run, "Result"), "signal", "{run}");
    }
    is_answered(machine, "after an upgrade");
}

#[test]
fn from_the_first_installation_to_purge() {
    let Some(machine) = MACHINE.lend("installing, upgrading and removing under systemd") else { return };
    let machine: &Machine = &machine;
    machine.put("/usr/local/share/man/man8/other.8", "of others", 0o644);
    machine.sh("mkdir -p /usr/local/lib/systemd/system/nc-other.service.d");
    machine.ok(["systemctl", "daemon-reload"]);
    let before = disk(machine);
    first(machine);
    broken_upgrades(machine);
    upgrade(machine);
    is(&install(machine, &["--uninstall"]), 0);
    assert_eq!(left_running(machine), "");
    let data = ["var/lib/nanoclaw", "etc/nanoclaw", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"];
    let is_data = |line: &String| {
        let path = Path::new(line.split_once(": ").expect("a kind and a path").1);
        data.iter().any(|place| path.starts_with(place))
    };
    let left = before.differences(&disk(machine));
    assert!(left.iter().all(is_data), "{left:#?}");
    assert!(left.contains(&"more: var/lib/nanoclaw/store/messages.db".to_owned()), "{left:#?}");
    // With its data again, as if nothing had been.
    machine.install();
    machine.ok(["systemctl", "enable", "--now", "nanoclaw.target"]);
    is_answered(machine, "installed again");
    is(&install(machine, &["--uninstall", "--purge"]), 0);
    assert_eq!(left_running(machine), "");
    before.is_the_same(&disk(machine), "after --purge");
    assert_eq!(machine.sh("grep -rlE 'nanoclaw|^nc-' /etc || :"), "", "after --purge");
}
