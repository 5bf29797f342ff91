//! Who leaves when nothing is left to do, and who brings them back.

use nc_testkit::machine::{Machine, Shared};

use crate::house::{balances, is_answered, made, nothing_that_waits_has_failed};

/// Its own, since these programs must be left alone for as long as they linger.
static QUIET: Shared = Shared::new(|| made("idle"));

const CONFIGURATION: &str = "provider = \"echo\"\nidle_timeout = \"1s\"\n";

fn services(machine: &Machine) -> Vec<String> {
    machine.units(&["nc-*.service"]).into_iter().map(|(unit, _)| unit).collect()
}

#[test]
fn when_nothing_is_left_to_do_the_router_and_sockets_stay_or_sockets_alone() {
    let Some(machine) = QUIET.lend("idle exit, under a real systemd") else { return };
    machine.configure(CONFIGURATION);
    machine.ok(["systemctl", "start", "nanoclaw.target"]);
    is_answered(&machine, "main", "first");
    machine.wait_until("only the router stays", |machine| services(machine) == ["nc-router.service"]);
    nothing_that_waits_has_failed(&machine);
    is_answered(&machine, "main", "the rest comes back");

    machine.configure(&format!("{CONFIGURATION}idle_exit = true\n"));
    machine.ok(["systemctl", "reload", "nc-router.service"]);
    machine.wait_until("only sockets stay", |machine| services(machine).is_empty());
    nothing_that_waits_has_failed(&machine);
    is_answered(&machine, "main", "all come back");
    assert!(services(&machine).contains(&"nc-router.service".to_owned()));
    balances(&machine);
}
