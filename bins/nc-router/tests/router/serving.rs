//! Starting, stopping, and what is said about it.

use nc_testkit::Signal;
use nix::fcntl::{FcntlArg, fcntl};

use crate::house::House;

#[test]
fn it_is_ready_says_what_it_does_and_stops_when_told() {
    let mut house = House::new();
    let (runner, router) = (house.runner(), house.router());
    router.wait_told("STATUS=0 sessions, 0 running, 0 waiting");
    house.say(house.owner, "hello");
    router.wait_told("STATUS=1 sessions, 1 running, 0 waiting");
    let _asked = runner.next();
    assert_eq!(router.stop(Signal::SIGTERM).code(), Some(0));
}

#[test]
fn a_second_router_is_refused_and_told_of_the_first() {
    let house = House::new();
    let router = house.router();
    let second = house.command().output().expect("a second router");
    assert_eq!(second.status.code(), Some(75));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&format!("is held by process {}", router.pid())), "{said}");
    assert_eq!(router.stop(Signal::SIGINT).code(), Some(0));
}

#[test]
fn a_wrong_configuration_is_refused_at_the_start_and_survived_at_a_reload() {
    let mut house = House::new();
    std::fs::write(house.path("nanoclaw.toml"), "max_runs = 0\n").expect("a file");
    let refused = house.command().output().expect("a router");
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("max_runs"), "{refused:?}");

    std::fs::write(house.path("nanoclaw.toml"), "assistant_name = \"Andy\"\n").expect("a file");
    let (chat, _) = house.group("family", true, |_| {});
    let router = house.router();
    let seq = house.say(chat, "@zoe hello");
    assert_eq!(house.decided(seq)[0].1, "context");
    std::fs::write(house.path("nanoclaw.toml"), "assistant_name = 7\n").expect("a file");
    router.send(Signal::SIGHUP);
    router.wait_said("the new configuration is refused");
    std::fs::write(house.path("nanoclaw.toml"), "assistant_name = \"Zoe\"\n").expect("a file");
    router.send(Signal::SIGHUP);
    router.wait_said("took a new configuration");
    let seq = house.say(chat, "@zoe hello");
    assert_eq!(house.decided(seq)[0].1, "work");
}

#[test]
fn a_newer_store_is_refused_until_a_person_looks() {
    let house = House::new();
    let file = house.installation.store_file();
    let version = 60..64;
    let House { place, store, installation, .. } = house;
    drop(store);
    let mut bytes = std::fs::read(&file).expect("the store");
    bytes[version].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&file, bytes).expect("a newer store");
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_nc-router"))
        .arg("--dir")
        .arg(place.path())
        .output()
        .expect("a router");
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("99"), "{refused:?}");
    drop(installation);
}

#[test]
fn a_wrong_option_is_a_mistake_of_usage() {
    let house = House::new();
    let mistaken = house.command().arg("--nonsense").output().expect("a router");
    assert_eq!(mistaken.status.code(), Some(64));
}

#[test]
fn one_session_is_placed_without_a_router_that_serves() {
    let mut house = House::new();
    let unknown = house.command().args(["--place", "nowhere"]).output().expect("a router");
    assert_eq!(unknown.status.code(), Some(1));
    let seq = house.say(house.owner, "hello");
    let router = house.router();
    let session = house.session_of(seq);
    let held = house.command().args(["--place", &session]).output().expect("a second router");
    assert_eq!(held.status.code(), Some(75));
    drop(router);
    let second = house.say(house.owner, "and more");
    let placed = house.command().args(["--place", &session]).output().expect("a router");
    assert_eq!(placed.status.code(), Some(0), "{placed:?}");
    let pending = nc_wire::mailbox::host::Inbound::open(&house.session_dir(&session).inbound_db)
        .and_then(|inbound| inbound.pending())
        .expect("the mailbox");
    assert_eq!(pending.last().expect("a row").id, format!("{second}:{}", house.main));
}

#[test]
fn a_store_that_others_keep_is_waited_for() {
    let mut house = House::new();
    let router = house.router();
    let message = house.message(house.owner, "hello");
    let seq = house.store.record(&message).expect("a message").seq();
    let shm = std::path::PathBuf::from(format!("{}-shm", house.installation.store_file().display()));
    let file = std::fs::File::options().read(true).write(true).open(shm).expect("the store's shared memory");
    // SQLite's own lock of the one writer, WAL_WRITE_LOCK: byte 120.
    let mut lock = libc_lock(nix::libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).expect("the writer's lock");
    house.ring();
    router.wait_said("asked again for 30 s");
    assert!(!house.fate(seq).routed);
    lock = libc_lock(nix::libc::F_UNLCK);
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).expect("the lock is let go");
    assert_eq!(house.decided(seq)[0].1, "work");
    router.wait_said("the store can be used again");
}

fn libc_lock(kind: nix::libc::c_int) -> nix::libc::flock {
    let small = |number: nix::libc::c_int| i16::try_from(number).expect("a small number");
    nix::libc::flock { l_type: small(kind), l_whence: small(nix::libc::SEEK_SET), l_start: 120, l_len: 1, l_pid: 0 }
}
