//! Groups, their wirings and destinations, and the people around them.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use nc_model::container_config::SandboxLimits;
use nc_model::{
    Cause, ChatId, ContainerConfig, Decision, EngageMode, FolderName, GroupId, IgnoredMessagePolicy, Role, RunOutcome,
    SenderScope, Seq, SessionMode, TargetKind, UnknownSenderPolicy,
};
use nc_store::{
    Begun, Decided, Destination, GroupEdit, Left, MainGroup, NewChat, NewGroup, NewMainGroup, NewMessage, NewRun,
    NewWiring, RunEnd, Standing, Store, StoreError, Taken, Target, Verdict, now,
};
use rusqlite::Connection;
use tempfile::TempDir;

const TERMINAL: NewChat<'static> =
    NewChat { channel: "terminal", platform_id: "ana", name: Some("ana"), is_group: false };

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("messages.db")).expect("a store");
    (dir, store)
}

fn folder(name: &str) -> FolderName {
    FolderName::parse(name).expect("a folder")
}

fn make_main(store: &mut Store, name: &str) -> Result<MainGroup, StoreError> {
    store.create_main_group(&NewMainGroup {
        group: NewGroup::new("Andy", folder(name)),
        owner: "terminal:ana",
        owner_name: Some("Ana"),
        chat: TERMINAL,
    })
}

fn group(store: &mut Store, name: &str) -> GroupId {
    store.create_group(&NewGroup::new(name, folder(name))).expect("a group").id
}

fn chat(store: &mut Store, platform_id: &str, name: Option<&str>) -> ChatId {
    store.ensure_chat(&NewChat { channel: "test", platform_id, name, is_group: true }).expect("a chat")
}

/// The message `seq` of `chat` becomes work of `group`; its session.
fn give_work(store: &mut Store, chat: ChatId, group: GroupId, event: &str) -> String {
    let seq = store.record(&NewMessage::new(chat, event, "x")).expect("a message").seq();
    let taken = vec![Taken::work(group, "main", chat)];
    let left = Left { decision: Decision::Ignored, rule: "no_wiring".to_owned() };
    store.decide(&[Decided::new(seq, chat, taken, left)]).expect("a decision");
    let raw = Connection::open(store.path()).expect("the file");
    raw.query_row("SELECT session_id FROM routings WHERE message_seq = ?1", [seq.0], |row| row.get(0))
        .expect("a session")
}

fn new_run(session: &str) -> NewRun {
    NewRun {
        id: nc_store::new_id(),
        session: session.to_owned(),
        cause: Cause::Message,
        to_chat: true,
        runtime: "bubblewrap".to_owned(),
        instance: "1".to_owned(),
        boot_id: "b".to_owned(),
        pid: 1,
        started_at: now(),
    }
}

#[test]
fn the_main_group_comes_with_owner_chat_wiring_and_destination() {
    let (_dir, mut store) = store();
    assert_eq!(store.main_group().expect("a look"), None);
    let made = make_main(&mut store, "main").expect("the main group");
    assert_eq!(store.main_group().expect("a look"), Some(made.group.clone()));
    assert!(made.group.is_main);
    assert_eq!(made.local_name, "ana");
    assert_eq!(store.owners().expect("owners"), ["terminal:ana"]);
    assert_eq!(store.owner_chats().expect("chats"), [made.chat]);
    assert_eq!(store.find_chat("terminal", "ana").expect("a look").expect("the chat").id, made.chat);
    let wirings = store.wirings_of_chat(made.chat).expect("wirings");
    assert_eq!(wirings.len(), 1);
    let wiring = &wirings[0];
    assert_eq!((wiring.group, wiring.is_main, wiring.priority), (made.group.id, true, 0));
    assert_eq!((wiring.session_mode, wiring.engage_mode), (SessionMode::Shared, EngageMode::Pattern));
    assert_eq!((wiring.sender_scope, wiring.engage_pattern.as_deref()), (SenderScope::All, None));
    assert_eq!(wiring.ignored_message_policy, IgnoredMessagePolicy::Accumulate);
    let target = Target::Chat {
        id: made.chat,
        channel: "terminal".to_owned(),
        platform_id: "ana".to_owned(),
        name: Some("ana".to_owned()),
    };
    let destination = Destination { group: made.group.id, local_name: "ana".to_owned(), target };
    assert_eq!(store.destinations_of(made.group.id).expect("destinations"), [destination]);
    let standing = store.standing("terminal:ana", made.group.id).expect("a look");
    assert_eq!(standing, Standing { owner: true, admin: false, member: false });
}

