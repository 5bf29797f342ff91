//! How a run ended, in the store's words and in a person's.

use std::time::Duration;

use nc_model::{RunOutcome, Timestamp};
use nc_sandbox::{Ending, How};
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
    /// The sandbox's memory, in bytes.
    pub(crate) memory: u64,
}

impl Circumstances<'_> {
    /// The end of the run as it is written into the store.
    pub(crate) fn end(&self, ended_at: Timestamp) -> RunEnd {
        let (outcome, error) = self.outcome();
        RunEnd {
            ended_at,
            outcome,
            error,
            exit_detail: self.detail(),
            cpu_ms: i64::try_from(self.ending.cpu_ms).ok(),
            peak_rss: i64::try_from(self.ending.peak_rss).ok(),
        }
    }

    fn outcome(&self) -> (RunOutcome, Option<String>) {
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
            How::Signalled(_) if self.ending.out_of_memory > 0 => {
                let memory = nc_model::quantity::format_size(self.memory);
                (RunOutcome::Killed, Some(format!("it used up its memory of {memory}")))
            }
            How::Signalled(signal) => (RunOutcome::Killed, Some(format!("the agent was ended by {}", name(signal)))),
            How::Torn(signal) => (RunOutcome::Killed, Some(format!("bubblewrap was ended by {}", name(signal)))),
        }
    }

    fn detail(&self) -> String {
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
        let memory = Some(self.ending.out_of_memory).filter(|count| *count > 0);
        let memory = memory.map(|count| format!("the kernel ended {count} of its processes for want of memory"));
        let parts = [asked.map(str::to_owned), killed, Some(how), memory];
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
    use super::*;
    use RunOutcome::{Completed, Failed, Killed, Timeout};

    fn end(how: How, done: Done, out_of_memory: u64) -> (RunOutcome, Option<String>, String) {
        let ending = Ending { how, cpu_ms: 5, peak_rss: 7, out_of_memory };
        let patience = Duration::from_secs(1800);
        let end =
            Circumstances { ending: &ending, done, said: "bwrap: no", patience, memory: 2 << 30 }.end(Timestamp(1));
        (end.outcome, end.error, end.exit_detail)
    }

    fn is(outcome: RunOutcome, error: &str, detail: &str) -> (RunOutcome, Option<String>, String) {
        (outcome, Some(error.to_owned()).filter(|e| !e.is_empty()), detail.to_owned())
    }

    #[test]
    fn an_agent_that_leaves_by_itself_says_how_it_went() {
        let none = Done::default();
        assert_eq!(end(How::Exited(0), none, 0), is(Completed, "", "left with status 0"));
        assert_eq!(end(How::Exited(3), none, 0), is(Failed, "the agent left with status 3", "left with status 3"));
        assert_eq!(end(How::Signalled(15), none, 0), is(Killed, "the agent was ended by SIGTERM", "ended by SIGTERM"));
        let torn = is(Killed, "bubblewrap was ended by SIGKILL", "taken along when SIGKILL ended bubblewrap");
        assert_eq!(end(How::Torn(9), none, 0), torn);
        assert_eq!(end(How::NotBuilt, none, 0), is(Failed, "the sandbox could not be built: bwrap: no", "never began"));
        let hungry = "ended by SIGKILL, the kernel ended 2 of its processes for want of memory";
        assert_eq!(end(How::Signalled(9), none, 2), is(Killed, "it used up its memory of 2GiB", hungry));
    }

    #[test]
    fn an_agent_that_is_asked_to_leave_has_completed_unless_it_must_be_killed() {
        let asked = |reason| Done { asked: Some(reason), killed: false };
        let left = is(Completed, "", "asked to leave for others, left with status 0");
        assert_eq!(end(How::Exited(0), asked(Reason::Asked), 0), left);
        let left = is(Completed, "", "asked to leave because the runner was told to stop, ended by SIGTERM");
        assert_eq!(end(How::Signalled(15), asked(Reason::Stopped), 0), left);
        let done = Done { asked: Some(Reason::Idle), killed: true };
        let detail = "asked to leave because it had nothing to do, killed after 10 s, ended by SIGKILL";
        assert_eq!(end(How::Signalled(9), done, 0), is(Killed, "it did not leave when it was asked to", detail));
    }

    #[test]
    fn an_agent_that_hung_has_a_timeout_however_it_ends() {
        let error = "it showed no sign of work for 30m";
        let asked = Done { asked: Some(Reason::Hung), killed: false };
        let detail = "asked to leave because it showed no sign of work, left with status 0";
        assert_eq!(end(How::Exited(0), asked, 0), is(Timeout, error, detail));
        let detail = "asked to leave because it showed no sign of work, killed after 10 s, ended by SIGKILL";
        assert_eq!(end(How::Signalled(9), Done { killed: true, ..asked }, 0), is(Timeout, error, detail));
    }
}
