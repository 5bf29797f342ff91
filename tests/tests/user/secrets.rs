//! A credential that `nanoclawctl secret set` encrypted reaches an agent's run, and lies nowhere else. The agent is a stand-in
//! that writes down what it is told.

use nc_testkit::claude_stand_in;
use nc_testkit::machine::Machine;

use crate::house::{MACHINE, USER, as_user};

const KEY: &str = "ANTHROPIC_API_KEY";

/// In two parts, since this very file is in the machine too.
const SECRET: &str = concat!("hunter2", "-of-the-machine");

/// What is looked for, where nobody looks for it.
const PATTERN: &str = "/dev/shm/pattern";

const PROGRAM: &str = "/usr/local/libexec/nanoclaw/nc-agent";

/// Keeps what it is told and stays, without an answer.
const AGENT: &str = "#!/bin/sh\ncd /workspace/agent\ncat >told.part\nmv told.part told\nexec sleep 3600\n";

const TOLD: &str = "/var/lib/nanoclaw/groups/main/told";

/// The files with the secret in them that a user may read.
fn found(machine: &Machine, user: &str) -> Vec<String> {
    let grep = ["grep", "-rlaFsf", PATTERN, "/etc", "/var", "/home", "/root", "/usr/local", "/run", "/tmp"];
    let said = machine.command(grep).user(user).output();
    let mut files: Vec<String> = said.stdout.lines().map(str::to_owned).collect();
    files.sort();
    files
}

/// The environments and arguments that have it.
fn shown(machine: &Machine) -> Vec<String> {
    let grep = format!("grep -laFsf {PATTERN} /proc/[0-9]*/environ /proc/[0-9]*/cmdline || :");
    machine.sh(&grep).lines().map(str::to_owned).collect()
}

#[test]
fn an_encrypted_credential_reaches_a_run_and_lies_nowhere_else() {
    let Some(machine) = MACHINE.lend("an encrypted credential under units") else { return };
    machine.put(PROGRAM, AGENT, 0o755);
    claude_stand_in(&machine.path("/usr/local/bin/claude"), "version 2.1.331", None);
    machine.configure("provider = \"claude\"\nclaude_path = \"/usr/local/bin/claude\"\nlog_level = \"trace\"\n");
    let said = machine.command(["nanoclawctl", "secret", "set", KEY]).input(SECRET).output();
    assert!(said.success() && said.stdout.contains("credentials.encrypted"), "{}\n{}", said.stdout, said.stderr);
    assert!(
        machine
            .ok(["nanoclawctl", "secret", "list"])
            .lines()
            .any(|line| line.split_whitespace().take(2).eq([KEY, "encrypted"]))
    );
    let kept = format!("/etc/nanoclaw/credentials.encrypted/{KEY}");
    assert_eq!(machine.ok(["stat", "--format=%U %a", &kept]).trim(), "root 600");
    assert_eq!(machine.sh("ls -A /etc/nanoclaw/credentials"), "");

    machine.ok(["systemctl", "start", "nanoclaw.target"]);
    machine.ok(["systemd-run", "--quiet", "--collect", "--unit=asker", "nanoclawctl", "talk", "--once", "hello"]);
    machine.wait_until("the agent is told", |machine| machine.command(["test", "-e", TOLD]).output().success());
    let told: serde_json::Value = serde_json::from_str(&machine.ok(["cat", TOLD])).expect("a start object");
    assert_eq!(told["credentials"][KEY].as_str(), Some(SECRET));

    machine.command(["sh", "-c", &format!("cat >{PATTERN}; chmod 644 {PATTERN}")]).input(SECRET).ok();
    lies_nowhere_else(&machine);
    machine.ok(["nanoclawctl", "secret", "rm", KEY]);
    machine.ok(["test", "!", "-e", &kept]);
    machine.sh(&format!("systemctl stop asker.service nanoclaw-agents.slice nanoclaw.target; rm {TOLD} {PATTERN}"));
    machine.configure("provider = \"echo\"\n");
    machine.install();
}

fn lies_nowhere_else(machine: &Machine) {
    let all = found(machine, "root");
    let (of_the_unit, others): (Vec<_>, Vec<_>) = all.iter().partition(|path| path.starts_with("/run/credentials/"));
    assert_eq!(others, [TOLD], "the agent wrote it there itself");
    let [of_the_unit] = of_the_unit.as_slice() else { panic!("one unit has it: {of_the_unit:?}") };
    assert!(of_the_unit.starts_with("/run/credentials/nc-runner@"), "{of_the_unit}");
    for user in ["nc-router", "nc-ipcd", "nobody", USER] {
        let found = found(machine, user);
        assert!(found.iter().all(|path| path == TOLD), "{user} reads {found:?}");
    }
    // The test would see it.
    machine.ok([
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=decoy",
        "sh",
        "-c",
        &format!("export X=$(cat {PATTERN}); exec sleep 3600"),
    ]);
    let decoy = format!("/proc/{}/environ", machine.show("decoy.service", "MainPID"));
    machine.wait_until("the decoy has it", |machine| shown(machine).contains(&decoy));
    assert_eq!(shown(machine), [decoy]);
    machine.ok(["systemctl", "stop", "decoy.service"]);
    for record in machine.journal(&[]) {
        assert!(!record.to_string().contains(SECRET), "{record}");
    }
}

#[test]
fn a_users_credential_reaches_a_run_of_that_users() {
    let Some(machine) = MACHINE.lend("a user's credential under units") else { return };
    as_user(&machine, "./tree/install.sh --user --built=$built").ok();
    claude_stand_in(&machine.path("/usr/local/bin/claude"), "version 2.1.331", None);
    let configuration = "provider = \"claude\"\nclaude_path = \"/usr/local/bin/claude\"\n";
    as_user(&machine, "cat >.config/nanoclaw/nanoclaw.toml").input(configuration).ok();
    as_user(&machine, "cat >agent; install -m 755 agent .local/libexec/nanoclaw/nc-agent").input(AGENT).ok();
    as_user(&machine, &format!("$nanoclawctl secret set {KEY}")).input(SECRET).ok();
    as_user(&machine, "$nanoclawctl group add Main --folder main --main; systemctl --user start nanoclaw.target").ok();
    as_user(&machine, "systemd-run --user --quiet --collect --unit=asker $nanoclawctl talk --once hello").ok();
    let told = ".local/state/nanoclaw/groups/main/told";
    machine.wait_until("the agent is told", |machine| as_user(machine, &format!("test -e {told}")).output().success());
    let told: serde_json::Value =
        serde_json::from_str(&as_user(&machine, &format!("cat {told}")).ok()).expect("a start object");
    assert_eq!(told["credentials"][KEY].as_str(), Some(SECRET));
    as_user(&machine, "systemctl --user stop asker.service; rm agent; ./tree/install.sh --user --uninstall --purge")
        .ok();
}

#[test]
fn a_credential_that_cannot_be_decrypted_is_named_by_the_doctor() {
    let Some(machine) = MACHINE.lend("a damaged credential under units") else { return };
    let kept = format!("/etc/nanoclaw/credentials.encrypted/{KEY}");
    machine.command(["nanoclawctl", "secret", "set", KEY]).input(SECRET).ok();
    machine.put(&kept, "garbage\n", 0o600);
    let said = machine.command(["nanoclawctl", "doctor"]).output();
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    assert!(said.stdout.contains(&kept) && said.stdout.contains("cannot be decrypted"), "{}", said.stdout);
    machine.ok(["nanoclawctl", "secret", "rm", KEY]);
    machine.command(["nanoclawctl", "doctor"]).ok();
}
