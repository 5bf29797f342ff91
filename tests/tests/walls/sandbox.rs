//! What a sandbox reaches of the host's init system.

use crate::house::house;
use crate::probe::{self, found, instead, unheld};

const UNIT: &str = "nc-runner@probe.service";

const SYSTEMS: &[&str] = &[
    "connect /run/systemd/private",
    "connect /run/systemd/notify",
    "connect /run/systemd/journal/stdout",
    "connect /run/dbus/system_bus_socket",
    "connect /run/docker.sock",
    "connect /run/nanoclaw/router.sock",
];

/// Copies the probe into the group's folder, as something of the agent's.
const HAND_IN: &str =
    "cd /opt/walls && install -o nc-runner -g nanoclaw -m 644 probe.py attempts /var/lib/nanoclaw/groups/main/";

#[test]
fn a_sandbox_reaches_neither_systemd_nor_the_bus() {
    let Some(machine) = house("a sandbox and the init system") else { return };
    let mut attempts: Vec<String> = SYSTEMS.iter().map(|&attempt| attempt.to_owned()).collect();
    let free = unheld(&machine, &attempts);
    assert!(attempts.iter().all(|attempt| free[attempt] == "ok"), "{free:?}");
    // Not root, to whom everything is open and who would wake everything.
    let around = &probe::within(&machine, UNIT, &["hunt".to_owned()])["hunt"];
    let around: Vec<&str> = around.split_whitespace().collect();
    assert!(around.contains(&"@nc-walls") && around.contains(&"/run/systemd/notify"), "the hunt finds {around:?}");
    attempts.extend(["hunt".to_owned(), "write /workspace/agent".to_owned()]);
    machine.put("/opt/walls/attempts", attempts.join("\n"), 0o644);
    machine.sh(HAND_IN);
    let said = instead(
        &machine,
        UNIT,
        "/usr/local/libexec/nanoclaw/nc-runner --shell main -- python3 /workspace/agent/probe.py /workspace/agent/attempts",
    );
    let within = found(&said);
    assert_eq!(within.get("write /workspace/agent").map(String::as_str), Some("ok"), "{said}");
    for attempt in SYSTEMS {
        assert_ne!(within[*attempt], "ok", "{attempt}");
    }
    // The network is the host's, and where the kernel's Landlock cannot scope them its abstract addresses are, too: SECURITY.md
    // says so. Nobody of the init system listens at one.
    let reached: Vec<&str> = within["hunt"].split_whitespace().filter(|name| *name != "@nc-walls").collect();
    assert_eq!(reached, [""; 0]);
}
