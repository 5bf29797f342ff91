//! What an agent shows from outside: whether it works, and whether it has anything to do.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nc_store::now;
use nc_wire::files::Directory;
use nc_wire::mailbox::AckStatus;
use nc_wire::snapshot::{self, Limits, Look};

/// What the agent shows at one look. All of it is the agent's own word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// When it last touched its heartbeat.
    pub(crate) heartbeat: Option<SystemTime>,
    /// No message is in work and no tool runs; false also where nobody can tell.
    pub(crate) idle: bool,
    /// For how long a tool that runs may still take.
    pub(crate) tool: Option<Duration>,
}

impl Signs {
    /// Looks at the session's work directory.
    pub(crate) fn look(work: &Path) -> Self {
        let found = std::fs::symlink_metadata(work.join(".heartbeat"));
        let heartbeat = found.ok().filter(std::fs::Metadata::is_file).and_then(|found| found.modified().ok());
        let (idle, tool) = doing(work).unwrap_or((false, None));
        Self { heartbeat, idle, tool }
    }
}

/// Whether the agent has nothing to do, and how much longer its tool may take; none where its file cannot be read now.
fn doing(work: &Path) -> Option<(bool, Option<Duration>)> {
    let directory = Directory::open(work).ok()?;
    let snapshot = match snapshot::read(&directory, &Limits::default(), None).ok()? {
        Look::Absent => return Some((true, None)),
        Look::Snapshot(snapshot) => snapshot,
        Look::Busy | Look::Unchanged => return None,
    };
    let acks = snapshot.acks(|_| false).ok()?.rows;
    let works = acks.iter().any(|ack| ack.as_ref().is_ok_and(|ack| ack.status == AckStatus::Processing));
    let state = snapshot.container_state().ok()?.and_then(Result::ok).filter(|state| state.current_tool.is_some());
    let tool = state.as_ref().and_then(|state| {
        let until = state.started_at?.plus_ms(i64::try_from(state.declared_timeout_ms?).ok()?);
        Some(Duration::from_millis(until.ms_since(now())))
    });
    Some((!works && state.is_none(), tool))
}

/// How long after its own idle time an agent is taken to have forgotten to leave.
const IDLE_GRACE: Duration = Duration::from_secs(30);

/// How long a tool may declare that it takes: an agent must not keep its place for ever with one row. As the longest timeout.
const LONGEST_TOOL: Duration = Duration::from_secs(24 * 60 * 60);

/// What is to be done with the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Look again then.
    LookAt(Instant),
    /// It has had nothing to do for so long that it should have left.
    Idle,
    /// It has shown no sign of work for so long that it must be taken to hang.
    Hung,
}

/// Judges an agent by its signs, with no look in between: each says when the next is due.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    idle: Duration,
    patience: Duration,
    /// The last sign of work, by our own clock, which nobody sets.
    sign: Instant,
    heartbeat: Option<SystemTime>,
}

impl Judge {
    /// Judges an agent that begins `now`, stays `idle` without work, and may show no sign for `patience`.
    pub(crate) fn new(idle: Duration, patience: Duration, now: Instant) -> Self {
        let idle = idle + IDLE_GRACE;
        // An agent that only waits shows no sign: it must have had its time to leave before it can be taken to hang.
        Self { idle, patience: patience.max(idle), sign: now, heartbeat: None }
    }

    /// When the first look is due.
    pub(crate) fn first_look(&self) -> Instant {
        self.sign + self.idle.min(self.patience)
    }

