//! What became of a message, in words for the person who wrote it.

use nc_model::{Decision, RoutingOutcome};
use nc_store::{AgentFate, Fate};

/// How a message ended, taking all agents together: the best of what they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An agent sent something.
    Answered,
    /// The agents took it and sent nothing.
    Silent,
    /// It was not answered; why, as a fragment after what names the message.
    Unanswered(String),
}

/// How the message of `fate` ended; none while something may still come of it.
pub(super) fn verdict(fate: &Fate, assistant: &str) -> Option<Verdict> {
    let held = |agent: &AgentFate| agent.decision == Decision::Held && agent.outcome.is_none();
    let working = |agent: &AgentFate| agent.decision == Decision::Work && agent.outcome.is_none();
    if !fate.routed || fate.agents.iter().any(working) {
        return None;
    }
    let ended = |outcome| fate.agents.iter().any(|agent| agent.outcome == Some(outcome));
    let decided = |decision| fate.agents.iter().find(|agent| agent.decision == decision);
    Some(if ended(RoutingOutcome::Answered) || decided(Decision::Command).is_some() {
        Verdict::Answered
    } else if ended(RoutingOutcome::Failed) {
        Verdict::Unanswered("could not be answered; `nanoclawctl ledger` and the log say why".to_owned())
    } else if ended(RoutingOutcome::NoReply) {
        Verdict::Silent
    } else if fate.agents.iter().any(held) {
        Verdict::Unanswered("waits for an approval".to_owned())
    } else if let Some(agent) = decided(Decision::Context) {
        Verdict::Unanswered(format!(
            "is kept as context and not answered (rule {}): begin with @{assistant}",
            agent.rule
        ))
    } else {
        Verdict::Unanswered(not_taken(fate))
    })
}

fn not_taken(fate: &Fate) -> String {
    match fate.agents.first() {
        Some(agent) => format!(
            "was {} (rule {}): `nanoclawctl chat list` shows who listens to this chat",
            agent.decision.as_str(),
            agent.rule
        ),
        None => "was passed over by the router: `nanoclawctl ledger --check` says more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(decision: Decision, outcome: Option<RoutingOutcome>) -> AgentFate {
        AgentFate {
            group: Some(1),
            decision,
            rule: "some_rule".to_owned(),
            session_id: None,
            given_at: None,
            outcome,
            outcome_at: None,
            answer_delivery_id: None,
            notice_delivery_id: None,
        }
    }

    fn of(agents: &[(Decision, Option<RoutingOutcome>)]) -> Option<Verdict> {
        let agents = agents.iter().map(|&(decision, outcome)| agent(decision, outcome)).collect();
        verdict(&Fate { routed: true, agents }, "Andy")
    }

    #[test]
    fn the_best_of_what_the_agents_did_is_the_verdict() {
        use Decision::{Context, Dropped, Held, Work};
        use RoutingOutcome::{Answered, Failed, NoReply};
        assert_eq!(verdict(&Fate::default(), "Andy"), None);
        assert_eq!(of(&[(Work, None)]), None);
        assert_eq!(of(&[(Work, Some(Answered)), (Work, None)]), None);
        assert_eq!(of(&[(Work, Some(Answered)), (Work, Some(Failed))]), Some(Verdict::Answered));
        assert_eq!(of(&[(Work, Some(NoReply)), (Context, None)]), Some(Verdict::Silent));
        for (given, part) in [
            ((Work, Some(Failed)), "could not be answered"),
            ((Held, None), "waits for an approval"),
            ((Context, None), "begin with @Andy"),
            ((Dropped, None), "was dropped (rule some_rule)"),
        ] {
            let Some(Verdict::Unanswered(why)) = of(&[given]) else { panic!("{given:?}") };
            assert!(why.contains(part), "{why}");
        }
    }
}