#[test]
fn a_second_main_group_and_a_taken_folder_change_nothing() {
    let (_dir, mut store) = store();
    group(&mut store, "family");
    let error = make_main(&mut store, "family").expect_err("a taken folder");
    assert_eq!(error.to_string(), "make a group in the folder \"family\": another group has it; choose another folder");
    assert_eq!(store.owners().expect("owners"), Vec::<String>::new());
    assert_eq!(store.find_chat("terminal", "ana").expect("a look"), None);
    make_main(&mut store, "main").expect("the main group");
    for name in ["main", "other"] {
        let error = make_main(&mut store, name).expect_err("a second one");
        let says =
            "make a second main group: the group in the folder \"main\" is the main group, and there is one only";
        assert_eq!((error.to_string().as_str(), error.verdict()), (says, Verdict::Refuse));
    }
    let error = store.create_group(&NewGroup::new(" ", folder("x"))).expect_err("no name");
    assert_eq!(error.to_string(), "store name of a group \" \": it may not be empty");
}

#[test]
fn groups_are_listed_by_folder_in_pages_and_edited() {
    let (_dir, mut store) = store();
    for name in ["d", "b", "a", "c", "e"] {
        group(&mut store, name);
    }
    let page = |after: &str| -> Vec<String> {
        let groups = store.groups_page(after, 2).expect("a page");
        groups.into_iter().map(|group| group.folder.to_string()).collect()
    };
    assert_eq!(
        (page(""), page("b"), page("d"), page("e")),
        (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned(), "d".to_owned()], vec!["e".to_owned()], vec![])
    );
    let id = store.group_by_folder(&folder("a")).expect("a look").expect("the group").id;
    let limits = SandboxLimits { processes: Some(64), memory: None };
    let container = ContainerConfig { limits: Some(limits), ..ContainerConfig::default() };
    let edit = GroupEdit {
        name: Some("A".to_owned()),
        model: Some(Some("m".to_owned())),
        container: Some(container.clone()),
        ..GroupEdit::default()
    };
    let edited = store.edit_group(id, &edit).expect("an edit");
    assert_eq!((edited.name.as_str(), edited.model.as_deref(), edited.provider.as_deref()), ("A", Some("m"), None));
    assert_eq!(edited.container().expect("its configuration"), container);
    let cleared = store.edit_group(id, &GroupEdit { model: Some(None), ..GroupEdit::default() }).expect("an edit");
    assert_eq!((cleared.name.as_str(), cleared.model), ("A", None));
    assert!(matches!(store.edit_group(GroupId(99), &edit), Err(StoreError::NoSuch { what: "group", .. })));
}

#[test]
fn a_group_with_work_or_a_run_stays_and_one_without_goes_with_all_that_is_its_own() {
    let (_dir, mut store) = store();
    let family = group(&mut store, "family");
    let other = group(&mut store, "other");
    let place = chat(&mut store, "place", None);
    store.wire(&NewWiring::new(place, family), None).expect("a wiring");
    store.add_destination(other, "family", TargetKind::Agent, family.0).expect("a destination");
    store.upsert_user("test:ben", None).expect("a user");
    store.grant_role("test:ben", Role::Admin, Some(family), None).expect("a role");
    store.add_member("test:ben", family, None).expect("a member");
    let session = give_work(&mut store, place, family, "1");
    let error = store.remove_group(family).expect_err("work");
    let says =
        "remove the group in the folder \"family\": messages not answered: 1; wait until it is done, then try again";
    assert_eq!((error.to_string().as_str(), error.verdict()), (says, Verdict::Keep));
    let run = new_run(&session);
    assert_eq!(store.begin_run(&run).expect("a run"), Begun::Started);
    let raw = Connection::open(store.path()).expect("the file");
    raw.execute("UPDATE routings SET outcome = 'no_reply', outcome_at = 1", []).expect("the work is done");
    let error = store.remove_group(family).expect_err("a run");
    assert!(error.to_string().contains("runs live or not yet collected: 1"), "{error}");
    let end = RunEnd {
        ended_at: now(),
        outcome: RunOutcome::Completed,
        error: None,
        exit_detail: "0".to_owned(),
        cpu_ms: None,
        peak_rss: None,
    };
    store.end_run(&run.id, &end).expect("its end");
    store.collect_run(&run.id, now()).expect("its last look");
    assert_eq!(store.remove_group(family).expect("removed").folder, folder("family"));
    assert_eq!(store.wirings_of_chat(place).expect("wirings"), []);
    assert_eq!(store.destinations_of(other).expect("destinations"), []);
    assert_eq!(store.standing("test:ben", family).expect("a look"), Standing::default());
    let status: String =
        raw.query_row("SELECT status FROM sessions WHERE id = ?1", [&session], |r| r.get(0)).expect("it");
    assert_eq!(status, "closed");
    assert!(matches!(store.remove_group(family), Err(StoreError::NoSuch { .. })));
    assert_ne!(group(&mut store, "family"), family, "a key was given again");
}

