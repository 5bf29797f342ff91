mod house;
mod orders;

use house::House;

use super::*;

use nc_model::{IgnoredMessagePolicy, Role, SenderScope, Seq, SessionMode, UnknownSenderPolicy};
use nc_store::{NewChat, NewMessage, NewWiring};

use UnknownSenderPolicy::{Public, RequestApproval, Strict};

#[test]
fn the_first_listener_that_leaves_a_message_names_the_rule_where_nobody_takes_it() {
    let mut house = House::new(&[]);
    let (one, two) = (house.group("one"), house.group("two"));
    let chat = house.chat("C1", true, Public);
    let message = house.message(chat, "hi");
    assert_eq!(house.say(&message), ["ignored no_wiring"]);
    house.wire(chat, one, |w| w.ignored_message_policy = IgnoredMessagePolicy::Drop);
    let message = house.message(chat, "hi");
    assert_eq!(house.say(&message), ["ignored drop_policy"]);
    house.wire(chat, two, |w| (w.sender_scope, w.priority) = (SenderScope::Known, 1));
    let message = house.message(chat, "hi");
    assert_eq!(house.say(&message), ["dropped sender_scope"]);
    let message = house.message(chat, "@andy hi");
    assert_eq!(house.say(&message), [format!("{one} work trigger")]);
    house.store.add_member("slack:U1", two, None).unwrap();
    let message = house.message(chat, "@andy hi");
    assert_eq!(house.say(&message), [format!("{two} work trigger"), format!("{one} work trigger")]);
}

#[test]
fn a_channel_may_have_another_trigger_than_the_name() {
    let mut house = House::new(&["channels.terminal.trigger=^hey bot", "assistant_name=Zoe"]);
    let group = house.group("one");
    let slack = house.chat("C1", true, Public);
    let terminal = NewChat { channel: "terminal", platform_id: "all", name: None, is_group: true };
    let terminal = house.store.ensure_chat(&terminal).unwrap();
    house.store.set_unknown_sender_policy(terminal, Public).unwrap();
    for chat in [slack, terminal] {
        house.wire(chat, group, |w| w.ignored_message_policy = IgnoredMessagePolicy::Drop);
    }
    let (work, ignored) = (format!("{group} work trigger"), "ignored drop_policy".to_owned());
    for (chat, text, expected) in [
        (terminal, "hey bot, hi", &work),
        (terminal, "@zoe hi", &ignored),
        (slack, "@zoe hi", &work),
        (slack, "hey bot, hi", &ignored),
    ] {
        let message = house.message(chat, text);
        assert_eq!(house.say(&message), std::slice::from_ref(expected), "{text}");
    }
}

#[test]
fn a_pattern_that_cannot_be_read_lets_nothing_in_and_is_told_once() {
    let mut house = House::new(&[]);
    let group = house.group("one");
    let chat = house.chat("C1", true, Public);
    house.wire(chat, group, |_| {});
    let raw = rusqlite::Connection::open(house.store.path()).unwrap();
    raw.execute("UPDATE wirings SET engage_pattern = '(' WHERE agent_group_id = ?1", [group.0]).unwrap();
    for _ in 0..2 {
        let message = house.message(chat, "anything");
        assert_eq!(house.say(&message), ["dropped engage_pattern"]);
    }
    let notices = house.store.open_notices().unwrap();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].text.contains("not a regular expression"), "{notices:?}");
    assert_eq!(house.text(Seq(1)), Some("anything".to_owned()), "whose fault is not the sender's keeps its text");
}

#[test]
fn a_conversation_begins_with_a_mention_and_not_with_context() {
    let mut house = House::new(&[]);
    let group = house.group("one");
    let chat = house.chat("C1", true, Public);
    house.wire(chat, group, |w| (w.engage_mode, w.session_mode) = (EngageMode::MentionSticky, SessionMode::PerThread));
    let say = |house: &mut House, thread: &str, mention: bool| {
        let mut message = house.message(chat, "hi");
        (message.thread_id, message.is_mention) = (Some(thread.to_owned()), mention);
        house.say(&message).remove(0)
    };
    let (context, sticky, mention) =
        (format!("{group} context accumulate"), format!("{group} work sticky"), format!("{group} work mention"));
    for (thread, mentions, expected) in [
        ("a", false, &context),
        ("a", false, &context),
        ("a", true, &mention),
        ("a", false, &sticky),
        ("b", false, &context),
        ("a", true, &mention),
    ] {
        assert_eq!(say(&mut house, thread, mentions), *expected, "{thread}");
    }
    let session =
        house.store.open_session(group, &SessionKey { chat: Some(chat), thread: Some("a".to_owned()) }).unwrap();
    assert!(house.store.close_session(&session.unwrap()).unwrap());
    assert_eq!(say(&mut house, "a", false), context, "a cleared session is in no conversation");
}

