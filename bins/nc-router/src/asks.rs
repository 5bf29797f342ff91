//! The runs that this router asked for, and how it waits where none was to be had.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use nc_model::Cause;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::runner::{Said, Word, ask};

/// What a word of the runner's asks of the rest of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Only to look at the store again.
    Nothing,
    /// The runner will not begin a run of this session, and says why.
    Refused { session: String, why: String },
    /// No run at all has begun for a long while, and why.
    Stuck(String),
}

/// The wishes for runs, by their sessions.
#[derive(Debug)]
pub(crate) struct Asks {
    socket: PathBuf,
    open: HashMap<String, Ask>,
    waits: HashMap<String, Backoff>,
    /// Whether somebody was told that no run begins.
    told: bool,
    said: UnboundedSender<Said>,
    hear: UnboundedReceiver<Said>,
}

/// How far a wish has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Nothing was said yet.
    Asked,
    /// The run has begun.
    Running,
}

impl Asks {
    /// No wish yet; runs are asked for at `socket`.
    pub(crate) fn new(socket: PathBuf) -> Self {
        let (said, hear) = unbounded_channel();
        Self { socket, open: HashMap::new(), waits: HashMap::new(), told: false, said, hear }
    }

    /// Whether a run of `session` is asked for, or runs with a connection to us.
    pub(crate) fn has(&self, session: &str) -> bool {
        self.open.contains_key(session)
    }

    /// The sessions of which a run is asked for or runs.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &str> {
        self.open.keys().map(String::as_str)
    }

    /// When a run of `session` may be asked for again; none where that is now.
    pub(crate) fn wait_of(&self, session: &str, now: Instant) -> Option<Instant> {
        self.waits.get(session).map(Backoff::until).filter(|until| *until > now)
    }

    /// Asks for a run.
    pub(crate) fn ask(&mut self, session: &str, cause: Cause) {
        debug!(session, %cause, "asks for a run");
        self.open.insert(session.to_owned(), Ask::Asked);
        tokio::spawn(ask(self.socket.clone(), session.to_owned(), cause, self.said.clone()));
    }

    /// Puts a session off whose mailbox could not be brought up to date, or that was busy.
    pub(crate) fn put_off(&mut self, session: &str, now: Instant) {
        self.waits.entry(session.to_owned()).and_modify(|wait| wait.again(now)).or_insert_with(|| Backoff::first(now));
    }

    /// Returns the next word of a runner. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Said {
        match self.hear.recv().await {
            Some(said) => said,
            // We hold a sender ourselves, so this does not happen.
            None => std::future::pending().await,
        }
    }

    /// A further word that is there already.
    pub(crate) fn another(&mut self) -> Option<Said> {
        self.hear.try_recv().ok()
    }

    /// Takes a word in.
    pub(crate) fn heard(&mut self, said: Said, now: Instant) -> Heard {
        let Said { session, word } = said;
        let running = self.open.get(&session) == Some(&Ask::Running);
        match word {
            Word::Started(run) => {
                info!(session, run, "a run began");
                self.open.insert(session.clone(), Ask::Running);
                self.waits.remove(&session);
                self.told = false;
                return Heard::Nothing;
            }
            Word::Ended(outcome) => info!(session, outcome, "a run ended"),
            Word::Busy => {
                debug!(session, "the session's lock is held");
                self.put_off(&session, now);
            }
            Word::Refused(why) => {
                warn!(session, "no run begins: {why}");
                self.open.remove(&session);
                return Heard::Refused { session, why };
            }
            Word::Gone(why) if running => warn!(session, "the runner of a run went away: {why}"),
            Word::Gone(why) => {
                self.open.remove(&session);
                return self.gone(&session, why, now);
            }
        }
        self.open.remove(&session);
        Heard::Nothing
    }

    /// No run began, without a word: the first time is worth a line, the last of the growing waits a notice.
    fn gone(&mut self, session: &str, why: String, now: Instant) -> Heard {
        if !self.waits.contains_key(session) {
            warn!(session, "no run begins, asked again after 100 ms, doubling to 10 s: {why}");
        }
        self.put_off(session, now);
        let stuck = self.waits.get(session).is_some_and(Backoff::is_longest);
        if stuck && !self.told {
            self.told = true;
            return Heard::Stuck(why);
        }
        Heard::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: Word) -> Said {
        Said { session: "s".to_owned(), word }
    }

    fn asked() -> Asks {
        let mut asks = Asks::new(PathBuf::from("/nowhere"));
        asks.open.insert("s".to_owned(), Ask::Asked);
        asks
    }

    #[test]
    fn a_runner_that_goes_away_without_a_word_is_asked_later_and_told_of_once() {
        let now = Instant::now();
        let mut asks = asked();
        let mut told = 0;
        for _ in 0..20 {
            asks.open.insert("s".to_owned(), Ask::Asked);
            told += u32::from(asks.heard(said(Word::Gone("x".to_owned())), now) == Heard::Stuck("x".to_owned()));
            assert!(!asks.has("s"));
            assert!(asks.wait_of("s", now).is_some() && asks.wait_of("another", now).is_none());
        }
        assert_eq!(told, 1);
        asks.heard(said(Word::Started("run".to_owned())), now);
        assert!(asks.has("s") && asks.wait_of("s", now).is_none());
    }

    #[test]
    fn a_run_that_began_is_over_with_its_connection() {
        for last in [Word::Ended("completed".to_owned()), Word::Gone("x".to_owned())] {
            let now = Instant::now();
            let mut asks = asked();
            asks.heard(said(Word::Started("run".to_owned())), now);
            assert_eq!(asks.heard(said(last), now), Heard::Nothing);
            assert!(!asks.has("s") && asks.wait_of("s", now).is_none());
        }
    }

    #[test]
    fn a_refusal_is_handed_on_with_its_reason() {
        let refused = Heard::Refused { session: "s".to_owned(), why: "no".to_owned() };
        assert_eq!(asked().heard(said(Word::Refused("no".to_owned())), Instant::now()), refused);
    }
}
