//! The machine, and who lives in it: the toolkit with a run, and a channel's stand-in, each with a credential.

use nc_testkit::machine::{BUILT, Lent, Machine, Shared, TREE};

static MACHINE: Shared = Shared::new(furnish);

/// A program that runs and has something to lose.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) pid: String,
    /// Where systemd put its credential.
    pub(crate) credential: String,
}

/// The machine with everything running. `None` where this host can boot none.
pub(crate) fn house(what: &str) -> Option<Lent<'static>> {
    let machine = MACHINE.lend(what)?;
    machine.ok(["systemctl", "start", "nanoclaw.target", "nc-slack@victim.service"]);
    Some(machine)
}

/// The process and the credential of a unit that runs.
pub(crate) fn victim(machine: &Machine, unit: &str) -> Victim {
    let pid = machine.show(unit, "MainPID");
    assert_ne!(pid, "0", "{unit} does not run");
    let credential = machine.sh(&format!("ls /run/credentials/{unit}/*"));
    Victim { pid, credential: credential.trim_end().to_owned() }
}

/// The unit of the run that is there.
pub(crate) fn run(machine: &Machine) -> String {
    let units = machine.units(&["nc-runner@*.service"]);
    units.into_iter().find(|(_, state)| state == "running").expect("a run").0
}

/// Programs that are not there yet have stand-ins that only have to be installed.
const FURNISH: &str = r#"
mkdir -p /opt/walls/built /opt/walls/tree/bins
cp -s $BUILT/nanoclawctl $BUILT/nc-router $BUILT/nc-ipcd $BUILT/nc-runner $BUILT/nc-agent /opt/walls/built/
(cd $TREE && cp -a install.sh scripts systemd man nanoclaw.toml.example README.md LICENSE /opt/walls/tree/)
for program in nc-scheduler nc-slack nc-whatsapp; do
    printf '#!/bin/sh\n[ "$1" = --version ] || exec sleep infinity\n' >/opt/walls/built/$program
    chmod 755 /opt/walls/built/$program
done
for program in $(cd /opt/walls/built && ls -d nc-*); do mkdir /opt/walls/tree/bins/$program; done
/opt/walls/tree/install.sh --built=/opt/walls/built
mkdir -p /var/lib/nanoclaw/data/whatsapp/probe /etc/nanoclaw/channels/slack@victim /etc/nanoclaw/channels/slack@probe
for place in credentials channels/slack@victim channels/slack@probe; do
    echo not-for-you >/etc/nanoclaw/$place/ANTHROPIC_API_KEY
    chmod 600 /etc/nanoclaw/$place/ANTHROPIC_API_KEY
done
"#;

fn furnish() -> Machine {
    let machine = Machine::bare("walls");
    machine.sh(&format!("BUILT={BUILT} TREE={TREE}\n{FURNISH}"));
    machine.configure("provider = \"echo\"\n");
    machine.ok(["nanoclawctl", "group", "add", "Main", "--folder", "main", "--main"]);
    machine.put("/opt/walls/probe.py", include_str!("probe.py"), 0o644);
    machine.put("/opt/walls/stand-in.py", include_str!("stand-in.py"), 0o644);
    let stand_in = ["--unit=stand-in", "--service-type=notify", "--", "python3", "/opt/walls/stand-in.py"];
    machine.ok([&["systemd-run", "--quiet"], &stand_in[..]].concat());
    let sleeps = "[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep infinity\nWatchdogSec=0\n";
    machine.drop_in("nc-slack@victim.service", sleeps);
    machine.ok(["systemctl", "start", "nanoclaw.target"]);
    let said = machine.talk_once("hello");
    assert!(said.success(), "{said:?}");
    machine
}
