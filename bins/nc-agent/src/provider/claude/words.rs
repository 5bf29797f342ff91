//! What goes wrong, in words for the person who waits.

use std::time::Duration;

use super::protocol::Outcome;
use crate::gateway::Trouble;
use crate::parts::beginning;

/// How much of somebody else's words a person is shown, in bytes.
const MAX_QUOTE: usize = 400;

const TRY_LATER: &str = "Please write again in a while.";
const LOOK_AFTER: &str = "Whoever looks after this assistant has to see to it.";

/// Says why a turn failed: by what the gateway saw, or else by what Claude Code says.
pub(super) fn failure(outcome: &Outcome, trouble: Option<&Trouble>) -> String {
    let said = outcome.result.as_deref().or(outcome.errors.first().map(String::as_str)).unwrap_or_default();
    match (trouble, outcome.api_error_status) {
        // Of a request that is not as it has to be, such as one that is too long, Claude Code knows more.
        (Some(Trouble::Status { code: 400 | 413, .. }), _) => refused(said),
        (Some(trouble), _) => of_trouble(trouble),
        (None, Some(code)) => of_status(code, "", None),
        (None, None) if said.is_empty() => format!("Claude Code failed and did not say why. {TRY_LATER}"),
        (None, None) => format!("Claude Code failed: {} {TRY_LATER}", sentence(said)),
    }
}

fn refused(said: &str) -> String {
    format!("The model's API did not take the request: {}", sentence(said))
}

fn of_trouble(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Status { code, message, wait } => of_status(*code, message, *wait),
        Trouble::Unreachable { host, reason } => {
            format!("The model's API at {host} cannot be reached: {} {TRY_LATER}", sentence(reason))
        }
        Trouble::Cut => format!("The answer of the model's API broke off in the middle. {TRY_LATER}"),
        Trouble::Silent(time) => {
            format!("The model's API sent nothing for {} s. {TRY_LATER}", time.as_secs_f32().round())
        }
    }
}

fn of_status(code: u16, message: &str, wait: Option<Duration>) -> String {
    let said = if message.is_empty() { String::new() } else { format!(" It says: {}", sentence(message)) };
    match code {
        401 => format!("The model's API refused the credential (401).{said} {LOOK_AFTER}"),
        402 => format!("There is no credit left at the model's API (402).{said} {LOOK_AFTER}"),
        403 => format!("The model's API does not allow this with the present credential (403).{said} {LOOK_AFTER}"),
        404 => format!("The model's API does not know the model that is configured (404).{said} {LOOK_AFTER}"),
        429 => format!("The limit of the model's API is reached (429).{said} {}", when(wait)),
        503 | 529 => format!("The model's API is overloaded ({code}).{said} {TRY_LATER}"),
        500.. => format!("The model's API has a fault of its own ({code}).{said} {TRY_LATER}"),
        _ => format!("The model's API did not take the request ({code}).{said} {LOOK_AFTER}"),
    }
}

fn when(wait: Option<Duration>) -> String {
    match wait.map(|wait| wait.as_secs()) {
        None => TRY_LATER.to_owned(),
        Some(seconds @ 0..120) => format!("Please write again in {seconds} s."),
        Some(seconds @ 120..7200) => format!("Please write again in {} minutes.", seconds.div_ceil(60)),
        Some(seconds) => format!("Please write again in {} hours.", seconds.div_ceil(3600)),
    }
}

/// A quotation that ends as a sentence does, and has no line breaks.
pub(super) fn sentence(said: &str) -> String {
    let said = beginning(said.trim(), MAX_QUOTE).replace(char::is_control, " ");
    if said.ends_with(['.', '!', '?', '…']) { said } else { format!("{said}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(result: Option<&str>, code: Option<u16>) -> Outcome {
        serde_json::from_value(serde_json::json!({"result": result, "api_error_status": code})).unwrap()
    }

    fn status(code: u16, wait: Option<u64>) -> Trouble {
        Trouble::Status { code, message: "Why\nnot".to_owned(), wait: wait.map(Duration::from_secs) }
    }

    #[test]
    fn each_trouble_has_words_of_its_own() {
        let outcome = outcome(Some("API Error: told"), None);
        let host = "api.example".to_owned();
        for (trouble, begins, ends) in [
            (status(401, None), "The model's API refused the credential (401). It says: Why not.", LOOK_AFTER),
            (status(402, None), "There is no credit left", LOOK_AFTER),
            (status(403, None), "The model's API does not allow", LOOK_AFTER),
            (status(404, None), "The model's API does not know the model", LOOK_AFTER),
            (status(429, None), "The limit of the model's API", TRY_LATER),
            (status(429, Some(30)), "The limit of the model's API", "in 30 s."),
            (status(429, Some(601)), "The limit of the model's API", "in 11 minutes."),
            (status(429, Some(90_000)), "The limit of the model's API", "in 25 hours."),
            (status(529, None), "The model's API is overloaded (529)", TRY_LATER),
            (status(500, None), "The model's API has a fault", TRY_LATER),
            (status(400, None), "The model's API did not take the request: API Error: told", "told."),
            (Trouble::Unreachable { host, reason: "refused".to_owned() }, "The model's API at api.example", TRY_LATER),
            (Trouble::Cut, "The answer of the model's API broke off", TRY_LATER),
            (Trouble::Silent(Duration::from_secs(40)), "The model's API sent nothing for 40 s", TRY_LATER),
        ] {
            let said = failure(&outcome, Some(&trouble));
            assert!(said.starts_with(begins) && said.ends_with(ends), "{said}");
        }
    }

    #[test]
    fn what_only_claude_code_knows_is_quoted() {
        let said = |result: Option<&str>, code| failure(&outcome(result, code), None);
        assert_eq!(said(Some("Out of turns"), None), format!("Claude Code failed: Out of turns. {TRY_LATER}"));
        assert_eq!(said(None, None), format!("Claude Code failed and did not say why. {TRY_LATER}"));
        assert_eq!(said(Some("x"), Some(529)), format!("The model's API is overloaded (529). {TRY_LATER}"));
        assert!(said(Some(&"é".repeat(1000)), None).len() < 600);
    }
}
