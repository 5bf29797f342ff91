//! Runners that are killed: nothing of their sandboxes is left, and their runs are accounted for.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::fs;
use std::time::Duration;

use house::session::{POLITE, Runner, is_running, nap, wait_printed};
use house::{House, text};
use nc_model::RunOutcome;
use nc_testkit::{PATIENCE, Signal, finish, processes, wait_until};

#[test]
fn a_killed_runner_leaves_no_sandbox_and_its_run_is_lost() {
    for house in House::each() {
        let nap = nap(2);
        house.agent(&format!("cat > /dev/null; sleep {nap} & echo ready; sleep {nap}"));
        let session = house.session();
        let line = format!("run {session} message\n");
        let mut runner = Runner::start(&house, &line);
        let id = runner.started();
        wait_printed(&house, &id, "ready");
        assert!(is_running(&nap));
        runner.process.kill().expect("it is killed");
        runner.end();
        wait_until(PATIENCE, "everything in the sandbox is gone", || !is_running(&nap));
        assert_eq!(runner.answer(), "", "it said nothing of an end");
        assert!(house.run(&id).ended_at.is_none(), "nobody wrote its end down");
        let mut next = Runner::start(&house, &line);
        assert_eq!(next.answer(), "busy", "the run is accounted for first");
        let run = house.run(&id);
        assert_eq!(
            (run.outcome, run.exit_detail.as_deref()),
            (Some(RunOutcome::Lost), Some("its runner went away without a word"))
        );
        house.agent("exit 0");
        assert_ne!(Runner::start(&house, &line).started(), id);
    }
}

#[test]
fn a_killed_runners_run_is_buried_by_its_instance() {
    let house = House::own();
    house.agent(POLITE);
    let mut runner =
        Runner::start_with(&house, &format!("run {} message\n", house.session()), &["--instance", "7-1-0"]);
    let id = runner.started();
    wait_printed(&house, &id, "ready");
    let bury = |name: &str| finish(house.kit.program("nc-runner").args(["--buried", name])).status.code();
    assert_eq!(bury("8-1-0"), Some(0));
    assert!(house.run(&id).ended_at.is_none(), "another instance's end is not this one's");
    runner.process.kill().expect("it is killed");
    runner.end();
    assert_eq!(bury("7-1-0"), Some(0));
    assert_eq!(house.run(&id).outcome, Some(RunOutcome::Lost));
}

/// bubblewrap is not tied to its parent until all is mounted: whoever is killed before that may leave it.
#[test]
fn a_runner_that_is_killed_while_it_builds_leaves_nothing_either() {
    for house in House::each() {
        let nap = nap(3);
        house.agent(&format!("cat > /dev/null; exec sleep {nap}"));
        for delay in (0..20).map(|step| Duration::from_micros(500 * step)) {
            let session = house.session();
            let mut runner = Runner::start(&house, &format!("run {session} message\n"));
            let id = runner.started();
            // Not to wait for anything, but to hit each part of the building.
            std::thread::sleep(delay);
            runner.process.kill().expect("it is killed");
            runner.end();
            let instance = format!("pid {}", runner.process.id());
            let buried = finish(house.kit.program("nc-runner").args(["--buried", &instance]));
            assert_eq!(buried.status.code(), Some(0), "{}", text(&buried.stderr));
            let run = house.run(&id);
            assert_eq!(run.outcome, Some(RunOutcome::Lost), "after {delay:?}: {}", text(&buried.stderr));
            let lock = house.kit.installation().session_dir(house.main, &session).lock;
            fs::File::open(lock).expect("the lock").try_lock().expect("it is free");
        }
        assert!(!is_running(&nap), "nothing of all these is left");
    }
}

#[test]
fn whatever_was_left_is_buried_at_once_and_what_lives_is_let_alone() {
    let house = House::own();
    house.agent(POLITE);
    let mut runners = [(); 2].map(|()| Runner::start(&house, &format!("run {} message\n", house.session())));
    let ids = runners.each_mut().map(Runner::started);
    for id in &ids {
        wait_printed(&house, id, "ready");
    }
    runners[0].process.kill().expect("it is killed");
    runners[0].end();
    let mut bury = house.kit.program("nc-runner").arg("--buried").spawn().expect("it starts");
    wait_until(PATIENCE, "the killed one is buried", || house.run(&ids[0]).outcome == Some(RunOutcome::Lost));
    assert!(house.run(&ids[1]).ended_at.is_none(), "the other lives");
    // It waits for the other, which may be about to leave, until it is told to stop.
    processes::send(i32::try_from(bury.id()).expect("a pid"), Signal::SIGTERM);
    assert_eq!(bury.wait().expect("it ends").code(), Some(0));
    processes::send(i32::try_from(runners[1].process.id()).expect("a pid"), Signal::SIGTERM);
    assert_eq!(runners[1].answer(), "ended completed");
}
