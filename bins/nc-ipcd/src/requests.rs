//! What an agent may ask of the host, and what becomes of it.

use nc_store::Told;
use nc_wire::content::{CliResponse, Incoming, Request};

/// A request that agents know.
struct Rule {
    /// Its name on the wire.
    action: &'static str,
    /// How the agent is told that it was refused.
    refusal: Refused,
}

/// How the agent is told that a request was refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// As the answer that its tool waits for.
    Answer,
    /// As a message.
    Notice,
}

/// Every request of the wire. This version grants none of them: each is refused by its name.
const REQUESTS: &[Rule] = &[
    Rule { action: "schedule_task", refusal: Refused::Notice },
    Rule { action: "cancel_task", refusal: Refused::Notice },
    Rule { action: "pause_task", refusal: Refused::Notice },
    Rule { action: "resume_task", refusal: Refused::Notice },
    Rule { action: "update_task", refusal: Refused::Notice },
    Rule { action: "create_agent", refusal: Refused::Notice },
    Rule { action: "install_packages", refusal: Refused::Notice },
    Rule { action: "add_mcp_server", refusal: Refused::Notice },
    Rule { action: "request_rebuild", refusal: Refused::Notice },
    Rule { action: "cli_request", refusal: Refused::Answer },
    Rule { action: "register_group", refusal: Refused::Answer },
    Rule { action: "list_groups", refusal: Refused::Answer },
    Rule { action: "list_messages", refusal: Refused::Answer },
    Rule { action: "search_messages", refusal: Refused::Answer },
    Rule { action: "clear_session", refusal: Refused::Answer },
    Rule { action: "get_task", refusal: Refused::Answer },
    Rule { action: "run_task_now", refusal: Refused::Answer },
];

/// Why a request is refused, in words that fit after "it was refused: ".
pub(crate) fn refusal(request: &Request) -> String {
    let action = &request.action;
    match rule(action) {
        Some(_) => format!("the request {action:?} is not available in this version"),
        None => format!("there is no request {action:?}"),
    }
}

/// How the agent is told of the refusal of a request for `reason`: a tool that waits gets an answer, anything else a notice.
pub(crate) fn told(request: &Request, reason: &str, notice: String) -> Told {
    let waits = rule(&request.action).is_some_and(|rule| rule.refusal == Refused::Answer);
    match &request.request_id {
        Some(id) if waits => Told::Answer(answer(id, reason)),
        _ => Told::Notice(notice),
    }
}

/// What the mailbox holds for a tool that waits: no command of that name can be had.
fn answer(request_id: &str, reason: &str) -> String {
    let frame = serde_json::json!({
        "id": request_id, "ok": false, "error": { "code": "unknown-command", "message": reason },
    });
    Incoming::CliResponse(CliResponse { request_id: request_id.to_owned(), frame }).to_json()
}

fn rule(action: &str) -> Option<&'static Rule> {
    REQUESTS.iter().find(|rule| rule.action == action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(action: &str, id: Option<&str>) -> Request {
        Request::new(action, id, serde_json::Map::new())
    }

    #[test]
    fn a_request_is_refused_by_its_name() {
        let known = refusal(&request("schedule_task", None));
        assert_eq!(known, "the request \"schedule_task\" is not available in this version");
        assert_eq!(refusal(&request("make_coffee", None)), "there is no request \"make_coffee\"");
    }

    #[test]
    fn a_tool_that_waits_gets_a_frame_and_others_a_notice() {
        let told = |action, id| told(&request(action, id), "why", "notice".to_owned());
        let expected = r#"{"type":"cli_response","requestId":"7","frame":{"id":"7","ok":false,"error":{"code":"unknown-command","message":"why"}}}"#;
        assert_eq!(told("cli_request", Some("7")), Told::Answer(expected.to_owned()));
        assert_eq!(told("cli_request", None), Told::Notice("notice".to_owned()));
        assert_eq!(told("create_agent", Some("7")), Told::Notice("notice".to_owned()));
        assert_eq!(told("make_coffee", Some("7")), Told::Notice("notice".to_owned()));
    }
}
