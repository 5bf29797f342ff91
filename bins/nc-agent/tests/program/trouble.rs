//! What the real program makes of a mailbox, a system or a start that is not as it should be.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime};

use nc_wire::mailbox::AckStatus;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::session::{Agent, DEADLINE, Session, program, run, start_object};

/// A thread's children inherit its filter: this one's know no inotify.
fn start_without_inotify(session: &Session) -> Agent {
    let (work, object) = (session.work(), start_object("").to_json());
    let log = session.log_file();
    let started = thread::spawn(move || {
        let refused = [(libc::SYS_inotify_init1, Vec::new())].into_iter().collect();
        let enosys = u32::try_from(libc::ENOSYS).expect("a small number");
        let architecture = std::env::consts::ARCH.try_into().expect("a known architecture");
        let filter = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(enosys), architecture)
            .expect("a filter");
        let filter: BpfProgram = filter.try_into().expect("a program");
        apply_filter(&filter).expect("the filter is applied");
        Agent::start(program(&work).stdin(Stdio::piped()).stderr(log), &object)
    });
    started.join().expect("a thread that ends")
}

#[test]
fn without_inotify_it_says_so_and_looks_by_itself() {
    let session = Session::new();
    let _agent = start_without_inotify(&session);
    session.until_logged(
        "no word of new mail, looking every 500 ms: watch the mailbox: watch \"inbound.db\": Function not implemented",
    );
    session.say("1", "hello");
    session.until_completed(&["1"]);
    session.say("2", "hello");
    session.until_completed(&["2"]);
}

#[test]
fn told_to_it_looks_by_itself_too() {
    let session = Session::new();
    // Another file under the same name: the watch stays on the old one, as where no word crosses a mount.
    let _agent = session.start_with(&start_object(""), &["--look-every", "20ms"]);
    session.say("1", "hello");
    session.until_completed(&["1"]);
    let inbound = session.work().join("inbound.db");
    fs::remove_file(&inbound).expect("the name goes");
    fs::copy(session.inbound.path(), session.work().join("copy")).expect("a copy");
    session.say("2", "hello");
    fs::copy(session.inbound.path(), session.work().join("copy")).expect("a copy");
    fs::rename(session.work().join("copy"), inbound).expect("the new one comes");
    session.until_completed(&["2"]);
}

#[test]
fn a_torn_mailbox_is_looked_at_again_until_it_is_whole() {
    let session = Session::new();
    session.say("1", "hello");
    let whole = fs::read(session.inbound.path()).expect("inbound.db");
    let file = File::options().write(true).open(session.inbound.path()).expect("inbound.db");
    file.write_all_at(&vec![0xff; whole.len()], 0).expect("it is torn");
    let _agent = session.start("");
    session.until_logged("inbound.db cannot be read now, looking again: read inbound.db: file is not a database");
    file.write_all_at(&whole, 0).expect("it is whole");
    session.until_completed(&["1"]);
    assert!(session.log().contains("inbound.db can be read again"));
    assert_eq!(session.log().matches("looking again").count(), 1, "said once");
}

#[test]
fn a_mailbox_that_was_torn_for_good_is_left_when_idle() {
    let session = Session::new();
    fs::write(session.inbound.path(), "not a database, and long enough to be none").expect("it is torn");
    let mut object = start_object("");
    object.limits.idle_timeout_ms = 300;
    assert_eq!(session.start_with(&object, &[]).ended().code(), Some(0));
}

/// SQLite's lock of a writer that is about to write: no reader comes in.
fn lock(file: &File) {
    let lock = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).expect("a small number"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("a small number"),
        l_start: 0x4000_0000,
        l_len: 512,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).expect("the lock is free");
}

#[test]
fn a_locked_mailbox_is_looked_at_again_though_nothing_tells_when_it_is_free() {
    let session = Session::new();
    session.say("1", "hello");
    let file = File::options().read(true).write(true).open(session.inbound.path()).expect("inbound.db");
    lock(&file);
    let _agent = session.start("");
    session.until_logged("looking again: read inbound.db: database is locked");
    // Closing a file that nothing was written to is an event too, but not of one that was opened to read.
    let reader = File::open(session.inbound.path()).expect("inbound.db");
    drop(file);
    session.until_completed(&["1"]);
    drop(reader);
}

fn heartbeat(session: &Session) -> SystemTime {
    fs::metadata(session.work().join(".heartbeat")).expect("a heartbeat").modified().expect("a time")
}

