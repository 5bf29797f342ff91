//! The machine that these tests share: NanoClaw is installed for the system, and there is an ordinary user.

use nc_testkit::machine::{BUILT, Inside, Machine, Shared, TREE};

pub(crate) static MACHINE: Shared = Shared::new(|| {
    let machine = Machine::boot("user");
    settle(&machine);
    machine
});

/// An ordinary user of the machine.
pub(crate) const USER: &str = "ann";

fn settle(machine: &Machine) {
    machine.sh(&format!("useradd --create-home --shell=/bin/sh {USER}; loginctl enable-linger {USER}"));
    // The tree of whoever runs the tests may be closed to others.
    machine.sh(&format!(
        "mkdir /home/{USER}/tree; tar -C {TREE} --exclude=./target --exclude=./.git -cf - . | tar -C /home/{USER}/tree -xf -; \
         chown -R {USER}:{USER} /home/{USER}"
    ));
    // nspawn covers it with a file that it has deleted, and on that one nobody can mount anything.
    machine.sh("while mountpoint -q /proc/kmsg; do umount /proc/kmsg; done");
    let uid = machine.ok(["id", "-u", USER]);
    let bus = format!("/run/user/{}/bus", uid.trim());
    machine.wait_until("the user's manager is up", |machine| machine.command(["test", "-S", &bus]).output().success());
}

/// A script in a session of the user's, in the home directory, with `nanoclawctl` as it was installed there.
pub(crate) fn as_user<'a>(machine: &'a Machine, script: &str) -> Inside<'a> {
    let before = format!("cd; nanoclawctl=$HOME/.local/bin/nanoclawctl; built={BUILT};");
    machine.command(["sh", "-euc", &format!("{before} {script}")]).session_of(USER)
}