#[test]
fn a_wiring_makes_its_destination_and_takes_it_along() {
    let (_dir, mut store) = store();
    let agent = group(&mut store, "agent");
    let chats: Vec<_> = ["1", "2", "3"].map(|id| chat(&mut store, id, Some("Family & Friends"))).into();
    let nameless = chat(&mut store, "C0!9", None);
    let names: Vec<_> = chats
        .iter()
        .chain([&nameless])
        .map(|chat| store.wire(&NewWiring::new(*chat, agent), None).expect("a wiring").local_name)
        .collect();
    assert_eq!(names, ["family-friends", "family-friends-2", "family-friends-3", "c0-9"]);
    assert_eq!(
        store.destination_to(agent, TargetKind::Chat, chats[1].0).expect("a look").as_deref(),
        Some("family-friends-2")
    );
    let error = store.wire(&NewWiring::new(chats[0], agent), None).expect_err("wired");
    assert_eq!(error.to_string(), "wire chat 1 to the group in the folder \"agent\": it is wired to it");
    assert!(store.unwire(chats[0], agent).expect("unwired"));
    assert!(!store.unwire(chats[0], agent).expect("nothing to do"));
    assert_eq!(store.destination_to(agent, TargetKind::Chat, chats[0].0).expect("a look"), None);
    let error = store.wire(&NewWiring::new(chats[0], agent), Some("c0-9")).expect_err("a taken name");
    assert_eq!(error.to_string(), "name a destination \"c0-9\": the group uses that name; choose another");
    assert_eq!(store.wirings_of_group(agent).expect("wirings").len(), 3, "half of it was done");
    let error = store.wire(&NewWiring::new(chats[0], agent), Some("<b>")).expect_err("a name that needs escapes");
    assert!(matches!(error, StoreError::BadValue { .. }), "{error}");
    let pattern = NewWiring { engage_pattern: Some("(".to_owned()), ..NewWiring::new(chats[0], agent) };
    assert!(matches!(store.wire(&pattern, None), Err(StoreError::Pattern { .. })));
    for (chat, group) in [(ChatId(99), agent), (chats[0], GroupId(99))] {
        assert!(matches!(store.wire(&NewWiring::new(chat, group), None), Err(StoreError::NoSuch { .. })));
    }
}

#[test]
fn every_word_of_a_wiring_is_kept_and_the_highest_priority_comes_first() {
    let (_dir, mut store) = store();
    let place = chat(&mut store, "place", None);
    let mut wired = Vec::new();
    for (n, session_mode) in SessionMode::ALL.iter().enumerate() {
        let name = format!("g{n}");
        let made = NewWiring {
            session_mode: *session_mode,
            engage_mode: EngageMode::ALL[n],
            sender_scope: SenderScope::ALL[n % 2],
            ignored_message_policy: IgnoredMessagePolicy::ALL[n % 2],
            engage_pattern: Some("^tea".to_owned()),
            priority: i64::try_from(n).expect("a small number"),
            ..NewWiring::new(place, group(&mut store, &name))
        };
        store.wire(&made, None).expect("a wiring");
        wired.insert(0, made);
    }
    let found = store.wirings_of_chat(place).expect("wirings");
    let read_back: Vec<_> = found
        .into_iter()
        .map(|w| NewWiring {
            chat: w.chat,
            group: w.group,
            session_mode: w.session_mode,
            engage_mode: w.engage_mode,
            engage_pattern: w.engage_pattern,
            sender_scope: w.sender_scope,
            ignored_message_policy: w.ignored_message_policy,
            priority: w.priority,
        })
        .collect();
    assert_eq!(read_back, wired);
}

