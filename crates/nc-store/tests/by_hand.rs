//! Runs by hand: who takes their prompt, what waits for their end, and what hinders them.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]
#![allow(dead_code, reason = "the house has more than this needs")]

mod house;

use house::House;
use nc_model::{Cause, Decision, RunOutcome};
use nc_store::{Begun, NewRun, RunEnd, Settlement, new_id, now};

fn run(id: &str, session: &str, cause: Cause, to_chat: bool) -> NewRun {
    NewRun {
        id: id.to_owned(),
        session: session.to_owned(),
        cause,
        to_chat,
        runtime: "bubblewrap".to_owned(),
        instance: "pid 1".to_owned(),
        boot_id: "boot".to_owned(),
        pid: 1,
        started_at: now(),
    }
}

impl House {
    fn end_run(&mut self, run: &str) {
        let end = RunEnd {
            ended_at: now(),
            outcome: RunOutcome::Completed,
            error: None,
            exit_detail: "left".to_owned(),
            cpu_ms: None,
            peak_rss: None,
        };
        self.store.end_run(run, &end).expect("ended");
    }

    fn placeable(&self, session: &str) -> (usize, usize) {
        let messages = self.store.messages_to_place(session, 10).expect("messages");
        (messages.len(), self.store.inbox_to_place(session, 10).expect("rows").len())
    }

    fn judge(&mut self, session: &str, run: &str) {
        self.store.collect_run(run, now()).expect("collected");
        let (session, run) = (session.to_owned(), Some(run.to_owned()));
        let settlement =
            Settlement { session, run, work: vec![], inbox: vec![], words: "given up".to_owned(), at: now() };
        self.store.settle(&settlement).expect("judged");
    }
}

#[test]
fn a_prompt_is_placed_while_its_own_run_lives_and_at_no_other_time() {
    let mut house = House::new();
    let session = house.store.own_session(house.groups[0]).expect("a session");
    let (own, other) = (new_id(), new_id());
    house.store.prompt_by_hand(&session, &own, "{\"text\":\"x\"}").expect("a prompt");
    assert_eq!(house.placeable(&session), (0, 0));
    let waiting = house.store.sessions_to_place().expect("sessions");
    assert_eq!(waiting, std::slice::from_ref(&session), "so that there is a mailbox");
    house.store.begin_run(&run(&other, &session, Cause::Message, true)).expect("begun");
    assert_eq!(house.placeable(&session), (0, 0), "another run does not get it");
    house.end_run(&other);
    house.judge(&session, &other);
    let queue = house.store.run_queue(now()).expect("a queue");
    assert!(queue.due.is_empty() && queue.next.is_none(), "nobody starts a run for it: {queue:?}");
    house.store.begin_run(&run(&own, &session, Cause::Manual, false)).expect("begun");
    assert_eq!(house.placeable(&session), (0, 1));
    house.end_run(&own);
    assert_eq!(house.placeable(&session), (0, 0));
    house.judge(&session, &own);
    assert!(!house.store.end_prompt(&session, &own).expect("ended"), "it ended with the judgement of its run");
}

#[test]
fn while_words_are_only_printed_what_people_write_waits() {
    let mut house = House::new();
    let session = house.store.own_session(house.groups[0]).expect("a session");
    let own = new_id();
    house.store.begin_run(&run(&own, &session, Cause::Manual, false)).expect("begun");
    let seq = house.message();
    house.decide(seq, [Some(Decision::Work), None], Decision::Ignored);
    assert_eq!(house.store.fate(seq).expect("a fate").agents[0].session_id.as_ref(), Some(&session));
    assert_eq!(house.placeable(&session), (0, 0));
    house.end_run(&own);
    assert_eq!(house.placeable(&session), (1, 0));
}

#[test]
fn what_hinders_a_run_by_hand_is_named() {
    let mut house = House::new();
    let session = house.store.own_session(house.groups[0]).expect("a session");
    let begin = |house: &mut House, id: &str, to_chat| {
        house.store.begin_run(&run(id, &session, Cause::Manual, to_chat)).expect("asked")
    };
    let ids = [new_id(), new_id()];
    assert_eq!(begin(&mut house, &ids[0], false), Begun::Started);
    assert_eq!(begin(&mut house, &ids[1], true), Begun::Live(ids[0].clone()));
    house.end_run(&ids[0]);
    assert_eq!(begin(&mut house, &ids[1], true), Begun::Uncollected(ids[0].clone()));
    house.judge(&session, &ids[0]);
    let seq = house.message();
    house.decide(seq, [Some(Decision::Work), None], Decision::Ignored);
    assert_eq!(begin(&mut house, &ids[1], false), Begun::Waiting(1));
    assert_eq!(house.store.hindrance_by_hand(&session, false).expect("read"), Some(Begun::Waiting(1)));
    assert_eq!(house.store.hindrance_by_hand(&session, true).expect("read"), None);
    assert_eq!(begin(&mut house, &ids[1], true), Begun::Started);
}

#[test]
fn a_fresh_session_is_nobody_elses() {
    let mut house = House::new();
    let group = house.groups[0];
    let own = house.store.own_session(group).expect("a session");
    assert_eq!(house.store.own_session(group).expect("a session"), own);
    let fresh = [(); 2].map(|()| house.store.fresh_session(group).expect("a session"));
    assert!(fresh[0] != fresh[1] && !fresh.contains(&own));
    assert_eq!(house.store.first_chat(group).expect("read"), Some(house.chat));
}
