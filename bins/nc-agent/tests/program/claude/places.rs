//! What Claude Code is told, and what it finds where it works.

use std::fs;

use nc_testkit::messages_api::Reply;

use super::{House, whole};
use crate::session::destination;

#[test]
fn it_is_told_who_it_is_and_remembers_what_the_group_and_all_groups_remember() {
    let Some(house) = House::new("memory and instructions", ["One.", "Two."].map(Reply::text)) else { return };
    fs::write(house.session.work().join("agent/CLAUDE.md"), "The group keeps bees.").expect("memory");
    fs::write(house.session.work().join("global/CLAUDE.md"), "Everybody keeps time.").expect("memory");
    house.session.say("1", "hello");
    let agent = house.start();
    house.session.until_completed(&["1"]);
    let turn = whole(&house.turns()[0]);
    for told in [
        "You are Andy",
        "is sent to `home`",
        "The group keeps bees.",
        "Everybody keeps time.",
        "mcp__nanoclaw__send_file",
    ] {
        assert!(turn.contains(told), "{told:?} is not told");
    }
    for kept_away in ["\"AskUserQuestion\"", "\"CronCreate\"", "\"ScheduleWakeup\"", "\"EnterWorktree\""] {
        assert!(!turn.contains(kept_away), "{kept_away} is offered");
    }
    drop(agent);

    // A session that goes on hears what has changed.
    house.session.inbound.replace_destinations(&[destination("family", "ana")]).expect("one");
    house.session.say("2", "hello");
    let _agent = house.start();
    house.session.until_completed(&["2"]);
    let turn = whole(&house.turns()[1]);
    assert!(turn.contains("is sent to `family`") && !turn.contains("is sent to `home`"));
}

#[test]
fn the_model_is_the_hosts_or_else_the_credentials() {
    let Some(house) = House::new("the choice of the model", ["One.", "Two."].map(Reply::text)) else { return };
    let mut object = house.object();
    object.model = None;
    object.credentials.0.insert("ANTHROPIC_MODEL".to_owned(), "claude-of-the-credential".to_owned());
    for (number, (id, model)) in
        [("1", "claude-of-the-credential"), ("2", "claude-of-the-host")].into_iter().enumerate()
    {
        house.session.say(id, "hello");
        let _agent = house.start_with(&object, &[]);
        house.session.until_completed(&[id]);
        assert_eq!(house.turns()[number].body["model"], model);
        object.model = Some("claude-of-the-host".to_owned());
    }
}

#[test]
fn bedrock_is_asked_its_own_way() {
    let Some(house) = House::new("Amazon Bedrock", [Reply::text("From Bedrock.")]) else { return };
    let mut object = house.object();
    let given = [
        ("AWS_BEARER_TOKEN_BEDROCK", "aws-secret-0123456789".to_owned()),
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("ANTHROPIC_MODEL", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0".to_owned()),
        ("ANTHROPIC_BASE_URL", house.api.url()),
    ];
    object.credentials.0 = given.map(|(name, value)| (name.to_owned(), value)).into();
    house.session.say("1", "hello");
    let _agent = house.start_with(&object, &[]);
    assert_eq!(house.session.until_completed(&["1"]).texts(), ["From Bedrock."]);
    let turns = house.turns();
    assert!(turns[0].path.starts_with("/model/eu.anthropic.claude-sonnet-4-5"), "{}", turns[0].path);
    assert_eq!(turns[0].header("authorization"), Some("Bearer aws-secret-0123456789"));
}

#[test]
fn a_subscription_is_asked_with_its_beta() {
    let Some(house) = House::new("a subscription", [Reply::text("Hello.")]) else { return };
    let mut object = house.object();
    object.credentials.0.remove("ANTHROPIC_API_KEY");
    object.credentials.0.insert("CLAUDE_CODE_OAUTH_TOKEN".to_owned(), "oauth-secret-0123456789".to_owned());
    house.session.say("1", "hello");
    let _agent = house.start_with(&object, &[]);
    house.session.until_completed(&["1"]);
    let turns = house.turns();
    assert_eq!(turns[0].header("authorization"), Some("Bearer oauth-secret-0123456789"));
    let betas = turns[0].header("anthropic-beta").unwrap_or_default();
    assert_eq!(betas.matches("oauth-2025-04-20").count(), 1, "{betas}");
}