#[test]
fn a_chat_keeps_its_key_while_its_name_follows() {
    let (_dir, mut store) = store();
    let id = chat(&mut store, "1", Some("Old"));
    for (name, after) in [(None, "Old"), (Some("New"), "New"), (Some("New"), "New")] {
        assert_eq!(chat(&mut store, "1", name), id);
        assert_eq!(store.chat(id).expect("the chat").name.as_deref(), Some(after));
    }
    store.set_unknown_sender_policy(id, UnknownSenderPolicy::Public).expect("a policy");
    assert_eq!(store.chat(id).expect("the chat").unknown_sender_policy, UnknownSenderPolicy::Public);
    let second = chat(&mut store, "2", None);
    let pages = [store.chats_page(None, 1).expect("a page"), store.chats_page(Some(id), 9).expect("a page")];
    assert_eq!(pages.map(|page| page.iter().map(|c| c.id).collect::<Vec<_>>()), [vec![id], vec![second]]);
    let empty = NewChat { channel: "", platform_id: "x", name: None, is_group: false };
    assert!(matches!(store.ensure_chat(&empty), Err(StoreError::BadValue { .. })));
    assert!(matches!(store.chat(ChatId(99)), Err(StoreError::NoSuch { what: "chat", .. })));
}

#[test]
fn the_last_owner_stays_and_roles_are_kept_once() {
    let (_dir, mut store) = store();
    let main = make_main(&mut store, "main").expect("the main group").group.id;
    let error = store.revoke_role("terminal:ana", Role::Owner, None).expect_err("the last one");
    assert!(matches!(error, StoreError::LastOwner { .. }), "{error}");
    assert_eq!(store.owners().expect("owners"), ["terminal:ana"]);
    assert!(matches!(store.grant_role("x:y", Role::Owner, None, None), Err(StoreError::NoSuch { what: "user", .. })));
    store.upsert_user("x:y", Some("Y")).expect("a user");
    assert!(matches!(store.grant_role("x:y", Role::Owner, Some(main), None), Err(StoreError::BadValue { .. })));
    for _ in 0..2 {
        store.grant_role("x:y", Role::Owner, None, Some("terminal:ana")).expect("a role");
        store.grant_role("x:y", Role::Admin, Some(main), None).expect("a role");
    }
    assert_eq!(store.roles_of("x:y").expect("roles").len(), 2);
    assert!(store.revoke_role("terminal:ana", Role::Owner, None).expect("there is another"));
    assert!(!store.revoke_role("terminal:ana", Role::Owner, None).expect("gone already"));
    assert!(store.remove_member("x:y", main).is_ok_and(|there| !there));
    for bad in ["", "x", ":", "x:", ":y"] {
        assert!(matches!(store.upsert_user(bad, None), Err(StoreError::BadValue { .. })), "{bad:?} was taken");
    }
    assert_eq!(store.newest_seq().expect("a look"), Seq(0));
}

#[test]
fn a_name_is_one_line_that_is_not_empty_and_not_endless() {
    let (_dir, mut store) = store();
    let made = group(&mut store, "family");
    let (long, longest) = ("n".repeat(256), "n".repeat(255));
    for bad in ["", " ", "a\nb", "a\tb", "\u{1b}[31mred", "\0", &long] {
        let new = store.create_group(&NewGroup::new(bad, folder("other")));
        assert!(matches!(new, Err(StoreError::BadValue { .. })), "{bad:?}: {new:?}");
        let edit = GroupEdit { name: Some(bad.to_owned()), ..GroupEdit::default() };
        assert!(matches!(store.edit_group(made, &edit), Err(StoreError::BadValue { .. })), "{bad:?}");
    }
    assert_eq!(store.groups_page("", 10).expect("groups").len(), 1);
    for good in ["Zoë & Jörg", longest.as_str()] {
        let edit = GroupEdit { name: Some(good.to_owned()), ..GroupEdit::default() };
        assert_eq!(store.edit_group(made, &edit).expect("a good name").name, good);
    }
}

#[test]
fn a_name_for_a_chat_that_is_none_is_refused_and_nothing_is_wired() {
    let (_dir, mut store) = store();
    let group = group(&mut store, "family");
    let chat = chat(&mut store, "x", None);
    for bad in ["", "A b", "-", "a--b"] {
        let error = store.wire(&NewWiring::new(chat, group), Some(bad)).expect_err("a bad name");
        assert!(matches!(error, StoreError::BadValue { .. }), "{bad:?}: {error:?}");
    }
    assert_eq!(store.wirings_of_chat(chat).expect("a look"), []);
    assert_eq!(store.destinations_of(group).expect("a look"), []);
}