    /// Judges by a look at `now`, by the clocks that count and that show the time.
    pub(crate) fn judge(&mut self, signs: Signs, now: Instant, time: SystemTime) -> Advice {
        if signs.heartbeat.is_some() && signs.heartbeat != self.heartbeat {
            // The mtime is the agent's to set, and the clock may be put forward: it is believed only as far as it lies
            // between the last sign and now.
            let age = signs.heartbeat.map_or(Duration::ZERO, |beat| time.duration_since(beat).unwrap_or_default());
            self.sign = now.checked_sub(age).unwrap_or(self.sign).max(self.sign);
            self.heartbeat = signs.heartbeat;
        }
        let silent = now.saturating_duration_since(self.sign);
        if signs.idle && silent >= self.idle {
            return Advice::Idle;
        }
        if silent < self.patience {
            let next = if silent < self.idle { self.idle } else { self.patience };
            return Advice::LookAt(self.sign + next);
        }
        match signs.tool.filter(|left| !left.is_zero() && silent < LONGEST_TOOL) {
            Some(left) => Advice::LookAt(now + left.min(LONGEST_TOOL)),
            None => Advice::Hung,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn judge(start: Instant) -> Judge {
        Judge::new(10 * MINUTE, 30 * MINUTE, start)
    }

    fn beat(time: SystemTime) -> Signs {
        Signs { heartbeat: Some(time), idle: false, tool: None }
    }

    #[test]
    fn an_agent_that_never_shows_a_sign_hangs_after_its_patience() {
        let (start, time) = (Instant::now(), SystemTime::now());
        let mut judge = judge(start);
        assert_eq!(judge.first_look(), start + 10 * MINUTE + IDLE_GRACE);
        let look = |judge: &mut Judge, after| judge.judge(Signs::default(), start + after, time + after);
        assert_eq!(look(&mut judge, 10 * MINUTE + IDLE_GRACE), Advice::LookAt(start + 30 * MINUTE));
        assert_eq!(look(&mut judge, 30 * MINUTE), Advice::Hung);
    }

    #[test]
    fn a_heartbeat_gives_it_its_patience_anew() {
        let (start, time) = (Instant::now(), SystemTime::now());
        let mut judge = judge(start);
        let advice = judge.judge(beat(time + 29 * MINUTE), start + 30 * MINUTE, time + 30 * MINUTE);
        assert_eq!(advice, Advice::LookAt(start + 39 * MINUTE + IDLE_GRACE));
        // The same beat is no new sign.
        let advice = judge.judge(beat(time + 29 * MINUTE), start + 59 * MINUTE, time + 59 * MINUTE);
        assert_eq!(advice, Advice::Hung);
    }

    #[test]
    fn one_that_waits_is_asked_to_leave_and_not_taken_to_hang() {
        let (start, time) = (Instant::now(), SystemTime::now());
        for patience in [MINUTE, 10 * MINUTE, 30 * MINUTE] {
            let mut judge = Judge::new(10 * MINUTE, patience, start);
            let signs = Signs { idle: true, ..Signs::default() };
            let due = judge.first_look();
            assert_eq!(judge.judge(signs, due, time + (due - start)), Advice::Idle, "{patience:?}");
        }
    }

    #[test]
    fn a_tool_has_the_time_that_it_declared_but_not_for_ever() {
        let (start, time) = (Instant::now(), SystemTime::now());
        let mut judge = judge(start);
        let signs = Signs { tool: Some(5 * MINUTE), ..Signs::default() };
        let at = 30 * MINUTE;
        assert_eq!(judge.judge(signs, start + at, time + at), Advice::LookAt(start + 35 * MINUTE));
        assert_eq!(judge.judge(signs, start + LONGEST_TOOL, time + LONGEST_TOOL), Advice::Hung);
    }

    #[test]
    fn a_heartbeat_from_the_future_and_a_clock_put_forward_change_nothing_for_long() {
        let (start, time) = (Instant::now(), SystemTime::now());
        let mut judge = judge(start);
        let tomorrow = time + LONGEST_TOOL;
        let advice = judge.judge(beat(tomorrow), start + MINUTE, time + MINUTE);
        assert_eq!(advice, Advice::LookAt(start + 11 * MINUTE + IDLE_GRACE), "it counts as a sign of now");
        // A day forward: the beat of a moment ago seems a day old.
        let advice = judge.judge(beat(time + 2 * MINUTE), start + 2 * MINUTE, tomorrow);
        assert_eq!(advice, Advice::LookAt(start + 11 * MINUTE + IDLE_GRACE), "it is not older than the sign before");
    }
}
