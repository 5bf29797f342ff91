//! Hostile agents in the real toolkit, beside an honest one: whatever they leave in their mailbox, beside it and among their processes,
//! the person is answered by the next run, who has to be told is told, and nothing of the host changes.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use house::House;
use nc_model::SessionStatus;
use nc_testkit::hostile::{ATTACKS, Attack, Expect};
use nc_testkit::{Signal, wait_until};

/// How many hostile agents are at work at once.
const AT_ONCE: usize = 6;

/// How long what an answer does not wait for may take, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// The most memory that nc-ipcd may have had: two copies of the largest file with what SQLite may use, nc-router's far less.
const MOST_MIB: [(&str, u64); 2] = [("nc-ipcd", 400), ("nc-router", 200)];

/// How much of what a run printed is kept, with the mark where it was cut.
const MOST_PRINTED: u64 = 11 << 20;

#[test]
fn every_attack_of_the_list_is_one_that_the_agent_knows() {
    let output = Command::new(nc_testkit::example("nc-testkit", "hostile")).arg("--list").output();
    let said = String::from_utf8(output.expect("it starts").stdout).expect("names");
    let known: BTreeSet<&str> = said.lines().collect();
    let listed: BTreeSet<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
    assert_eq!(known, listed);
    assert_eq!((said.lines().count(), listed.len()), (ATTACKS.len(), ATTACKS.len()), "each is there once");
}

#[test]
fn hostile_agents_hurt_nobody_but_their_own_session() {
    let mut house = House::new();
    for attack in ATTACKS {
        house.invite(attack);
    }
    house.kit.up();
    assert!(house.say("main", "before").status.success(), "{}", house.kit.log());
    let outside = house.outside();
    let over = AtomicBool::new(false);
    let (failures, latencies) = std::thread::scope(|scope| {
        let honest = scope.spawn(|| talk_until(&house, &over));
        let failures = all_at_once(&house);
        over.store(true, Ordering::SeqCst);
        (failures, honest.join().expect("the honest session is answered"))
    });
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n\n"), house.kit.log());
    print_latencies(latencies);
    assert_eq!(house.outside(), outside, "a file of the host has changed");
    assert_eq!(house.leaks(), [""; 0], "a secret of the host was taken in");
    wait_until(SOON, "the ledger balances", || house.kit.ctl(["ledger", "--check"]).status.success());
    for (program, most) in MOST_MIB {
        let had = peak_mib(house.kit.process(program).pid);
        println!("{program} had {had} MiB at most");
        assert!(had < most, "{program} had {had} MiB");
    }
    assert_eq!(house.kit.stop(Signal::SIGTERM), Some(0), "{}", house.kit.log());
}

/// Makes all attacks, and gives what went wrong.
fn all_at_once(house: &House) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(attack) = ATTACKS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(why) = catch_unwind(AssertUnwindSafe(|| meet(house, attack))) {
                        let why = why.downcast_ref::<String>().cloned();
                        let failure = format!("{}: {}", attack.name, why.unwrap_or_else(|| "it panicked".to_owned()));
                        failures.lock().expect("the list").push(failure);
                    }
                }
            });
        }
    });
    failures.into_inner().expect("the list")
}

/// Has one attack made, and sees what comes of it.
fn meet(house: &House, attack: &Attack) {
    let name = attack.name;
    let text = format!("hello to {name}");
    let output = house.say(name, &text);
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains(&text), "{}: {said}\n{complained}", output.status);
    let printed = house.printed(name);
    assert!(printed.iter().any(|log| log.made), "the attack was not made: {printed:#?}");
    assert!(printed.iter().all(|log| log.bytes <= MOST_PRINTED), "more was kept than is allowed: {printed:#?}");
    let session = house.session(name);
    let work = house.kit.installation().session_dir(session.group, &session.id).work_dir;
    match attack.expect {
        Expect::SetAside(why) => {
            let told = |texts: Vec<String>, words: &str| texts.iter().any(|text| text.contains(words));
            wait_until(SOON, &format!("{name}: the session has a fresh file"), || {
                house.session(name).status == SessionStatus::Active && work.join("outbound.db").is_file()
            });
            let reasons = house.reasons(name);
            assert!(told(reasons.clone(), why), "no reason says {why:?}: {reasons:#?}");
            assert!(told(house.told_to(&session), "It was set aside"), "the agent is not told");
            wait_until(SOON, &format!("{name}: the person is told"), || {
                told(house.said_to(&session), "could not be read and is lost")
            });
            assert!(work.with_file_name("set-aside").is_dir(), "the file was not kept");
        }
        Expect::Refused(why) => {
            let reasons = house.reasons(name);
            let told = house.told_to(&session);
            for words in why {
                let is_said = |texts: &[String]| texts.iter().any(|text| text.contains(words));
                assert!(is_said(&reasons) || is_said(&told), "nobody says {words:?}: {reasons:#?} {told:#?}");
            }
            assert!(!told.is_empty(), "the agent is not told");
            assert_eq!(house.session(name).status, SessionStatus::Active);
        }
        Expect::Survived | Expect::Either => {
            wait_until(SOON, &format!("{name}: the session is in order"), || {
                house.session(name).status == SessionStatus::Active && work.join("outbound.db").is_file()
            });
            let may_be_aside = attack.expect == Expect::Either;
            assert!(
                may_be_aside || !work.with_file_name("set-aside").exists(),
                "set aside: {:#?}",
                house.reasons(name)
            );
        }
    }
}

/// Talks to the honest agent for as long as the others attack, and gives how long each answer took.
fn talk_until(house: &House, over: &AtomicBool) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while !over.load(Ordering::SeqCst) || latencies.is_empty() {
        let text = format!("honest word {}", latencies.len());
        let since = Instant::now();
        let output = house.say("main", &text);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(&text), "{said}\n{}", house.kit.log());
        latencies.push(since.elapsed());
    }
    latencies
}

fn print_latencies(mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_millis();
    println!(
        "{} attacks; {} honest answers beside them, median {} ms, 95 % within {} ms, all within {} ms",
        ATTACKS.len(),
        latencies.len(),
        at(50),
        at(95),
        at(100)
    );
}

/// The most memory that a process ever had.
fn peak_mib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process has a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib / 1024
}
