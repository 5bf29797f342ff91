use super::*;
use proptest::prelude::*;

fn facts(text: &str) -> Facts<'_> {
    Facts {
        text: Some(text),
        kind: MessageKind::Message,
        is_bot: false,
        from_me: false,
        is_mention: false,
        is_direct: false,
        has_sender: true,
        policy: UnknownSenderPolicy::Public,
    }
}

fn wiring() -> WiringRules {
    WiringRules {
        group: GroupId(1),
        is_main: false,
        session_mode: SessionMode::Shared,
        engage_mode: EngageMode::Pattern,
        engage_pattern: None,
        default_trigger: Trigger::mention_name("Andy"),
        sender_scope: SenderScope::All,
        ignored_message_policy: IgnoredMessagePolicy::Accumulate,
        priority: 0,
    }
}

const STRANGER: Relation =
    Relation { standing: Standing { owner: false, admin: false, member: false }, in_conversation: false };
const MEMBER: Relation =
    Relation { standing: Standing { owner: false, admin: false, member: true }, in_conversation: false };

/// What is decided, and by which rule.
fn decided(facts: &Facts<'_>, wiring: &WiringRules, relation: Relation) -> (Decision, &'static str) {
    let Verdict { decision, rule, .. } = engage(facts, wiring, relation);
    (decision, rule)
}

#[test]
fn each_rule_calls_in_its_own_case_and_not_in_the_others() {
    let main = WiringRules { is_main: true, ..wiring() };
    let mention = WiringRules { engage_mode: EngageMode::Mention, ..wiring() };
    let sticky = WiringRules { engage_mode: EngageMode::MentionSticky, ..wiring() };
    let pattern = WiringRules { engage_pattern: Some(Trigger::pattern("deploy").unwrap()), ..wiring() };
    let main_pattern = WiringRules { is_main: true, ..pattern.clone() };
    let direct = |text| Facts { is_direct: true, ..facts(text) };
    let mentioned = |text| Facts { is_mention: true, ..facts(text) };
    let (work, context) = (Decision::Work, Decision::Context);
    let cases = [
        (facts("hi"), &main, (work, "main")),
        (direct("hi"), &wiring(), (work, "direct")),
        (facts("@andy hi"), &wiring(), (work, "trigger")),
        (facts("hi"), &wiring(), (context, "accumulate")),
        (mentioned("hi"), &wiring(), (context, "accumulate")),
        (facts("deploy it"), &pattern, (work, "pattern")),
        (facts("@andy hi"), &pattern, (context, "accumulate")),
        (direct("hi"), &pattern, (context, "accumulate")),
        (facts("hi"), &main_pattern, (context, "accumulate")),
        (facts("@andy hi"), &mention, (context, "accumulate")),
        (mentioned("hi"), &mention, (work, "mention")),
        (direct("hi"), &mention, (work, "mention")),
        (mentioned("hi"), &sticky, (work, "mention")),
        (direct("hi"), &sticky, (work, "mention")),
        (facts("hi"), &sticky, (context, "accumulate")),
        (Facts { is_bot: true, ..facts("@andy") }, &main, (context, "bot")),
        (Facts { from_me: true, ..direct("@andy") }, &main, (context, "own_message")),
        (Facts { text: None, ..facts("") }, &main, (context, "no_text")),
        (facts(" \n"), &main, (context, "no_text")),
    ];
    for (facts, wiring, expected) in cases {
        assert_eq!(decided(&facts, wiring, STRANGER), expected, "{facts:?} {wiring:?}");
    }
}

#[test]
fn a_conversation_goes_on_for_the_sticky_mode_alone() {
    let there = Relation { in_conversation: true, ..STRANGER };
    for (mode, expected) in [
        (EngageMode::MentionSticky, (Decision::Work, "sticky")),
        (EngageMode::Mention, (Decision::Context, "accumulate")),
        (EngageMode::Pattern, (Decision::Context, "accumulate")),
    ] {
        let wiring = WiringRules { engage_mode: mode, ..wiring() };
        assert_eq!(decided(&facts("and?"), &wiring, there), expected, "{mode}");
        let own = Facts { from_me: true, ..facts("and?") };
        assert_eq!(decided(&own, &wiring, there), (Decision::Context, "own_message"), "{mode}");
    }
}

#[test]
fn only_a_message_is_ever_work() {
    let main = WiringRules { is_main: true, ..wiring() };
    for kind in MessageKind::ALL.iter().copied().filter(|kind| *kind != MessageKind::Message) {
        let facts = Facts { kind, ..facts("@andy") };
        assert_eq!(decided(&facts, &main, MEMBER), (Decision::Context, "not_a_message"));
    }
}

