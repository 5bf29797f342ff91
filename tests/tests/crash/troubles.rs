//! What happens seldom, and is killed in the middle all the same: a mailbox that is damaged, a conversation that is begun
//! anew, a prompt by hand, a notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nc_testkit::{Action, finish};

use crate::house::House;

/// Something that happens to a house, after which the next message is answered as any other.
type Trouble = (&'static str, fn(&mut House));

const TROUBLES: &[Trouble] = &[
    ("the host's half of a mailbox is damaged", |house| damage(house, "inbound.db")),
    ("the agent's half of a mailbox is damaged", |house| damage(house, "outbound.db")),
    ("sessions are closed", |house| drop(house.kit.ctl(["session", "reset", "--group", "main"]))),
    ("an agent is asked by hand", |house| {
        drop(finish(house.kit.program("nc-runner").args(["main", "--prompt", "hello"])));
    }),
    ("a unit has failed", |house| drop(house.kit.ctl(["notice", "nc-example.service"]))),
];

/// Has each trouble come, and again with a kill at each point that only it comes by.
pub(crate) fn killed_at_every_point() {
    for (what, trouble) in TROUBLES {
        let mut house = House::new();
        house.kit.up();
        house.exchange();
        house.chill();
        house.exchange();
        let ordinary = house.points.reached();
        strike(&mut house, *trouble);
        let new: BTreeSet<String> = house.points.reached().difference(&ordinary).cloned().collect();
        println!("{what}: {new:?}");
        assert!(!new.is_empty(), "{what}: nothing comes of it");
        let mut fired = 0;
        for point in &new {
            house.points.arm(point, Action::Kill);
            strike(&mut house, *trouble);
            fired += u32::from(house.points.fired(point));
            house.points.disarm(point);
        }
        println!("{what}: {fired} killed");
        assert!(fired > 0, "{what}: nobody was killed");
        house.settle();
    }
}

fn strike(house: &mut House, trouble: fn(&mut House)) {
    house.chill();
    trouble(house);
    house.exchange();
}

/// Writes rubbish over the mailboxes while nobody has them open.
fn damage(house: &House, name: &str) {
    for file in find(&house.kit.installation().data_dir().join("sessions"), name) {
        fs::write(file, vec![0x55; 8192]).expect("it is written");
    }
}

fn find(below: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(below).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(find(&path, name));
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
    found
}
