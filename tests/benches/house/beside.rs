//! How long an honest agent's person waits while others attack: `nc_testkit::hostile` over and over, in groups of their own.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nc_testkit::hostile::{copy_program, hostile_programs};
use nc_testkit::{Signal, Toolkit, finish, programs};

use crate::figures::Figures;

/// Attacks that cost the host the most: what it has to read, to copy, to wait for, to keep.
const ATTACKS: &[&str] =
    &["rows-million", "large", "schema-endless", "output-flood", "forks", "journal-flickers", "events"];

/// How many of them are made at once.
const AT_ONCE: usize = 4;

/// Measures the same turns with nobody else about, and beside the attacks.
pub(crate) fn measure(figures: &mut Figures, turns: usize) {
    let hostile = hostile_programs();
    let mut kit = Toolkit::with_programs(hostile.path());
    kit.set("max_runs=8").set("idle_timeout=2s");
    kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
    for name in ATTACKS {
        kit.ctl_ok(["group", "add", name, "--folder", name, "--memory", "512MiB", "--processes", "100"]);
    }
    let global = kit.installation().global_dir();
    fs::create_dir_all(&global).expect("the shared folder");
    copy_program(&programs().join("nc-agent"), &global.join("honest"));
    kit.up();
    honest(&kit);
    let alone = (0..turns).map(|_| honest(&kit)).collect::<Vec<_>>();
    let over = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        for first in 0..AT_ONCE {
            let (kit, over) = (&kit, &over);
            scope.spawn(move || attack(kit, first, over));
        }
        let beside = (0..turns).map(|_| honest(&kit)).collect::<Vec<_>>();
        over.store(true, Ordering::SeqCst);
        beside
    });
    figures.spans("talk --once, nobody else about", "", &alone);
    figures.spans("talk --once, beside hostile agents", "", &beside);
    assert_eq!(kit.stop(Signal::SIGTERM), Some(0), "{}", kit.log());
}

/// Says something to the honest agent, and gives how long the answer took.
fn honest(kit: &Toolkit) -> Duration {
    let since = Instant::now();
    let output = kit.talk_once("hello");
    assert!(output.status.success(), "{}", kit.log());
    since.elapsed()
}

/// Has every so manieth attack made, one after the other, until it is over.
fn attack(kit: &Toolkit, first: usize, over: &AtomicBool) {
    for name in ATTACKS.iter().cycle().skip(first).step_by(AT_ONCE) {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let folder = kit.installation().groups_dir().join(name);
        fs::write(folder.join("attack"), name).expect("an attack");
        let output = finish(kit.program("nanoclawctl").args(["talk", name, "--once", "hello"]));
        assert!(output.status.success(), "{name}: {}", kit.log());
    }
}
