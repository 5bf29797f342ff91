//! The real runner on a connection of the test's: what it answers, what it writes down, and what it leaves behind.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::fs;
use std::os::unix::fs::symlink;

use house::session::{POLITE, Runner, is_running, nap, wait_printed};
use house::{House, text};
use nc_config::Doorbell;
use nc_model::RunOutcome;
use nc_store::now;
use nc_testkit::{Signal, finish, processes};

#[test]
fn an_agent_that_leaves_has_completed() {
    for house in House::each() {
        house.agent("cat; echo; id -u; echo done >&2; echo said > /workspace/outbound.db; exit 0");
        let session = house.session();
        let mut runner = Runner::start(&house, &format!("run {session} message\n"));
        let id = runner.started();
        assert_eq!(runner.answer(), "ended completed", "in {} installation: {}", house.whose, house.said());
        assert_eq!((runner.answer(), runner.end()), (String::new(), Some(0)));
        let run = house.run(&id);
        assert_eq!(
            (run.outcome, run.error, run.exit_detail.as_deref()),
            (Some(RunOutcome::Completed), None, Some("left with status 0"))
        );
        assert!(run.ended_at >= Some(run.started_at) && run.collected_at.is_none());
        assert_eq!((run.session, run.runtime.as_deref(), run.to_chat), (session.clone(), Some("bubblewrap"), true));
        assert!(run.cpu_ms.is_some() && run.peak_rss > Some(100_000), "{:?} {:?}", run.cpu_ms, run.peak_rss);
        assert!(run.sandbox_id.expect("the sandbox has a name").starts_with("bubblewrap:"));
        let log = house.log(&id);
        let told = log.lines().next().expect("what the agent was told");
        assert!(
            told.starts_with(&format!("{{\"run\":\"{id}\",\"session\":\"{session}\",\"provider\":\"echo\"")),
            "{told}"
        );
        assert!(told.ends_with("\"groupName\":\"Main\",\"isMain\":true}"), "{told}");
        assert!(log.contains("\n1000\n") && log.contains("\ndone\n"), "{log}");
        let work = house.kit.installation().session_dir(house.main, &session);
        assert_eq!(fs::read_to_string(work.outbound_db).expect("the host reads what the agent wrote"), "said\n");
    }
}

#[test]
fn the_real_agent_runs_and_leaves_when_it_is_idle() {
    for mut house in House::each() {
        house.kit.set("idle_timeout=1s");
        let session = house.session();
        let mut runner = Runner::start(&house, &format!("run {session} manual\n"));
        let id = runner.started();
        assert_eq!(runner.answer(), "ended completed", "{}\n{}", house.said(), house.log(&id));
        let work = house.kit.installation().session_dir(house.main, &session);
        let magic = fs::read(work.outbound_db).expect("the host reads the agent's mailbox");
        assert!(magic.starts_with(b"SQLite format 3\0"), "in {} installation", house.whose);
    }
}

#[test]
fn one_session_has_one_run() {
    let house = House::own();
    house.agent(POLITE);
    let session = house.session();
    let line = format!("run {session} message\n");
    let mut first = Runner::start(&house, &line);
    let id = first.started();
    for _ in 0..3 {
        let mut second = Runner::start(&house, &line);
        assert_eq!((second.answer(), second.end()), ("busy".to_owned(), Some(0)));
    }
    let other = house.session();
    let mut beside = Runner::start(&house, &format!("run {other} message\n"));
    beside.started();
    wait_printed(&house, &id, "ready");
    for runner in [&mut first, &mut beside] {
        processes::send(i32::try_from(runner.process.id()).expect("a pid"), Signal::SIGTERM);
        assert_eq!((runner.answer(), runner.end()), ("ended completed".to_owned(), Some(0)));
    }
    let mut again = Runner::start(&house, &line);
    assert_ne!(again.started(), id, "the session is free");
    processes::send(i32::try_from(again.process.id()).expect("a pid"), Signal::SIGTERM);
    assert_eq!(again.answer(), "ended completed");
}

#[test]
fn what_cannot_be_granted_is_refused_in_words() {
    let house = House::own();
    let session = house.session();
    let bare = house.session();
    let directory = house.kit.installation().session_dir(house.main, &bare);
    fs::remove_file(directory.inbound_db).expect("its mailbox is taken away");
    let cases = [
        ("run\n".to_owned(), "refused \"run\" is not a request: write \"run SESSION CAUSE\"".to_owned()),
        ("run ../x message\n".to_owned(), "refused there is no session \"../x\", or its group was removed".to_owned()),
        (
            format!("run {session} whim\n"),
            "refused \"whim\" is not a cause of a run: allowed are message, task, manual, approval".to_owned(),
        ),
        (format!("run {bare} message\n"), format!("refused session {bare} has no mailbox yet: nc-router makes it")),
        ("x".repeat(300), "refused the request has no end within 256 bytes".to_owned()),
    ];
    for (line, answer) in cases {
        let mut runner = Runner::start(&house, &line);
        // In this order: a runner that granted it would not end.
        assert_eq!(runner.answer(), answer, "{line:?}");
        assert_eq!(runner.end(), Some(0), "{line:?}");
    }
    assert!(house.kit.store().last_run(&session).expect("the store is read").is_none(), "no run was written down");
}