#[test]
fn an_answer_waits_for_a_locked_mailbox() {
    let session = Session::new();
    session.say("1", "hello");
    let _agent = session.start("delay=3s");
    session.until(|seen| seen.has(AckStatus::Processing));
    let file = File::options().read(true).write(true).open(session.inbound.path()).expect("inbound.db");
    lock(&file);
    // The last sign of work is that of the answer, which then waits for the lock.
    let locked = SystemTime::now();
    session.until(|_| heartbeat(&session) > locked + Duration::from_millis(500));
    assert!(session.seen().out.is_empty());
    drop(file);
    assert_eq!(session.until_completed(&["1"]).out.len(), 1);
}

/// Has `make` put something in the place of `outbound.db`, and the program refuse it with `said`.
fn refuses(make: fn(&Path), said: &str) {
    let session = Session::new();
    make(&session.work().join("outbound.db"));
    let status = session.start("").ended();
    assert_eq!(status.code(), Some(75), "{said}: {}", session.log());
    assert!(session.log().contains(said), "{said}: {}", session.log());
}

#[test]
fn a_thing_in_the_place_of_its_own_mailbox_is_refused_at_once() {
    refuses(|path| mkfifo(path, Mode::S_IRWXU).expect("a pipe"), "open \"outbound.db\"");
    refuses(|path| symlink("/etc/passwd", path).expect("a link"), "open \"outbound.db\"");
    refuses(|path| fs::create_dir(path).expect("a directory"), "open \"outbound.db\"");
}

#[test]
fn a_mailbox_that_cannot_be_used_makes_way_for_a_new_one() {
    let session = Session::new();
    fs::write(session.work().join("outbound.db"), "x".repeat(5000)).expect("rubbish");
    session.say("1", "hello");
    let _agent = session.start("");
    nc_testkit::wait_until(DEADLINE, "it is kept for a person to see", || {
        let mut names = fs::read_dir(session.work()).expect("it lists").flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("misplaced-"))
    });
    session.until_completed(&["1"]);
}

#[test]
fn a_heartbeat_that_cannot_be_given_is_no_reason_not_to_work() {
    let session = Session::new();
    symlink("nowhere", session.work().join(".heartbeat")).expect("a link");
    session.say("1", "hello");
    let _agent = session.start("");
    session.until_completed(&["1"]);
    assert!(!session.work().join("nowhere").exists(), "it made a file through the link");
}

#[test]
fn the_heartbeat_is_a_sign_of_work_alone() {
    let session = Session::new();
    session.say("1", "hello");
    let _agent = session.start("");
    session.until_completed(&["1"]);
    let before = heartbeat(&session);
    session.append(&[nc_wire::mailbox::InRow { trigger: false, ..crate::session::chat("2", "among us") }]);
    session.say("3", "hello");
    session.until_completed(&["3"]);
    assert!(heartbeat(&session) > before);
}

#[test]
fn a_start_that_makes_no_sense_is_told_and_a_person_must_look() {
    let unknown = start_object("").to_json().replace("\"echo\"", "\"nobody\"");
    let cases = [
        ("", "the start object is not right at line 1, column 0 (it ends too early); a person must look"),
        ("{", "the start object is not right"),
        ("{\"run\":\"r\"}", "(a field is missing or of the wrong type)"),
        (unknown.as_str(), "there is no provider \"nobody\": allowed are claude and echo; a person must look"),
        (
            &start_object("gpt").to_json(),
            "the provider \"echo\" has no model \"gpt\": leave it empty, or write delay=DURATION",
        ),
    ];
    for (input, said) in cases {
        let output = run(&[], input);
        let log = String::from_utf8(output.stderr).expect("a text");
        assert!(log.contains(said), "{input:?}: {log}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0), "{input:?}: {log}");
    }
}

#[test]
fn the_command_line_is_explained_and_a_wrong_one_refused() {
    let help = run(&["--help"], "");
    let text = String::from_utf8(help.stdout).expect("a text");
    assert_eq!(help.status.code(), Some(0));
    for part in ["--workspace <DIR>", "--look-every <DURATION>", "Exit status: 0"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let version = run(&["--version"], "");
    assert_eq!(String::from_utf8(version.stdout).expect("a text"), format!("nc-agent {}\n", env!("CARGO_PKG_VERSION")));
    for wrong in [&["--nonsense"][..], &["--look-every", "soon"], &["argument"]] {
        let refused = run(wrong, "");
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(64), 0), "{wrong:?}");
    }
}
