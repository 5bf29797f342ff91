//! What a sandbox reaches of the host's init system.

use crate::house::house;
use crate::probe::{found, instead, unheld};

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
    attempts.extend(["hunt".to_owned(), "write /workspace/agent".to_owned()]);
    machine.put("/opt/walls/attempts", attempts.join("\n"), 0o644);
    machine.sh(HAND_IN);
    let said = instead(
        &machine,
        "nc-runner@probe.service",
        "/usr/local/libexec/nanoclaw/nc-runner --shell main -- python3 /workspace/agent/probe.py /workspace/agent/attempts",
    );
    let within = found(&said);
    assert_eq!(within.get("write /workspace/agent").map(String::as_str), Some("ok"), "{said}");
    for attempt in SYSTEMS {
        assert_ne!(within[*attempt], "ok", "{attempt}");
    }
    // The network is the host's, and abstract addresses with it: SECURITY.md says so. That the stand-in's is found shows that
    // whatever else somebody listens on would be.
    assert_eq!(within["hunt"], "@nc-walls");
}