#[test]
fn a_closed_session_ends_what_it_has() {
    let house = House::own();
    house.agent("exit 0");
    let session = house.session();
    house.set_status(&session, "closed");
    let mut runner = Runner::start(&house, &format!("run {session} message\n"));
    runner.started();
    assert_eq!(runner.answer(), "ended completed");
}

#[test]
fn what_the_group_asks_for_and_nobody_does_yet_is_refused() {
    let house = House::own();
    let session = house.session();
    let cases = [
        (r#"{"runtime":"docker"}"#, "the runtime docker is not there yet: set runtime to auto or bubblewrap"),
        (r#"{"wire":"dropbox"}"#, "container_config has wire \"dropbox\", which this version does not do: remove it"),
        (r#"{"egress":[]}"#, "container_config has egress, which this version does not do: remove it"),
        (r#"{"mounts":[{"host":"/srv"}]}"#, "container_config has mounts, which this version does not do: remove it"),
    ];
    for (config, why) in cases {
        let edit = nc_store::GroupEdit {
            container: Some(nc_model::ContainerConfig::parse(config).expect("valid")),
            ..Default::default()
        };
        house.kit.store().edit_group(house.main, &edit).expect("the group takes it");
        let mut runner = Runner::start(&house, &format!("run {session} message\n"));
        assert_eq!(runner.answer(), format!("refused group main: {why}"));
    }
}

#[test]
fn a_broken_configuration_is_refused_and_a_person_must_look() {
    let mut house = House::own();
    house.kit.set("max_runs=0");
    let mut runner = Runner::start(&house, "run x message\n");
    let answer = runner.answer();
    assert!(answer.starts_with("refused ") && answer.contains("max_runs"), "{answer}");
    assert_eq!(runner.end(), Some(78));
    let output = finish(&mut House::own().kit.program("nc-runner"));
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("there is no connection on standard input"), "{}", text(&output.stderr));
}

#[test]
fn an_agent_that_fails_and_one_that_is_killed_have_their_words() {
    let house = House::own();
    let cases = [
        ("exit 3", RunOutcome::Failed, "the agent left with status 3"),
        ("kill -SEGV $$", RunOutcome::Killed, "the agent was ended by SIGSEGV"),
    ];
    for (script, outcome, error) in cases {
        house.agent(script);
        let mut runner = Runner::start(&house, &format!("run {} message\n", house.session()));
        let id = runner.started();
        assert_eq!(runner.answer(), format!("ended {outcome}"));
        let run = house.run(&id);
        assert_eq!((run.outcome, run.error.as_deref()), (Some(outcome), Some(error)));
    }
}

#[test]
fn a_sandbox_that_cannot_be_built_is_a_failed_run_that_says_why() {
    let house = House::own();
    fs::remove_dir_all(house.group("main")).expect("the folder is taken away");
    fs::write(house.group("main"), "").expect("a file in its place");
    let mut runner = Runner::start(&house, &format!("run {} message\n", house.session()));
    let id = runner.started();
    assert_eq!(runner.answer(), "ended failed");
    let error = house.run(&id).error.expect("it says why");
    assert!(error.contains("groups/main"), "{error}");
}

#[test]
fn an_agent_is_asked_to_leave_by_the_store_and_its_doorbell() {
    for house in House::each() {
        house.agent(POLITE);
        let session = house.session();
        let mut runner = Runner::start(&house, &format!("run {session} message\n"));
        let id = runner.started();
        wait_printed(&house, &id, "ready");
        let bell = house.kit.installation().doorbell(Doorbell::Run(&session));
        nc_daemon::ring(&bell);
        assert!(house.kit.store().ask_run_to_leave(&id, now()).expect("the store is written"));
        nc_daemon::ring(&bell);
        assert_eq!(runner.answer(), "ended completed", "in {} installation", house.whose);
        assert_eq!(house.run(&id).exit_detail.as_deref(), Some("asked to leave for others, left with status 0"));
        assert!(house.log(&id).ends_with("leaving\n"));
        assert_eq!(runner.end(), Some(0));
        assert!(!bell.exists(), "the doorbell is gone");
    }
}

#[test]
fn an_agent_that_does_not_leave_is_killed_with_all_that_it_started() {
    let house = House::own();
    let nap = nap(1);
    house.agent(&format!("cat > /dev/null; trap '' TERM; sleep {nap} & echo ready; while :; do sleep 0.05; done"));
    let mut runner = Runner::start(&house, &format!("run {} message\n", house.session()));
    let id = runner.started();
    wait_printed(&house, &id, "ready");
    processes::send(i32::try_from(runner.process.id()).expect("a pid"), Signal::SIGTERM);
    assert_eq!(runner.answer(), "ended killed");
    let run = house.run(&id);
    let detail = "asked to leave because the runner was told to stop, killed after 10 s, ended by SIGKILL";
    assert_eq!(
        (run.exit_detail.as_deref(), run.error.as_deref()),
        (Some(detail), Some("it did not leave when it was asked to"))
    );
    assert!(!is_running(&nap), "nothing of it is left when the end is told");
}

#[test]
fn output_is_kept_up_to_its_limit() {
    let mut house = House::own();
    house.kit.set("max_output=64KiB");
    house.agent("exec /workspace/agent/probe print 1000000");
    let mut runner = Runner::start(&house, &format!("run {} message\n", house.session()));
    let id = runner.started();
    assert_eq!(runner.answer(), "ended completed", "what is not kept is read all the same");
    let log = house.log(&id);
    assert!(log.ends_with("x\n[nc-runner: cut here, after 65536 bytes]\n"));
    assert_eq!(log.bytes().filter(|byte| *byte == b'x').count(), 65536);
}

#[test]
fn a_mailbox_that_was_set_aside_is_out_of_the_agents_sight() {
    for house in House::each() {
        house.agent("ls -A /workspace; ls /workspace/set-aside");
        let session = house.session();
        let directory = house.kit.installation().session_dir(house.main, &session);
        fs::write(&directory.outbound_db, "garbage").expect("a broken mailbox");
        house.settle();
        house.set_status(&session, "set_aside");
        let mut runner = Runner::start(&house, &format!("run {session} message\n"));
        let id = runner.started();
        assert_eq!(runner.answer(), "ended failed", "ls does not find it");
        let log = house.log(&id);
        assert!(!log.contains("outbound.db") && log.contains("inbound.db"), "{log}");
        let aside = directory.root.join("set-aside/outbound.db");
        assert_eq!(fs::read_to_string(aside).expect("a person can look at it"), "garbage");
    }
}

#[test]
fn a_link_in_the_place_of_a_mount_point_leads_nowhere() {
    for house in House::each() {
        house.agent("ls -ld /workspace/agent | cut -c1; ls /workspace/agent; echo x > /workspace/agent/made");
        let session = house.session();
        let work = house.kit.installation().session_dir(house.main, &session).work_dir;
        let elsewhere = house.kit.beside().join("home");
        symlink(&elsewhere, work.join("agent")).expect("a planted link");
        symlink("/etc/passwd", work.join("inbound.db")).expect("another");
        house.settle();
        let mut runner = Runner::start(&house, &format!("run {session} message\n"));
        let id = runner.started();
        assert_eq!(runner.answer(), "ended completed", "in {} installation: {}", house.whose, house.log(&id));
        assert!(house.log(&id).starts_with("d\n") && house.log(&id).contains("probe"), "{}", house.log(&id));
        assert!(house.group("main").join("made").exists() && !elsewhere.join("made").exists());
        assert!(
            work.join(format!("misplaced-{id}-agent")).is_symlink()
                && work.join(format!("misplaced-{id}-inbound.db")).is_symlink()
        );
    }
}

#[test]
fn what_the_agent_is_told_is_in_no_argument_and_no_environment() {
    let mut house = House::own();
    house.kit.set("assistant_name=Secretary4714");
    house.agent("told=$(cat); echo \"$told\" | grep -o Secretary4714; echo ready; trap 'exit 0' TERM; while :; do sleep 0.05; done");
    let mut runner = Runner::start(&house, &format!("run {} message\n", house.session()));
    let id = runner.started();
    wait_printed(&house, &id, "Secretary4714\nready");
    let shows = |pid: i32, file: &str| {
        fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| text(&bytes).contains("Secretary4714"))
    };
    let runner_pid = i32::try_from(runner.process.id()).expect("a pid");
    let family = processes::below(runner_pid);
    assert!(family.len() >= 3, "bubblewrap twice and the agent: {family:?}");
    for process in &family {
        assert!(!shows(process.pid, "environ") && !shows(process.pid, "cmdline"), "{process:?}");
    }
    assert!(shows(runner_pid, "environ"), "the runner itself has the key in its environment: the look would notice");
    processes::send(runner_pid, Signal::SIGTERM);
    assert_eq!(runner.answer(), "ended completed");
}

#[test]
fn nc_ipcd_is_rung_only_when_there_is_something_to_watch() {
    let house = House::own();
    let session = house.session();
    let installation = house.kit.installation();
    let work = installation.session_dir(house.main, &session).work_dir;
    fs::remove_dir_all(&work).expect("there is no directory of the agent's");
    fs::write(&work, "in the way of the agent's directory").expect("a file is written");
    let bell = installation.doorbell(Doorbell::Ipcd);
    fs::create_dir_all(installation.run_dir()).expect("the directory of doorbells is made");
    let bell = std::os::unix::net::UnixDatagram::bind(bell).expect("the doorbell is bound");
    bell.set_nonblocking(true).expect("it does not block");
    let mut runner = Runner::start(&house, &format!("run {session} message\n"));
    runner.started();
    assert_eq!((runner.answer(), runner.end()), ("ended failed".to_owned(), Some(0)));
    let rings = std::iter::from_fn(|| bell.recv(&mut [0; 8]).ok()).count();
    assert_eq!(rings, 1, "rung for the end alone: the agent's directory was never there");
}
