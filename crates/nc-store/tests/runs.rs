//! A run's life in the store: each step once, in order, whoever asks.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use nc_model::{Cause, FolderName, RunOutcome, SessionStatus, Timestamp};
use nc_store::{Begun, NewGroup, NewRun, RunEnd, Store, Usage};
use rusqlite::Connection;
use tempfile::TempDir;

/// A store with the sessions `s1` and `s2` of one group.
fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("messages.db");
    let mut store = Store::open(&path).expect("a store");
    let mut group = NewGroup::new("Family", FolderName::parse("family").expect("a folder"));
    group.provider = Some("echo".to_owned());
    let group = store.create_group(&group).expect("a group").id;
    let raw = Connection::open(&path).expect("the file");
    for session in ["s1", "s2"] {
        let row = "INSERT INTO sessions (id, agent_group_id, thread_id, created_at) VALUES (?1, ?2, ?1, 0)";
        raw.execute(row, (session, group.0)).expect("a session");
    }
    (dir, store)
}

fn run(id: &str, session: &str, started_at: i64) -> NewRun {
    NewRun {
        id: id.to_owned(),
        session: session.to_owned(),
        cause: Cause::Message,
        to_chat: true,
        runtime: "bubblewrap".to_owned(),
        instance: "pid 1".to_owned(),
        boot_id: "b".to_owned(),
        pid: 1,
        started_at: Timestamp(started_at),
    }
}

fn end(at: i64, outcome: RunOutcome) -> RunEnd {
    let (error, exit_detail) = (None, "left with status 0".to_owned());
    RunEnd { ended_at: Timestamp(at), outcome, error, exit_detail, cpu_ms: Some(5), peak_rss: Some(7) }
}

#[test]
fn a_session_has_one_live_run_and_a_run_each_step_once() {
    let (_dir, mut store) = store();
    assert_eq!(store.begin_run(&run("r1", "s1", 10)).expect("begun"), Begun::Started);
    assert_eq!(store.begin_run(&run("r2", "s1", 11)).expect("seen"), Begun::Live("r1".to_owned()));
    assert_eq!(store.begin_run(&run("r3", "s2", 12)).expect("begun"), Begun::Started);
    let ids = |runs: Vec<nc_store::Run>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(ids(store.live_runs().expect("read")), ["r1", "r3"]);
    assert!(!store.collect_run("r1", Timestamp(13)).expect("refused"), "it lives");
    store.name_sandbox("r1", "bubblewrap:1@2").expect("named");
    assert!(!store.run_should_leave("r1").expect("read"));
    assert!(store.ask_run_to_leave("r1", Timestamp(14)).expect("asked"));
    assert!(!store.ask_run_to_leave("r1", Timestamp(15)).expect("once"));
    assert!(store.run_should_leave("r1").expect("read"));
    assert!(store.end_run("r1", &end(16, RunOutcome::Completed)).expect("ended"));
    assert!(!store.end_run("r1", &end(17, RunOutcome::Failed)).expect("once"));
    assert!(!store.lose_run("r1", Timestamp(18), "x").expect("it ended"));
    assert_eq!(ids(store.uncollected_runs().expect("read")), ["r1", "r3"]);
    assert!(store.collect_run("r1", Timestamp(19)).expect("collected"));
    assert!(!store.collect_run("r1", Timestamp(20)).expect("once"));
    assert_eq!(ids(store.uncollected_runs().expect("read")), ["r3"]);
    let ended = store.run("r1").expect("read").expect("it is there");
    assert_eq!((ended.ended_at, ended.outcome), (Some(Timestamp(16)), Some(RunOutcome::Completed)));
    assert_eq!((ended.leave_at, ended.collected_at), (Some(Timestamp(14)), Some(Timestamp(19))));
    assert_eq!((ended.sandbox_id.as_deref(), ended.cpu_ms, ended.peak_rss), (Some("bubblewrap:1@2"), Some(5), Some(7)));
    assert!(store.live_run("s1").expect("read").is_none());
    assert_eq!(store.begin_run(&run("r4", "s1", 21)).expect("begun"), Begun::Started);
    assert_eq!(store.last_run("s1").expect("read").expect("it is there").id, "r4");
    assert_eq!(ids(store.recent_runs(Timestamp(21), 2).expect("read")), ["r3", "r1"]);
}

#[test]
fn a_lost_run_says_so() {
    let (_dir, mut store) = store();
    store.begin_run(&run("r1", "s1", 10)).expect("begun");
    assert!(store.lose_run("r1", Timestamp(11), "its runner went away without a word").expect("lost"));
    assert!(!store.end_run("r1", &end(12, RunOutcome::Completed)).expect("too late"));
    let lost = store.run("r1").expect("read").expect("it is there");
    assert_eq!((lost.outcome, lost.ended_at), (Some(RunOutcome::Lost), Some(Timestamp(11))));
    store
        .record_usage("r1", &Usage { input_tokens: Some(3), ..Usage::default() })
        .expect("what it used is kept all the same");
}

#[test]
fn a_plan_has_the_session_and_its_group() {
    let (_dir, store) = store();
    let plan = store.run_plan("s1").expect("read").expect("a plan");
    assert_eq!((plan.folder.as_str(), plan.provider.as_deref(), plan.is_main), ("family", Some("echo"), false));
    assert_eq!((plan.status, &*plan.container_config), (SessionStatus::Active, "{}"));
    assert!(store.run_plan("s3").expect("read").is_none());
    assert!(store.run_plan("").expect("read").is_none());
}