#[test]
fn a_conversation_of_the_same_batch_counts() {
    let mut house = House::new(&[]);
    let group = house.group("one");
    let chat = house.chat("C1", true, Public);
    house.wire(chat, group, |w| w.engage_mode = EngageMode::MentionSticky);
    let mut mention = house.message(chat, "hi");
    mention.is_mention = true;
    let first = house.store.record(&mention).unwrap().seq();
    let and = house.message(chat, "and?");
    let second = house.store.record(&and).unwrap().seq();
    assert_eq!(house.route(100), 2);
    assert_eq!(house.decided(first), [format!("{group} work mention")]);
    assert_eq!(house.decided(second), [format!("{group} work sticky")]);
}

#[test]
fn a_stranger_is_refused_counted_and_forgotten() {
    let mut house = House::new(&[]);
    let (one, two) = (house.group("one"), house.group("two"));
    let chat = house.chat("C1", true, Strict);
    house.wire(chat, one, |w| w.ignored_message_policy = IgnoredMessagePolicy::Drop);
    for (text, expected, kept) in [
        ("hi", "ignored drop_policy", true),
        ("@andy hi", "dropped unknown_sender", false),
        ("@andy", "dropped unknown_sender", false),
    ] {
        let message = house.message(chat, text);
        let seq = house.store.newest_seq().unwrap().0 + 1;
        assert_eq!(house.say(&message), [expected]);
        assert_eq!(house.text(Seq(seq)).is_some(), kept, "{text}");
    }
    assert_eq!(house.count("count AS n FROM dropped_senders"), 2);
    // Where another agent takes it, the text is kept, and the count goes on.
    house.wire(chat, two, |_| {});
    let message = house.message(chat, "hi");
    assert_eq!(house.say(&message), [format!("{two} context accumulate")]);
    assert_eq!(house.count("count AS n FROM dropped_senders"), 2);
    for (user, group) in [("slack:U1", None), ("slack:U1", Some(two))] {
        house.store.grant_role(user, Role::Admin, group, None).unwrap();
        let message = house.message(chat, "@andy hi");
        let both = [format!("{one} work trigger"), format!("{two} work trigger")];
        assert_eq!(house.say(&message), both);
    }
}

#[test]
fn an_approval_is_asked_for_once_and_everything_waits_for_it() {
    let mut house = House::new(&[]);
    let group = house.group("one");
    let chat = house.chat("C1", false, RequestApproval);
    house.wire(chat, group, |_| {});
    let mut approvals = Vec::new();
    for _ in 0..3 {
        let message = house.message(chat, "hello");
        assert_eq!(house.say(&message), [format!("{group} held request_approval")]);
        let open = house.store.ledger(nc_store::Span::ALL).unwrap().messages.open_rows;
        approvals.push(open.last().unwrap().approval_id.clone().unwrap());
    }
    approvals.dedup();
    assert_eq!(approvals.len(), 1);
    assert_eq!(house.text(Seq(3)).as_deref(), Some("hello"));
    let mut other = house.message(chat, "hello");
    other.sender_id = Some("slack:U2".to_owned());
    house.say(&other);
    assert_eq!(house.count("count(*) AS n FROM pending_approvals WHERE status = 'pending'"), 2);
    other.sender_id = None;
    other.event_id = "nobody".to_owned();
    assert_eq!(house.say(&other), ["dropped unknown_sender"]);
    assert_eq!(house.store.ledger_check(nc_store::Span::ALL).unwrap(), []);
    assert_eq!(house.store.count_sessions().unwrap(), 0);
}

#[test]
fn who_called_and_was_turned_away_is_counted_and_who_only_spoke_is_not() {
    let mut house = House::new(&[]);
    let (one, two) = (house.group("one"), house.group("two"));
    let (nobody, alone) = (house.chat("N", true, Public), house.chat("A", false, Public));
    let (drop, known) = (house.chat("D", true, Public), house.chat("K", true, Public));
    house.wire(drop, one, |w| w.ignored_message_policy = IgnoredMessagePolicy::Drop);
    house.wire(known, one, |w| w.sender_scope = SenderScope::Known);
    house.wire(known, two, |_| {});
    let mut expected = 0;
    for (chat, text, bot, mention, counted) in [
        (nobody, "hi", false, false, false),
        (nobody, "hi", false, true, true),
        (alone, "hi", false, false, true),
        (alone, "hi", true, false, false),
        (drop, "hi", false, false, false),
        (known, "hi", false, false, false),
        (known, "@andy hi", false, false, true),
    ] {
        let mut message = house.message(chat, text);
        (message.is_bot, message.is_mention) = (bot, mention);
        house.say(&message);
        expected += i64::from(counted);
        assert_eq!(house.count("count AS n FROM dropped_senders"), expected, "{text} {bot} {mention}");
    }
}

