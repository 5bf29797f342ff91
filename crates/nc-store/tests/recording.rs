//! What is kept of what people write, and how it is found again.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use nc_model::{ChatId, FolderName, GroupId, Seq, Timestamp};
use nc_store::{
    MAX_BATCH, NewChat, NewGroup, NewMessage, NewWiring, Recorded, Search, Store, StoreError, Verdict, now,
};
use rusqlite::Connection;
use tempfile::TempDir;

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("messages.db")).expect("a store");
    (dir, store)
}

fn chat(store: &mut Store, platform_id: &str, is_group: bool) -> ChatId {
    let chat = NewChat { channel: "test", platform_id, name: Some(platform_id), is_group };
    store.ensure_chat(&chat).expect("a chat")
}

fn wire(store: &mut Store, chat: ChatId, folder: &str) -> GroupId {
    let folder = FolderName::parse(folder).expect("a folder");
    let group = match store.group_by_folder(&folder).expect("a look") {
        Some(group) => group,
        None => store.create_group(&NewGroup::new("Family", folder)).expect("a group"),
    };
    store.wire(&NewWiring::new(chat, group.id), None).expect("a wiring");
    group.id
}

fn words(store: &Store, words: &str) -> Vec<i64> {
    let found = store.search(&Search { words, group: None, before: None, limit: 100 }).expect("a search");
    found.iter().map(|message| message.seq.0).collect()
}

#[test]
fn a_message_is_stored_once_however_often_it_comes() {
    let (_dir, mut store) = store();
    let direct = chat(&mut store, "ana", false);
    let other = chat(&mut store, "ben", false);
    let message = NewMessage::new(direct, "e1", "hello");
    assert_eq!(store.record(&message).expect("new"), Recorded::New(Seq(1)));
    let again = NewMessage { text: Some("changed".to_owned()), ..message.clone() };
    assert_eq!(store.record(&again).expect("known"), Recorded::Known(Seq(1)));
    assert_eq!(store.message(Seq(1)).expect("it").text.as_deref(), Some("hello"));
    assert_eq!(store.record(&NewMessage::new(other, "e1", "hi")).expect("another chat's").seq(), Seq(2));
    let twice = [NewMessage::new(other, "e2", "a"), NewMessage::new(other, "e2", "a")];
    let recorded = store.record_batch(&twice).expect("a batch");
    assert_eq!(recorded, [Recorded::New(Seq(3)), Recorded::Known(Seq(3))]);
    assert_eq!(store.newest_seq().expect("the newest"), Seq(3));
}

#[test]
fn of_a_chat_without_a_wiring_only_who_where_and_when_is_kept() {
    let (_dir, mut store) = store();
    let unwired = chat(&mut store, "neighbours", true);
    let wired = chat(&mut store, "family", true);
    let direct = chat(&mut store, "ana", false);
    wire(&mut store, wired, "family");
    let files = serde_json::json!([{ "name": "cat.jpg" }]);
    let message = |chat, event: &str| NewMessage {
        sender_id: Some(format!("test:{event}")),
        sender_name: Some("Ana".to_owned()),
        attachments: Some(files.clone()),
        ..NewMessage::new(chat, event, "a secret word")
    };
    let mention = NewMessage { is_mention: true, ..message(unwired, "mention") };
    let batch = [message(unwired, "unwired"), mention, message(wired, "wired"), message(direct, "direct")];
    store.record_batch(&batch).expect("a batch");
    let bare = store.message(Seq(1)).expect("the first");
    assert_eq!((bare.text, bare.attachments), (None, None));
    assert_eq!((bare.sender_id.as_deref(), bare.sender_name.as_deref()), (Some("test:unwired"), Some("Ana")));
    for seq in 2..=4 {
        let kept = store.message(Seq(seq)).expect("it");
        assert_eq!(kept.text.as_deref(), Some("a secret word"), "{seq}");
        assert_eq!(kept.attachments.as_deref(), Some("[{\"name\":\"cat.jpg\"}]"), "{seq}");
    }
    assert_eq!(words(&store, "secret"), [4, 3, 2]);
    assert_eq!(store.user("test:unwired").expect("a look"), None);
    assert_eq!(store.user("test:wired").expect("a look").expect("a user").display_name.as_deref(), Some("Ana"));
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let (_dir, mut store) = store();
    let direct = chat(&mut store, "ana", false);
    let good = NewMessage::new(direct, "1", "x");
    let bad = [
        NewMessage::new(direct, "", "x"),
        NewMessage::new(ChatId(99), "2", "x"),
        NewMessage { sender_id: Some("nobody".to_owned()), ..NewMessage::new(direct, "3", "x") },
        NewMessage { sender_id: Some(":x".to_owned()), ..NewMessage::new(direct, "4", "x") },
    ];
    for message in bad {
        let error = store.record_batch(&[good.clone(), message]).expect_err("a bad message");
        assert_eq!(error.verdict(), Verdict::Refuse, "{error}");
        assert_eq!(store.newest_seq().expect("a look"), Seq(0));
    }
    let many: Vec<_> = (0..=MAX_BATCH).map(|n| NewMessage::new(direct, n.to_string(), "x")).collect();
    let error = store.record_batch(&many).expect_err("too many");
    assert!(matches!(error, StoreError::TooMany { given: 101, most: 100 }), "{error}");
    store.record_batch(&many[1..]).expect("as many as may be");
    store.record_batch(&[]).expect("nothing");
}

