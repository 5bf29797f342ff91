//! The names of the older NanoClaw, for people's scripts.

use nc_model::{FolderName, Timestamp};
use nc_store::{NewChat, NewGroup, NewMainGroup, NewMessage, NewWiring, Store};
use rusqlite::Connection;

#[test]
fn chats_and_registered_groups_read_as_they_did() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(&dir.path().join("messages.db")).expect("a store");
    let terminal = NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false };
    let main = NewGroup::new("Andy", FolderName::parse("main").expect("a folder"));
    store
        .create_main_group(&NewMainGroup { group: main, owner: "terminal:ana", owner_name: None, chat: terminal })
        .expect("the main group");
    let family =
        store.create_group(&NewGroup::new("Family", FolderName::parse("family").expect("a folder"))).expect("a group");
    for (id, pattern) in [("1@g.us", None), ("2@g.us", Some(".")), ("3@g.us", Some("tea"))] {
        let chat = NewChat { channel: "whatsapp:home", platform_id: id, name: Some("Us"), is_group: true };
        let chat = store.ensure_chat(&chat).expect("a chat");
        let wiring = NewWiring { engage_pattern: pattern.map(str::to_owned), ..NewWiring::new(chat, family.id) };
        store.wire(&wiring, None).expect("a wiring");
        for ms in [1_700_000_000_001_i64, 1_763_999_999_999, 1_764_000_000_123] {
            let message = NewMessage { sent_at: Timestamp(ms), ..NewMessage::new(chat, ms.to_string(), "x") };
            store.record(&message).expect("a message");
            let raw = Connection::open(store.path()).expect("the file");
            let sql = "SELECT last_message_time FROM chats WHERE jid = ?1";
            let time: String = raw.query_row(sql, [id], |row| row.get(0)).expect("the chat");
            assert_eq!(time, Timestamp(ms).to_string());
        }
    }
    let raw = Connection::open(store.path()).expect("the file");
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = raw.prepare(sql).expect("a query");
        statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("rows")
    };
    let chats = rows(
        "SELECT concat_ws('|', jid, name, channel, is_group, last_message_time) FROM chats ORDER BY jid DESC LIMIT 2",
    );
    assert_eq!(chats, ["ana|ana|terminal|0", "3@g.us|Us|whatsapp:home|1|2025-11-24T16:00:00.123Z"]);
    let groups = rows(
        "SELECT concat_ws('|', jid, name, folder, trigger_pattern, container_config, requires_trigger)
           FROM registered_groups ORDER BY jid",
    );
    assert_eq!(
        groups,
        [
            "1@g.us|Family|family|{}|1",
            "2@g.us|Family|family|.|{}|0",
            "3@g.us|Family|family|tea|{}|1",
            "ana|Andy|main|{}|0"
        ]
    );
    assert!(rows("SELECT added_at FROM registered_groups").iter().all(|at| at.ends_with('Z') && at.len() == 24));
}