#[test]
fn a_command_is_answered_where_the_message_would_have_been_work_and_nowhere_else() {
    let mut house = House::new(&["provider=echo"]);
    let group = house.group("one");
    let (own, chat) = (house.owner, house.chat("C1", true, Public));
    let main = house.main;
    house.wire(chat, group, |w| w.engage_pattern = Some("^/|hey".to_owned()));
    let say = |house: &mut House, chat, by: &str, text: &str| {
        let mut message = house.message(chat, text);
        message.sender_id = Some(by.to_owned());
        let decided = house.say(&message);
        (decided, house.answers(if chat == own { "terminal" } else { "slack:acme" }))
    };
    for (chat, by, text, expected, answer) in [
        (own, "terminal:ana", "/Clear", format!("{main} command command"), Some("Session cleared.")),
        (own, "terminal:ana", "/cost", format!("{main} command command"), Some("There is no session yet.")),
        (
            own,
            "terminal:ana",
            "/help",
            format!("{main} command command_closed"),
            Some("/help does not reach an agent."),
        ),
        (own, "terminal:ana", "/deploy", format!("{main} work main"), None),
        (own, "terminal:ana", "/context", format!("{main} command command"), Some("This agent's model does not say")),
        (own, "terminal:ana", "/compact", format!("{main} command command"), Some("There is nothing to compact")),
        (own, "terminal:eve", "/clear", "dropped unknown_sender".to_owned(), None),
        (chat, "slack:U1", "/clear", format!("{group} command command_refused"), Some("/clear needs an admin.")),
        (chat, "slack:U1", "/login", format!("{group} command command_closed"), Some("/login does not reach")),
        (
            chat,
            "terminal:ana",
            "/files",
            format!("{group} command command"),
            Some("The group's folder cannot be listed"),
        ),
        (chat, "terminal:ana", " please /clear", format!("{group} context accumulate"), None),
    ] {
        let (decided, answers) = say(&mut house, chat, by, text);
        assert_eq!(decided, [expected], "{text}");
        assert_eq!(answers.len(), usize::from(answer.is_some()), "{text}: {answers:?}");
        assert!(answer.is_none_or(|begins| answers[0].starts_with(begins)), "{text}: {answers:?}");
    }
    assert_eq!(house.store.ledger_check(nc_store::Span::ALL).unwrap(), []);
}

#[test]
fn a_model_with_commands_of_its_own_gets_them() {
    let mut house = House::new(&["provider=claude"]);
    let mut message = house.message(house.owner, "/cost");
    message.sender_id = Some("terminal:ana".to_owned());
    assert_eq!(house.say(&message), [format!("{} work native_command", house.main)]);
    assert_eq!(house.answers("terminal"), Vec::<String>::new());
}

#[test]
fn a_cleared_session_keeps_what_it_has_taken_and_gets_no_more() {
    let mut house = House::new(&[]);
    let (main, chat) = (house.main, house.owner);
    let session = |house: &House, seq: i64| house.store.fate(Seq(seq)).unwrap().agents[0].session_id.clone();
    let texts = ["one", "/clear", "two", "/clear", "/clear", "three"];
    for text in texts {
        let mut message = house.message(chat, text);
        message.sender_id = Some("terminal:ana".to_owned());
        house.store.record(&message).unwrap();
    }
    while house.route(100) > 0 {}
    let (one, two, three) = (session(&house, 1), session(&house, 3), session(&house, 6));
    assert!(one.is_some() && one != two && two != three && one != three, "{one:?} {two:?} {three:?}");
    assert_eq!(session(&house, 2), None);
    assert_eq!(house.store.count_sessions().unwrap(), 1);
    assert_eq!(house.decided(Seq(5)), [format!("{main} command command")]);
    // All three have work, whether they take more or not.
    for id in [&one, &two, &three] {
        let rows = house.store.messages_to_place(id.as_deref().unwrap(), 10).unwrap();
        assert_eq!(rows.len(), 1);
        house.store.placed(&[rows[0].routing], &[]).unwrap();
    }
    let due = house.store.run_queue(nc_store::now()).unwrap().due;
    assert_eq!(due.iter().map(|w| Some(w.session.clone())).collect::<Vec<_>>(), [one, two, three]);
    assert_eq!(house.store.ledger_check(nc_store::Span::ALL).unwrap(), []);
}

#[test]
fn sessions_are_of_a_chat_a_thread_or_an_agent() {
    let mut house = House::new(&[]);
    for (mode, expected) in [(SessionMode::Shared, 2), (SessionMode::PerThread, 4), (SessionMode::AgentShared, 1)] {
        let group = house.group(&mode.to_string());
        let mut sessions = HashSet::new();
        for name in ["x", "y"] {
            let chat = house.chat(&format!("{mode}-{name}"), true, Public);
            house.wire(chat, group, |w| w.session_mode = mode);
            for thread in [None, Some("t"), None] {
                let mut message = house.message(chat, "@andy hi");
                message.thread_id = thread.map(str::to_owned);
                let seq = house.store.record(&message).unwrap().seq();
                house.route(100);
                sessions.insert(house.store.fate(seq).unwrap().agents[0].session_id.clone());
            }
        }
        assert_eq!(sessions.len(), expected, "{mode}");
    }
}