#[test]
fn a_thousand_messages_that_waited_keep_their_order() {
    let (_dir, mut store) = store();
    let direct = chat(&mut store, "ana", false);
    let backlog: Vec<_> = (0..1000).map(|n| NewMessage::new(direct, format!("e{n}"), format!("number {n}"))).collect();
    let recorded = store.record_backlog(&backlog).expect("a backlog");
    assert_eq!((recorded.len(), recorded[999]), (1000, Recorded::New(Seq(1000))));
    let again = store.record_backlog(&backlog).expect("the same backlog");
    assert!(again.iter().zip(&recorded).all(|(again, first)| *again == Recorded::Known(first.seq())));
    let mut after = Seq(0);
    let mut seen = 0;
    loop {
        let page = store.messages_after(after, 300).expect("a page");
        let Some(last) = page.last() else { break };
        after = last.seq;
        for message in page {
            assert_eq!(message.text, Some(format!("number {seen}")));
            seen += 1;
        }
    }
    assert_eq!(seen, 1000);
    let newest = store.messages_of_chat(direct, None, 2).expect("the end");
    assert_eq!(newest.iter().map(|m| m.event_id.as_str()).collect::<Vec<_>>(), ["e999", "e998"]);
    let before = store.messages_of_chat(direct, Some(newest[1].seq), 1).expect("before it");
    assert_eq!(before[0].event_id, "e997");
}

#[test]
fn a_chat_knows_when_somebody_last_wrote_and_never_in_the_future() {
    let (_dir, mut store) = store();
    let direct = chat(&mut store, "ana", false);
    let last = |store: &Store| store.chat(direct).expect("the chat").last_message_at;
    assert_eq!(last(&store), None);
    let at = |event: &str, sent_at| NewMessage { sent_at, ..NewMessage::new(direct, event, "x") };
    store.record(&at("1", Timestamp(5000))).expect("a message");
    store.record(&at("2", Timestamp(4000))).expect("an older one");
    assert_eq!(last(&store), Some(Timestamp(5000)));
    store.record(&at("3", now().plus_ms(1_000_000))).expect("one of tomorrow");
    assert!(last(&store).expect("a time") <= now());
}

#[test]
fn search_takes_words_as_words() {
    let (_dir, mut store) = store();
    let direct = chat(&mut store, "ana", false);
    let wired = chat(&mut store, "family", true);
    let group = wire(&mut store, wired, "family");
    for (event, text) in
        [("1", "Café in \"Paris\" AND milk"), ("2", "milk -- text:no"), ("3", "NEAR the sea, O'Neill\0x")]
    {
        store.record(&NewMessage::new(direct, event, text)).expect("a message");
    }
    store.record(&NewMessage::new(wired, "4", "milk for the family")).expect("a message");
    assert_eq!(words(&store, "milk"), [4, 2, 1]);
    assert_eq!(words(&store, "PARIS cafe"), [1]);
    assert_eq!(words(&store, "mil*"), [4, 2, 1]);
    assert_eq!(words(&store, "mil"), Vec::<i64>::new());
    assert_eq!(words(&store, "NEAR sea"), [3]);
    assert_eq!(words(&store, "text:no"), [2]);
    for odd in
        ["", " ", "\"", "* ( )", "-milk", "NOT", "a:b", "{x}", "^", "\0", "milk\0paris", "\"\"\"\"", "'; DROP TABLE x"]
    {
        words(&store, odd);
    }
    let page = Search { words: "milk", group: Some(group), before: None, limit: 10 };
    let of_group = store.search(&page).expect("a search");
    assert_eq!(of_group.iter().map(|m| m.seq.0).collect::<Vec<_>>(), [4]);
    let before = Search { group: None, before: Some(Seq(4)), limit: 1, ..page };
    assert_eq!(store.search(&before).expect("a search")[0].seq, Seq(2));
}

#[test]
fn what_is_cleared_is_found_no_more_and_its_place_stays() {
    let (_dir, mut store) = store();
    let direct = chat(&mut store, "ana", false);
    store.record(&NewMessage::new(direct, "1", "refused words")).expect("a message");
    store.record(&NewMessage { text: None, ..NewMessage::new(direct, "2", "") }).expect("one without a text");
    for _ in 0..2 {
        store.clear_message(Seq(1)).expect("cleared");
        store.clear_message(Seq(2)).expect("cleared");
    }
    assert_eq!(words(&store, "refused"), Vec::<i64>::new());
    let cleared = store.message(Seq(1)).expect("its place");
    assert_eq!((cleared.text, cleared.event_id.as_str()), (None, "1"));
    assert!(matches!(store.clear_message(Seq(3)), Err(StoreError::NoSuch { what: "message", .. })));
    let raw = Connection::open(store.path()).expect("the file");
    raw.execute("UPDATE messages SET text = 'by hand' WHERE seq = 1", []).expect("a text by hand");
    raw.execute("UPDATE messages SET text = 'by foot' WHERE seq = 1", []).expect("another");
    assert_eq!((words(&store, "hand"), words(&store, "foot")), (vec![], vec![1]));
    let both_in_step = "INSERT INTO messages_text (messages_text, rank) VALUES ('integrity-check', 1)";
    raw.execute(both_in_step, []).expect("a check");
    raw.execute("INSERT INTO messages_text (rowid, text) VALUES (2, 'astray')", []).expect("a word out of step");
    raw.execute(both_in_step, []).expect_err("a check that notices");
}