#[test]
fn the_drop_policy_leaves_what_does_not_call_and_keeps_the_rule() {
    let drop = WiringRules { ignored_message_policy: IgnoredMessagePolicy::Drop, ..wiring() };
    assert_eq!(decided(&facts("hi"), &drop, STRANGER), (Decision::Ignored, "drop_policy"));
    let bot = Facts { is_bot: true, ..facts("hi") };
    assert_eq!(decided(&bot, &drop, STRANGER), (Decision::Ignored, "bot"));
    assert_eq!(decided(&facts("@andy hi"), &drop, STRANGER), (Decision::Work, "trigger"));
}

#[test]
fn who_may_call_is_the_chats_policy_and_then_the_wirings_scope() {
    use Decision::{Context, Dropped, Held, Work};
    use UnknownSenderPolicy::{Public, RequestApproval, Strict};
    // Policy, scope: what becomes of a call and of mere talk of a stranger's; of a member's both are taken.
    let cases = [
        (Public, SenderScope::All, (Work, "trigger"), (Context, "accumulate")),
        (Strict, SenderScope::All, (Dropped, "unknown_sender"), (Context, "accumulate")),
        (RequestApproval, SenderScope::All, (Held, "request_approval"), (Context, "accumulate")),
        (Public, SenderScope::Known, (Dropped, "sender_scope"), (Dropped, "sender_scope")),
        (Strict, SenderScope::Known, (Dropped, "unknown_sender"), (Dropped, "sender_scope")),
        (RequestApproval, SenderScope::Known, (Held, "request_approval"), (Dropped, "sender_scope")),
    ];
    for (policy, sender_scope, call, talk) in cases {
        let wiring = WiringRules { sender_scope, ..wiring() };
        let facts = |text| Facts { policy, ..facts(text) };
        assert_eq!(decided(&facts("@andy hi"), &wiring, STRANGER), call, "{policy} {sender_scope}");
        assert_eq!(decided(&facts("hi"), &wiring, STRANGER), talk, "{policy} {sender_scope}");
        assert_eq!(decided(&facts("@andy hi"), &wiring, MEMBER), (Work, "trigger"), "{policy} {sender_scope}");
        assert_eq!(decided(&facts("hi"), &wiring, MEMBER), (Context, "accumulate"), "{policy} {sender_scope}");
        let own = Facts { from_me: true, ..facts("hi") };
        assert_eq!(decided(&own, &wiring, STRANGER), (Context, "own_message"), "{policy} {sender_scope}");
    }
}

#[test]
fn a_sender_whom_nobody_can_name_cannot_be_approved() {
    let facts = Facts { policy: UnknownSenderPolicy::RequestApproval, has_sender: false, ..facts("@andy hi") };
    assert_eq!(decided(&facts, &wiring(), STRANGER), (Decision::Dropped, "unknown_sender"));
}

fn any_facts() -> impl Strategy<Value = Facts<'static>> {
    let text = proptest::sample::select(vec![None, Some(""), Some(" "), Some("hi"), Some("@andy hi"), Some("deploy")]);
    let kind = proptest::sample::select(MessageKind::ALL);
    let policy = proptest::sample::select(UnknownSenderPolicy::ALL);
    (text, kind, policy, any::<[bool; 5]>()).prop_map(|(text, kind, policy, flags)| {
        let [is_bot, from_me, is_mention, is_direct, has_sender] = flags;
        Facts { text, kind, is_bot, from_me, is_mention, is_direct, has_sender, policy }
    })
}

fn any_wiring() -> impl Strategy<Value = WiringRules> {
    let mode = proptest::sample::select(EngageMode::ALL);
    let scope = proptest::sample::select(SenderScope::ALL);
    let ignored = proptest::sample::select(IgnoredMessagePolicy::ALL);
    (mode, scope, ignored, any::<[bool; 2]>()).prop_map(|(mode, scope, ignored, [is_main, has_pattern])| WiringRules {
        is_main,
        engage_mode: mode,
        engage_pattern: has_pattern.then(|| Trigger::pattern("deploy").unwrap()),
        sender_scope: scope,
        ignored_message_policy: ignored,
        ..wiring()
    })
}

proptest! {
    #[test]
    fn whatever_is_decided_has_words_and_no_stranger_is_work_where_only_the_known_may(
        facts in any_facts(), wiring in any_wiring(), flags in any::<[bool; 4]>(),
    ) {
        let [owner, admin, member, in_conversation] = flags;
        let relation = Relation { standing: Standing { owner, admin, member }, in_conversation };
        let verdict = engage(&facts, &wiring, relation);
        prop_assert!(rule::RULES.iter().any(|(name, _)| *name == verdict.rule), "{}", verdict.rule);
        prop_assert_ne!(verdict.decision, Decision::Command);
        prop_assert!(verdict.calls || matches!(verdict.decision, Decision::Context | Decision::Ignored | Decision::Dropped));
        let known = relation.standing.is_known();
        if verdict.decision == Decision::Work && !known {
            prop_assert_eq!(facts.policy, UnknownSenderPolicy::Public);
            prop_assert_eq!(wiring.sender_scope, SenderScope::All);
        }
        if known {
            prop_assert!(!matches!(verdict.decision, Decision::Dropped | Decision::Held));
        }
    }
}
