//! The machine that these tests share, and how it is brought to a known state.

use nc_testkit::machine::{Lent, Machine, Shared};

static MACHINE: Shared = Shared::new(|| Machine::boot("systemd"));

/// The machine, with everything started and nothing in it failed. `None` where this host can boot none.
pub(crate) fn house(what: &str) -> Option<Lent<'static>> {
    let machine = MACHINE.lend(what)?;
    machine.ok(["systemctl", "start", "nanoclaw.target"]);
    Some(machine)
}

/// Says `text`, which must be answered, once.
#[track_caller]
pub(crate) fn is_answered(machine: &Machine, text: &str) {
    let said = machine.talk_once(text);
    assert!(said.success(), "{text:?}: {}\n{}", said.status, said.stderr);
    assert_eq!(said.stdout.matches(text).count(), 1, "{text:?}: {:?}", said.stdout);
}

/// The ledger agrees.
#[track_caller]
pub(crate) fn balances(machine: &Machine) {
    machine.ok(["nanoclawctl", "ledger", "--check"]);
}
