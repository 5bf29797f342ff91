//! The line that asks for a run: `run <session> <cause>`, and by hand `run <session> manual <run> [print]`; or for a proof of the
//! walls: `prove <folder>`.

use nc_model::{Cause, FolderName};

/// The longest line, in bytes: `run`, two ids of 36 characters, the longest cause, and room for later words.
pub(crate) const LONGEST: usize = 256;

/// What the caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A run.
    Run(Request),
    /// What the group in this folder can reach.
    Prove(FolderName),
}

impl Asked {
    /// Reads the line, without its end; the error is what the caller is told.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        match line.strip_prefix("prove ") {
            Some(folder) => FolderName::parse(folder).map(Self::Prove).map_err(|error| error.to_string()),
            None => Request::parse(line).map(Self::Run),
        }
    }
}

/// A run that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The session.
    pub(crate) session: String,
    /// Why.
    pub(crate) cause: Cause,
    /// What a person asks for besides.
    pub(crate) by_hand: Option<ByHand>,
}

/// A run that a person's own program asks for. It is over when that program goes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByHand {
    /// Its id, so that a prompt can be there for it before it begins.
    pub(crate) run: String,
    /// What the agent says is printed, and not sent.
    pub(crate) print: bool,
}

impl Request {
    fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let wrong = || format!("{line:?} is not a request: write \"run SESSION CAUSE\"");
        let ["run", session, cause, ref by_hand @ ..] = words[..] else { return Err(wrong()) };
        if session.is_empty() {
            return Err("the session's id is empty".to_owned());
        }
        let cause = cause.parse().map_err(|error: nc_model::UnknownWord| error.to_string())?;
        let by_hand = match (cause, by_hand) {
            (_, []) => None,
            (Cause::Manual, [run]) => Some(ByHand { run: id(run)?, print: false }),
            (Cause::Manual, [run, "print"]) => Some(ByHand { run: id(run)?, print: true }),
            _ => return Err(wrong()),
        };
        Ok(Self { session: session.to_owned(), cause, by_hand })
    }
}

/// The id of a run, which becomes the name of a file: a UUID as the store writes it, 36 characters of lower case.
fn id(word: &str) -> Result<String, String> {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let fits = |(at, byte): (usize, u8)| {
        if dash(at) { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') }
    };
    if word.len() == 36 && word.bytes().enumerate().all(fits) {
        return Ok(word.to_owned());
    }
    Err(format!("{word:?} is not the id of a run: write a UUID in lower case"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a20efa-7b13-72b6-b840-40cc0585f8a8";

    #[test]
    fn takes_a_folder_and_no_path_to_be_proved() {
        let folder = FolderName::parse("family").unwrap();
        assert_eq!(Asked::parse("prove family"), Ok(Asked::Prove(folder)));
        for line in ["prove ../family", "prove ", "prove family print"] {
            assert!(Asked::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn takes_the_request_and_says_what_is_wrong_with_others() {
        let request = |cause, by_hand| Request { session: "0192".into(), cause, by_hand };
        assert_eq!(Request::parse("run 0192 message"), Ok(request(Cause::Message, None)));
        assert_eq!(Request::parse("run 0192 manual"), Ok(request(Cause::Manual, None)));
        for (end, print) in [("", false), (" print", true)] {
            let by_hand = Some(ByHand { run: ID.to_owned(), print });
            assert_eq!(Request::parse(&format!("run 0192 manual {ID}{end}")), Ok(request(Cause::Manual, by_hand)));
        }
        for line in ["message ID", "manual ID send", "manual ID print x", "manual ../../x", "manual id", "manual "] {
            let line = format!("run 0192 {}", line.replace("ID", ID));
            assert!(Request::parse(&line).is_err(), "{line}");
        }
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
