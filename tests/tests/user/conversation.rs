//! An ordinary user installs, talks, restarts, upgrades and uninstalls, with no right of root.

use nc_testkit::machine::Machine;

use crate::house::{MACHINE, as_user};

#[track_caller]
fn is_answered(machine: &Machine, text: &str) {
    let said = as_user(machine, &format!("$nanoclawctl talk --once '{text}'")).output();
    assert!(said.success(), "{text:?}: {}\n{}", said.status, said.stderr);
    assert_eq!(said.stdout.matches(text).count(), 1, "{text:?}: {:?}", said.stdout);
    as_user(machine, "$nanoclawctl ledger --check").ok();
}

/// A property of a unit of the user's.
fn show(machine: &Machine, unit: &str, property: &str) -> String {
    as_user(machine, &format!("systemctl --user show --property={property} --value {unit}")).ok().trim().to_owned()
}

/// A file of the process's, as root sees it.
fn process(machine: &Machine, pid: &str, name: &str) -> String {
    machine.ok(["cat", &format!("/proc/{pid}/{name}")])
}

#[test]
fn an_ordinary_user_has_an_installation_of_ones_own() {
    let Some(machine) = MACHINE.lend("an ordinary user's installation") else { return };
    let said = as_user(&machine, "./tree/install.sh --user --built=$built").output();
    assert!(said.success(), "{}", said.stderr);
    assert!(said.stderr.contains("systemctl --user enable --now nanoclaw.target"), "{}", said.stderr);
    assert!(!said.stderr.contains("log out"), "the user lingers:\n{}", said.stderr);
    as_user(&machine, "echo 'provider = \"echo\"' >~/.config/nanoclaw/nanoclaw.toml").ok();
    as_user(&machine, "$nanoclawctl group add Main --folder main --main; systemctl --user start nanoclaw.target").ok();
    // For a user's own manager nothing is encrypted.
    let kept =
        "printf hunter2 | $nanoclawctl secret set ANTHROPIC_API_KEY; stat --format=%a .config/nanoclaw/credentials/*";
    let kept = as_user(&machine, kept).ok();
    assert!(
        kept.contains(".config/nanoclaw/credentials/ANTHROPIC_API_KEY") && kept.trim_end().ends_with("600"),
        "{kept}"
    );
    is_answered(&machine, "hello from home");

    is_closed_off(&machine, "nc-router.service");
    // These ask their own manager, and the store.
    as_user(&machine, "systemctl --user reload nc-router.service; systemctl --user start nc-sweep.service").ok();
    as_user(&machine, "systemctl --user start nc-notice@nc-sweep.service.service; $nanoclawctl doctor").ok();

    let before = show(&machine, "nc-router.service", "MainPID");
    as_user(&machine, "systemctl --user kill --signal=KILL nc-router.service").ok();
    machine.wait_until("the router is started again", |machine| {
        let now = show(machine, "nc-router.service", "MainPID");
        now != "0" && now != before
    });
    is_answered(&machine, "hello after a kill");
    as_user(&machine, "systemctl --user restart nanoclaw.target").ok();
    is_answered(&machine, "hello after a restart");
    as_user(&machine, "./tree/install.sh --user --built=$built").ok();
    is_answered(&machine, "hello after an upgrade");

    as_user(&machine, "$nanoclawctl secret rm ANTHROPIC_API_KEY; ./tree/install.sh --user --uninstall").ok();
    let left =
        as_user(&machine, "find .local .config -type f -o -type l | grep -v '^.local/state/nanoclaw/' || :").ok();
    assert_eq!(left.trim(), ".config/nanoclaw/nanoclaw.toml");
    as_user(&machine, "test -s .local/state/nanoclaw/store/messages.db").ok();
    assert_eq!(machine.command(["pgrep", "-u", "ann", "-l", "nc-|bwrap"]).output().stdout, "");
    as_user(&machine, "./tree/install.sh --user --uninstall --purge").ok();
    as_user(&machine, "test ! -e .local/state/nanoclaw; test ! -e .config/nanoclaw").ok();
    // The system's is another one.
    machine.ok(["test", "-x", "/usr/local/bin/nanoclawctl"]);
}

/// The user's manager has not left out what closes a unit off: it would do so in silence.
fn is_closed_off(machine: &Machine, unit: &str) {
    let pid = show(machine, unit, "MainPID");
    let other = machine.ok(["pgrep", "-u", "ann", "-x", "systemd"]);
    let options = |pid: &str, place: &str| -> Option<String> {
        let mounts = process(machine, pid, "mountinfo");
        let at = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some(place))?;
        Some(at.split(' ').nth(5)?.to_owned())
    };
    let is = |options: Option<String>, word: &str| options.is_some_and(|all| all.split(',').any(|one| one == word));
    assert!(is(options(&pid, "/"), "ro") && is(options(other.trim(), "/"), "rw"), "the file system");
    assert!(is(options(&pid, "/home/ann/.local/state/nanoclaw"), "rw"), "the data");
    assert!(is(options(&pid, "/home/ann/.local/state/nanoclaw/groups"), "ro"), "the groups' folders");
    for namespace in ["user", "mnt", "net", "ipc", "uts"] {
        let of = |pid: &str| machine.ok(["readlink", &format!("/proc/{pid}/ns/{namespace}")]);
        assert_ne!(of(&pid), of(other.trim()), "{namespace}");
    }
    let status = process(machine, &pid, "status");
    let has = |line: &str| status.lines().any(|had| had.split_whitespace().eq(line.split_whitespace()));
    assert!(has("CapBnd: 0000000000000000") && has("NoNewPrivs: 1") && has("Seccomp: 2"), "{status}");
    let bus = format!("/run/user/{}/bus", machine.ok(["id", "-u", "ann"]).trim());
    for (path, elsewhere) in [(bus.as_str(), "666"), ("/home/ann/.config/nanoclaw/credentials", "700")] {
        let mode =
            |pid: &str| machine.ok(["stat", "--format=%a", &format!("/proc/{pid}/root{path}")]).trim().to_owned();
        assert_eq!((mode(&pid), mode(other.trim())), ("0".to_owned(), elsewhere.to_owned()), "{path}");
    }
}
