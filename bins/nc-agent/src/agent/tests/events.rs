//! Tools, notices, what works beside the turns, and a provider that cannot be used.

use nc_wire::mailbox::{Delivered, DeliveredStatus};
use serde_json::{Value, json};

use super::*;
use crate::provider::BackgroundTask;

impl Stage {
    /// Calls a tool, and waits for what it returns.
    async fn call(&mut self, tool: &str, arguments: Value) -> ToolOutcome {
        self.event(Event::Called { call: "c".into(), tool: tool.into(), arguments });
        match self.did().await {
            Did::Return(call, outcome) if call == "c" => outcome,
            other => panic!("not what a tool returned: {other:?}"),
        }
    }
}

fn sent(seen: &Seen) -> Vec<(&str, &str)> {
    seen.out.iter().map(|(to, text)| (to.as_str(), text.as_str())).collect()
}

#[test]
fn what_a_tool_sends_is_there_before_the_turn_ends() {
    play(async {
        let mut stage = Stage::new(&["ana", "bo"], FOLDS);
        stage.say("1", "hello");
        let prompt = stage.pushed().await;
        let said = stage.call("send_message", json!({"text": "a moment", "to": "ana"})).await;
        assert_eq!(said, Ok("It is on its way to ana.".to_owned()));
        let seen = stage.seen();
        assert_eq!((sent(&seen), seen.acks["1"]), (vec![("ana", "a moment")], AckStatus::Processing));
        for (arguments, why) in [
            (json!({"text": "x"}), "Say in `to` where it goes. There are: ana, bo."),
            (json!({"text": "x", "to": "cy"}), "There is no destination \"cy\". There are: ana, bo."),
            (json!({"to": "ana"}), "text is missing or empty."),
        ] {
            assert_eq!(stage.call("send_message", arguments).await, Err(why.to_owned()));
        }
        // Somebody heard of it already: no correction is asked for.
        stage.result(Some(prompt.id), "I told Ana.");
        let seen = stage.until_acked("1", AckStatus::Completed).await;
        assert_eq!(sent(&seen), [("ana", "a moment")]);
    });
}

#[test]
fn with_one_destination_a_tool_needs_no_name_for_it() {
    play(async {
        let mut stage = Stage::new(&["ana"], FOLDS);
        stage.say("1", "hello");
        stage.pushed().await;
        let long = "x".repeat(300 * 1024);
        stage.call("send_message", json!({"text": long})).await.unwrap();
        let seen = stage.seen();
        assert_eq!(
            seen.out.iter().map(|(to, text)| (to.as_str(), text.len())).collect::<Vec<_>>(),
            [("home", 256 * 1024), ("home", 44 * 1024)]
        );
    });
}

#[test]
fn a_file_goes_by_its_name_in_the_outbox_until_the_host_has_it() {
    play(async {
        let mut stage = Stage::new(&["ana"], FOLDS);
        stage.say("1", "hello");
        let prompt = stage.pushed().await;
        fs::write(stage.root.path().join("a.txt"), "hello").unwrap();
        let refused = stage.call("send_file", json!({"path": "../a.txt"})).await.unwrap_err();
        let why = "\"../a.txt\" was not sent: a path may not have \"..\" in it.";
        assert_eq!(refused, format!("{why} Whoever waits for it does not know that: say so."));
        let said = stage.call("send_file", json!({"path": "a.txt", "text": "here"})).await.unwrap();
        assert_eq!(said, "a.txt (5 bytes) is on its way to where you were written from.");
        let work = Directory::open(stage.root.path()).unwrap();
        let Look::Snapshot(snapshot) = snapshot::read(&work, &Limits::default(), None).unwrap() else { panic!() };
        let row = snapshot.messages_out(|_| false).unwrap().rows.remove(0).unwrap();
        let Outgoing::Text(text) = &row.content else { panic!("{row:?}") };
        assert_eq!((text.text.as_str(), text.files.as_slice()), ("here", &["a.txt".to_owned()][..]));
        let file = stage.root.path().join("outbox").join(&row.id).join("a.txt");
        assert_eq!(fs::read(&file).unwrap(), b"hello");
        let (platform_message_id, status) = (None, DeliveredStatus::Delivered);
        let delivered = Delivered { message_out_id: row.id, platform_message_id, status, at: Timestamp(0) };
        stage.inbound.record_delivered(&[delivered]).unwrap();
        stage.result(Some(prompt.id), "");
        let deadline = Instant::now() + DEADLINE;
        while file.exists() {
            assert!(Instant::now() < deadline, "it stays");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
}

#[test]
fn a_notice_is_for_those_who_wait() {
    play(async {
        let mut stage = Stage::new(&["ana"], FOLDS);
        stage.say("1", "hello");
        let prompt = stage.pushed().await;
        stage.event(Event::Notice { text: "I begin anew.".into() });
        stage.result(Some(prompt.id), "Hi.");
        let seen = stage.until_acked("1", AckStatus::Completed).await;
        assert_eq!(sent(&seen), [("ana", "I begin anew."), ("home", "Hi.")]);
    });
}

#[test]
fn what_works_beside_the_turns_is_shown_as_a_tool_until_it_ends() {
    play(async {
        let mut stage = Stage::new(&["ana"], FOLDS);
        stage.say("1", "hello");
        let prompt = stage.pushed().await;
        let task = |id: &str| BackgroundTask { id: id.into(), name: format!("work {id}") };
        stage.event(Event::Background { tasks: vec![task("a")] });
        stage.result(Some(prompt.id), "It goes on.");
        let seen = stage.until_acked("1", AckStatus::Completed).await;
        assert_eq!(seen.tool.as_deref(), Some("work a"));
        stage.event(Event::Background { tasks: vec![task("b")] });
        stage.until(|seen| seen.tool.as_deref() == Some("work b")).await;
        stage.event(Event::Background { tasks: Vec::new() });
        stage.until(|seen| seen.tool.is_none()).await;
        stage.result(None, "It is done.");
        stage.until(|seen| sent(seen).last() == Some(&("home", "It is done."))).await;
    });
}

#[test]
fn a_provider_that_cannot_be_used_ends_the_messages_and_the_agent_with_the_reason() {
    play(async {
        let mut stage = Stage::new(&["ana"], FOLDS);
        stage.say("1", "hello");
        stage.pushed().await;
        stage.event(Event::Unusable { text: "It is not there.".into() });
        assert_eq!(stage.did().await, Did::End);
        let failure = stage.agent.await.unwrap().unwrap_err();
        assert_eq!(failure.to_string(), "It is not there.; a person must look");
        let work = Directory::open(stage.root.path()).unwrap();
        let Look::Snapshot(left) = snapshot::read(&work, &Limits::default(), None).unwrap() else { panic!() };
        let seen = Seen::read(&left);
        assert_eq!((sent(&seen), seen.acks["1"]), (vec![("ana", "It is not there.")], AckStatus::Failed));
        assert!(fs::exists(stage.root.path().join(".heartbeat")).unwrap());
    });
}
