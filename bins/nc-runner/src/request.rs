//! The line that asks for a run: `run <session> <cause>`.

use nc_model::Cause;

/// The longest line, in bytes: `run`, an id of 36 characters, the longest cause, and room for later words.
pub(crate) const LONGEST: usize = 256;

/// What the caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The session.
    pub(crate) session: String,
    /// Why.
    pub(crate) cause: Cause,
}

impl Request {
    /// Reads the line, without its end; the error is what the caller is told.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["run", session, cause] = words[..] else {
            return Err(format!("{line:?} is not a request: write \"run SESSION CAUSE\""));
        };
        if session.is_empty() {
            return Err("the session's id is empty".to_owned());
        }
        let cause = cause.parse().map_err(|error: nc_model::UnknownWord| error.to_string())?;
        Ok(Self { session: session.to_owned(), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_request_and_says_what_is_wrong_with_others() {
        let request = Request { session: "0192".into(), cause: Cause::Message };
        assert_eq!(Request::parse("run 0192 message"), Ok(request));
        let wrong = [
            ("", "\"\" is not a request: write \"run SESSION CAUSE\""),
            ("run 0192", "\"run 0192\" is not a request: write \"run SESSION CAUSE\""),
            ("run  message", "the session's id is empty"),
            ("stop 0192 message", "\"stop 0192 message\" is not a request: write \"run SESSION CAUSE\""),
            ("run 0192 whim", "\"whim\" is not a cause of a run: allowed are message, task, manual, approval"),
        ];
        for (line, said) in wrong {
            assert_eq!(Request::parse(line).unwrap_err(), said);
        }
    }
}
