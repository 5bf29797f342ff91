//! What starts, and what stops, without and within the walls.

use std::fs;

use crate::house::house;

#[test]
fn the_bell_of_the_drop_box_starts_nc_ipcd() {
    let Some(machine) = house("nc-ipcd.path") else { return };
    machine.ok(["systemctl", "stop", "nc-ipcd.service"]);
    assert_eq!(machine.show("nc-ipcd.service", "ActiveState"), "inactive");
    machine.ok(["touch", "/var/lib/nanoclaw/data/ipc/.bell"]);
    machine.wait_until("the bell starts nc-ipcd", |machine| machine.show("nc-ipcd.service", "ActiveState") == "active");
}

#[test]
fn a_tick_starts_the_scheduler_only_where_something_waits() {
    let Some(machine) = house("nc-scheduler-tick.service") else { return };
    let runs = "[Service]\nType=oneshot\nExecStart=\nExecStart=/bin/true\nWatchdogSec=0\n";
    machine.drop_in("nc-scheduler.service", runs);
    let started = || machine.show("nc-scheduler.service", "ExecMainStartTimestampMonotonic");
    let tick = || machine.ok(["systemctl", "start", "nc-scheduler-tick.service"]);
    let before = started();
    machine.ok(["systemctl", "stop", "nc-scheduler.timer"]);
    tick();
    assert_eq!(machine.show("nc-scheduler-tick.service", "ConditionResult"), "no");
    let waiting = "/var/lib/nanoclaw/data/scheduler/waiting";
    machine.ok(["touch", waiting]);
    assert_eq!(started(), before, "nothing waited");
    tick();
    machine.wait_until("the tick starts the scheduler", |_| started() != before);
    machine.ok(["rm", waiting]);
    machine.remove_drop_in("nc-scheduler.service");
}

#[test]
fn a_stop_that_names_the_services_returns_when_they_are_down() {
    let Some(machine) = house("systemctl stop nanoclaw.target") else { return };
    let page = fs::read_to_string(crate_root().join("../man/nanoclaw-units.7")).expect("the page");
    let line = page.lines().find_map(|line| line.strip_prefix(".Dl systemctl stop ")).expect("the page's line");
    let words: Vec<&str> = ["systemctl", "stop"].into_iter().chain(line.split(' ')).collect();
    machine.ok(words);
    for service in ["nc-router.service", "nc-ipcd.service"] {
        assert_eq!(machine.show(service, "ActiveState"), "inactive", "{service}");
    }
}

fn crate_root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_sweep_starts_a_failed_socket_within_its_walls() {
    let Some(machine) = house("nc-sweep.service") else { return };
    let socket = "nc-slack@swept.socket";
    machine.drop_in(socket, "[Socket]\nExecStartPre=/bin/false\n");
    assert!(!machine.command(["systemctl", "start", socket]).output().success());
    machine.remove_drop_in(socket);
    assert_eq!(machine.show(socket, "ActiveState"), "failed");
    machine.ok(["systemctl", "start", "nc-sweep.service"]);
    assert_eq!(machine.show(socket, "ActiveState"), "active");
    machine.ok(["systemctl", "stop", socket]);
}

#[test]
fn a_notice_is_made_within_its_walls() {
    let Some(machine) = house("nc-notice@.service") else { return };
    let unit = "nc-notice@nc-slack@gone.service.service";
    machine.ok(["systemctl", "start", unit]);
    let said = machine.logged(&["--unit", unit]);
    assert!(
        said.iter().any(|line| line.starts_with("nc-slack@gone.service has failed; the owners are told by")),
        "{said:?}"
    );
}
