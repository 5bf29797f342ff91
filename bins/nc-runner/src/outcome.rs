//! How a run ended, in the store's words and in a person's.

use std::time::Duration;

use nc_model::{RunOutcome, Timestamp};
use nc_sandbox::{Ending, How, Limits};
use nc_store::RunEnd;
use nix::sys::signal::Signal;

use crate::vigil::{Done, Reason, TO_LEAVE};

/// What is known of a run that has ended.
#[derive(Debug)]
pub(crate) struct Circumstances<'a> {
    /// How its sandbox ended.
    pub(crate) ending: &'a Ending,
    /// What the runner did.
    pub(crate) done: Done,
    /// The beginning of standard error.
    pub(crate) said: &'a str,
    /// How long the agent may show no sign of work.
    pub(crate) patience: Duration,
    /// How much everything in the sandbox might use.
    pub(crate) limits: Limits,
}

impl Circumstances<'_> {
    /// The end of the run as it is written into the store.
    pub(crate) fn end(&self, ended_at: Timestamp) -> RunEnd {
        let (outcome, error) = self.outcome();
        RunEnd {
            ended_at,
            outcome,
            exit_detail: self.detail(error.is_none()),
            error,
            cpu_ms: i64::try_from(self.ending.cpu_ms).ok(),
            peak_rss: i64::try_from(self.ending.peak_rss).ok(),
        }
    }

    fn outcome(&self) -> (RunOutcome, Option<String>) {
        let (outcome, error) = self.without_limits();
        (outcome, error.map(|error| nc_model::reached::before(self.reached().as_deref(), &error)))
    }

    fn without_limits(&self) -> (RunOutcome, Option<String>) {
        if self.done.asked == Some(Reason::Hung) {
            let error = format!("it showed no sign of work for {}", nc_model::quantity::format_duration(self.patience));
            return (RunOutcome::Timeout, Some(error));
        }
        match self.ending.how {
            How::NotBuilt => {
                (RunOutcome::Failed, Some(format!("the sandbox could not be built: {}", or_nothing(self.said))))
            }
            _ if self.done.killed => (RunOutcome::Killed, Some("it did not leave when it was asked to".to_owned())),
            How::Exited(0) => (RunOutcome::Completed, None),
            How::Signalled(signal) if self.done.asked.is_some() && i32::from(signal) == Signal::SIGTERM as i32 => {
                (RunOutcome::Completed, None)
            }
            How::Exited(status) => (RunOutcome::Failed, Some(format!("the agent left with status {status}"))),
            How::Signalled(signal) => (RunOutcome::Killed, Some(format!("the agent was ended by {}", name(signal)))),
            How::Torn(signal) => (RunOutcome::Killed, Some(format!("bubblewrap was ended by {}", name(signal)))),
        }
    }

    /// Which limits were reached, in words; none where none was.
    pub(crate) fn reached(&self) -> Option<String> {
        let (reached, limits) = (self.ending.reached, self.limits);
        // The kernel takes processes from a sandbox, too, where all agents together or the machine are out of memory. The
        // peak is counted in pages, and may fall short of the limit where caches made room.
        let own = self.ending.peak_rss >= limits.memory / 8 * 7;
        let memory = (reached.memory > 0).then_some(own.then_some(limits.memory));
        nc_model::reached::in_words(memory, (reached.processes > 0).then_some(limits.processes))
    }

    /// What happened; which limit was reached, too, where no error says it.
    fn detail(&self, with_limits: bool) -> String {
        let how = match self.ending.how {
            How::Exited(status) => format!("left with status {status}"),
            How::Signalled(signal) => format!("ended by {}", name(signal)),
            How::Torn(signal) => format!("taken along when {} ended bubblewrap", name(signal)),
            How::NotBuilt => "never began".to_owned(),
        };
        let asked = self.done.asked.map(|reason| match reason {
            Reason::Asked => "asked to leave for others",
            Reason::Stopped => "asked to leave because the runner was told to stop",
            Reason::Idle => "asked to leave because it had nothing to do",
            Reason::Hung => "asked to leave because it showed no sign of work",
        });
        let killed = self.done.killed.then(|| format!("killed after {} s", TO_LEAVE.as_secs()));
        let reached = self.ending.reached;
        let memory = (reached.memory > 0)
            .then(|| format!("the kernel ended {} of its processes for want of memory", reached.memory));
        let processes =
            (reached.processes > 0).then(|| format!("{} times it could start no further process", reached.processes));
        let limits = self.reached().filter(|_| with_limits);
        let parts = [asked.map(str::to_owned), killed, Some(how), limits, memory, processes];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn or_nothing(said: &str) -> &str {
    if said.is_empty() { "bubblewrap said nothing" } else { said }
}

fn name(signal: u8) -> String {
    let known = Signal::try_from(i32::from(signal)).map(Signal::as_str);
    known.map_or_else(|_| format!("signal {signal}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use nc_sandbox::Reached;

    use super::*;
    use RunOutcome::{Completed, Failed, Killed, Timeout};

    const MEMORY: u64 = 2 << 30;

    fn end(how: How, done: Done, reached: Reached) -> (RunOutcome, Option<String>, String) {
        ended(&Ending { how, cpu_ms: 5, peak_rss: MEMORY, reached }, done)
    }

    fn ended(ending: &Ending, done: Done) -> (RunOutcome, Option<String>, String) {
        let limits = Limits { processes: 256, memory: MEMORY };
        let patience = Duration::from_secs(1800);
        let end = Circumstances { ending, done, said: "bwrap: no", patience, limits }.end(Timestamp(1));
        (end.outcome, end.error, end.exit_detail)
    }

    fn is(outcome: RunOutcome, error: &str, detail: &str) -> (RunOutcome, Option<String>, String) {
        (outcome, Some(error.to_owned()).filter(|e| !e.is_empty()), detail.to_owned())
    }

    #[test]
    fn an_agent_that_leaves_by_itself_says_how_it_went() {
        let none = Done::default();
        assert_eq!(end(How::Exited(0), none, Reached::default()), is(Completed, "", "left with status 0"));
        assert_eq!(
            end(How::Exited(3), none, Reached::default()),
            is(Failed, "the agent left with status 3", "left with status 3")
        );
        assert_eq!(
            end(How::Signalled(15), none, Reached::default()),
            is(Killed, "the agent was ended by SIGTERM", "ended by SIGTERM")
        );
        let torn = is(Killed, "bubblewrap was ended by SIGKILL", "taken along when SIGKILL ended bubblewrap");
        assert_eq!(end(How::Torn(9), none, Reached::default()), torn);
        assert_eq!(
            end(How::NotBuilt, none, Reached::default()),
            is(Failed, "the sandbox could not be built: bwrap: no", "never began")
        );
    }

    #[test]
    fn a_limit_that_was_reached_comes_first() {
        let (none, hungry) = (Done::default(), Reached { memory: 2, processes: 0 });
        let error = "memory limit of 2GiB reached, and the agent was ended by SIGKILL";
        let detail = "ended by SIGKILL, the kernel ended 2 of its processes for want of memory";
        assert_eq!(end(How::Signalled(9), none, hungry), is(Killed, error, detail));
        let (_, error, detail) = end(How::Exited(0), none, Reached { memory: 0, processes: 7 });
        let expected = "left with status 0, limit of 256 processes reached, 7 times it could start no further process";
        assert_eq!((error, detail.as_str()), (None, expected), "it helped itself, and that is no failure");
        let (_, error, _) = end(How::Exited(1), none, Reached { memory: 1, processes: 7 });
        let expected = "memory limit of 2GiB and limit of 256 processes reached, and the agent left with status 1";
        assert_eq!(error.as_deref(), Some(expected));
        let elsewhere = Ending { how: How::Exited(1), cpu_ms: 5, peak_rss: MEMORY / 4, reached: hungry };
        let expected = "out of memory together with other agents or the machine, and the agent left with status 1";
        assert_eq!(ended(&elsewhere, none).1.as_deref(), Some(expected));
    }

    #[test]
    fn an_agent_that_is_asked_to_leave_has_completed_unless_it_must_be_killed() {
        let asked = |reason| Done { asked: Some(reason), killed: false };
        let left = is(Completed, "", "asked to leave for others, left with status 0");
        assert_eq!(end(How::Exited(0), asked(Reason::Asked), Reached::default()), left);
        let left = is(Completed, "", "asked to leave because the runner was told to stop, ended by SIGTERM");
        assert_eq!(end(How::Signalled(15), asked(Reason::Stopped), Reached::default()), left);
        let done = Done { asked: Some(Reason::Idle), killed: true };
        let detail = "asked to leave because it had nothing to do, killed after 10 s, ended by SIGKILL";
        assert_eq!(
            end(How::Signalled(9), done, Reached::default()),
            is(Killed, "it did not leave when it was asked to", detail)
        );
    }

    #[test]
    fn an_agent_that_hung_has_a_timeout_however_it_ends() {
        let error = "it showed no sign of work for 30m";
        let asked = Done { asked: Some(Reason::Hung), killed: false };
        let detail = "asked to leave because it showed no sign of work, left with status 0";
        assert_eq!(end(How::Exited(0), asked, Reached::default()), is(Timeout, error, detail));
        let detail = "asked to leave because it showed no sign of work, killed after 10 s, ended by SIGKILL";
        assert_eq!(
            end(How::Signalled(9), Done { killed: true, ..asked }, Reached::default()),
            is(Timeout, error, detail)
        );
    }
}
