//! A conversation in which something happens at one failpoint after the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use nc_testkit::{Action, Failpoints, PATIENCE, Person, Signal, Toolkit, wait_for, wait_until};

/// How long an answer may take: some wait 10 s and more where an agent was killed at the same message twice.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(120);

/// Programs that the conversation has; each is started anew where a point lies in its start.
const PROGRAMS: [&str; 4] = ["nc-agent", "nc-runner", "nc-ipcd", "nc-router"];

/// What either of two programs does, whichever is first: that it happened to one of them is enough.
const RACES: [&str; 1] = ["store.lose_run"];

/// The program that starts the others.
const UP: &str = "nanoclawctl-up.";

/// An installation with a person who talks.
pub(crate) struct House {
    pub(crate) kit: Toolkit,
    pub(crate) points: Failpoints,
    pub(crate) person: Person,
    said: u32,
}

impl House {
    /// One in which nothing has run yet.
    pub(crate) fn new() -> Self {
        Self::with(Toolkit::new())
    }

    /// One in a directory where something is `prepared` first; none where that cannot be. What is prepared goes first.
    pub(crate) fn new_in<T>(prepare: impl FnOnce(&Path) -> Option<T>) -> Option<(T, Self)> {
        let kit = Toolkit::new();
        let prepared = prepare(&kit.dir())?;
        Some((prepared, Self::with(kit)))
    }

    fn with(mut kit: Toolkit) -> Self {
        let points = kit.failpoints();
        kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
        Self { kit, points, person: Person::new("main"), said: 0 }
    }

    /// Says something and waits for the answer; gives how long it took.
    pub(crate) fn exchange(&mut self) -> Duration {
        self.said += 1;
        self.person.converse(&self.kit, &format!("text-{}.", self.said), ANSWERED_WITHIN)
    }

    /// Ends every program but `up`, so that the next exchange begins with their starts.
    pub(crate) fn chill(&mut self) {
        self.person.leave();
        for program in PROGRAMS {
            for process in self.kit.processes(program) {
                nc_testkit::processes::send(process.pid, Signal::SIGKILL);
            }
        }
    }

    /// Ends everything, and starts it anew with a point that is armed; `up` may die of it, and is started once more.
    pub(crate) fn freeze(&mut self, point: &str) {
        self.person.leave();
        self.kit.stop(Signal::SIGKILL);
        self.thaw(point);
    }

    /// Starts everything; `up` may die of what is armed, or fail, and is started once more.
    pub(crate) fn thaw(&mut self, point: &str) {
        self.kit.start_up();
        if point.starts_with(UP) {
            let ended = || self.kit.up_ref().has_ended().is_some();
            wait_until(PATIENCE, "up has ended, or is ready", || ended() || self.kit.log().contains("INFO ready"));
            if ended() {
                self.kit.stop(Signal::SIGKILL);
                self.kit.start_up();
            }
        }
    }

    /// Waits until nothing is open, and asks the ledger and the person.
    pub(crate) fn settle(&mut self) {
        self.person.leave();
        let settled = wait_for(PATIENCE * 3, || {
            let ledger = self.kit.ctl_ok(["ledger"]);
            (ledger.matches("+ 0 open").count() == 2).then_some(())
        });
        assert!(settled.is_some(), "{}\n{}", self.kit.ctl_ok(["ledger"]), self.kit.log());
        let check = self.kit.ctl(["ledger", "--check"]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        assert_eq!(self.person.complaints(), Vec::<String>::new(), "{}", self.kit.log());
    }
}

/// Has a conversation come by every point that it has, with this action at each.
pub(crate) fn at_every_point(action: Action) {
    at_points(action, |_| true);
}

/// The same at the points of which `chosen` says so, by their number.
pub(crate) fn at_points(action: Action, chosen: impl Fn(usize) -> bool) {
    let mut house = House::new();
    let (mut left, mut slow) = (BTreeSet::new(), Vec::new());
    let mut points = survey(&mut house);
    points.retain(|point| action == Action::Kill || can_fail(point));
    let points: Vec<_> = points.into_iter().enumerate().filter(|(n, _)| chosen(*n)).map(|(_, point)| point).collect();
    for point in &points {
        let took = visit(&mut house, point, action);
        match took {
            Some(took) => slow.push((took, point)),
            None => drop(left.insert(point.clone())),
        }
    }
    house.settle();
    slow.sort();
    println!("{} points; the longest recoveries:", points.len());
    for (took, point) in slow.iter().rev().take(10) {
        println!("{:8} ms {point}", took.as_millis());
    }
    // What happens once in the life of an installation.
    left.retain(|point| !begin_with(point, action));
    left.retain(|point| !RACES.iter().any(|race| point.contains(race)));
    assert!(left.is_empty(), "nothing came by: {left:?}");
}

/// The points of a conversation: one as it goes on, after the end of every program, and after a new start.
fn survey(house: &mut House) -> Vec<String> {
    house.kit.up();
    house.exchange();
    house.chill();
    house.exchange();
    house.freeze("");
    house.exchange();
    let programs = PROGRAMS.map(|program| format!("{program}."));
    let of_conversation = |point: &String| {
        programs.iter().any(|program| point.starts_with(program))
            || point.starts_with("nanoclawctl-talk.")
            || point.starts_with(UP)
    };
    house.points.reached().into_iter().filter(of_conversation).collect()
}

/// What is done cannot fail any more.
fn can_fail(point: &str) -> bool {
    point.rsplit_once('.').is_some_and(|(_, when)| when == "before")
}

/// Arms the point and talks until something came by; gives how long the answer took then.
fn visit(house: &mut House, point: &str, action: Action) -> Option<Duration> {
    println!("{point} {action:?}");
    house.points.arm(point, action);
    for stage in 0..3 {
        if point.starts_with(UP) && stage < 2 {
            continue;
        }
        match stage {
            0 => {}
            1 => house.chill(),
            _ => house.freeze(point),
        }
        let took = house.exchange();
        if house.points.fired(point) {
            return Some(took);
        }
    }
    house.points.disarm(point);
    None
}

/// The same in an installation that begins with it; whether something came by.
fn begin_with(point: &str, action: Action) -> bool {
    let mut house = House::new();
    println!("{point} {action:?}, from the first start on");
    house.points.arm(point, action);
    house.thaw(point);
    house.exchange();
    house.settle();
    house.points.fired(point)
}
