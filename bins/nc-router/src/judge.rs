//! What becomes of the work that a run left undone.
//!
//! | what the run left | when | it is tried again |
//! | --- | --- | --- |
//! | taken, and something was sent to its chat since | | never: it counts as answered |
//! | taken | the agent left in good order | at once the first time, then after 10, 20, 40, 80 s |
//! | taken | the run was killed or lost from outside | at once the first time, then after 1, 2, 4, 8 s |
//! | taken | the run failed or stood still | after 5, 10, 20, 40, 80 s |
//! | taken | the agent was asked to leave | at once |
//! | not taken, though it was there from the start, by a run that took nothing | | as if it had been taken |
//! | not taken, otherwise | the run went wrong | together with what was |
//! | not taken, otherwise | the agent left in good order | at once, and it does not count |
//!
//! After the first try and five more it is given up, and the person is told.

use std::time::Duration;

use nc_model::retry::{LONGEST_RETRY, MAX_RETRIES, killed_delay, retry_delay};
use nc_model::{InboxKind, RoutingId, RunOutcome, Timestamp};
use nc_store::{Judgement, OpenInbox, OpenWork, Undone, UnjudgedRun};

/// The end of a run, or of a wish for one.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// The run; none where it was refused.
    pub(crate) run: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) manner: Manner,
    /// Whether the run took anything at all.
    pub(crate) took: bool,
    pub(crate) now: Timestamp,
}

/// How a run ended, as far as trying again goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The agent left because it was asked to.
    Asked,
    /// The agent left by itself.
    Orderly,
    /// Something outside ended it.
    Outside,
    /// It failed, stood still, or never began.
    Wrong,
}

/// The judgement on each open message and row; those not named stay as they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgements {
    pub(crate) work: Vec<(RoutingId, Judgement)>,
    pub(crate) inbox: Vec<(String, Judgement)>,
}

impl Ending {
    /// The end of `run`.
    pub(crate) fn of(run: &UnjudgedRun, took: bool, now: Timestamp) -> Self {
        let manner = match run.outcome {
            RunOutcome::Completed if run.asked_to_leave => Manner::Asked,
            RunOutcome::Completed => Manner::Orderly,
            RunOutcome::Killed | RunOutcome::Lost => Manner::Outside,
            RunOutcome::Failed | RunOutcome::Timeout => Manner::Wrong,
        };
        let (started_at, ended_at) = (run.started_at, run.ended_at);
        Self { run: Some(run.id.clone()), started_at, ended_at, manner, took, now }
    }

    /// A wish for a run that the runner refused.
    pub(crate) fn refused(now: Timestamp) -> Self {
        Self { run: None, started_at: now, ended_at: now, manner: Manner::Wrong, took: false, now }
    }

    /// Judges what is undone.
    pub(crate) fn judge(&self, undone: &Undone) -> Judgements {
        let mut judged = Judgements::default();
        for work in &undone.work {
            if let Some(judgement) = self.work(work) {
                judged.work.push((work.routing, judgement));
            }
        }
        for row in &undone.inbox {
            if let Some(judgement) = self.inbox(row) {
                judged.inbox.push((row.id.clone(), judgement));
            }
        }
        if self.manner == Manner::Wrong {
            self.wait_together(undone, &mut judged);
        }
        judged
    }

    fn work(&self, work: &OpenWork) -> Option<Judgement> {
        let taken = self.run.is_some() && work.run == self.run;
        if taken && work.answer.is_some() {
            return Some(Judgement::Answered { delivery: work.answer.clone() });
        }
        let counts = taken || self.was_offered(work.placed_at, work.next_attempt_at);
        counts.then(|| self.failed(work.attempts))
    }

    fn inbox(&self, row: &OpenInbox) -> Option<Judgement> {
        let taken = row.given_at.is_some_and(|at| at >= self.started_at && (at <= self.ended_at || at > self.now));
        if !taken && !self.was_offered(row.placed_at, row.not_before) {
            return None;
        }
        let judgement = self.failed(row.runs);
        let of_a_person = matches!(row.kind, InboxKind::Task | InboxKind::Prompt);
        // What was meant for the agent alone ends without a word: nobody waits for it.
        Some(if judgement == Judgement::Failed && !of_a_person {
            Judgement::Answered { delivery: None }
        } else {
            judgement
        })
    }

    /// Whether a run that took nothing could have taken it from its first moment on.
    fn was_offered(&self, placed_at: Option<Timestamp>, due: Option<Timestamp>) -> bool {
        // A time to come was written before the clock was set back.
        let was_there = |at: Timestamp| at <= self.started_at || at > self.now;
        let latest = self.now.plus_ms(i64::try_from(LONGEST_RETRY.as_millis()).unwrap_or(i64::MAX));
        !self.took && placed_at.is_some_and(was_there) && due.is_none_or(|at| at <= self.started_at || at > latest)
    }

    fn failed(&self, attempts_before: u32) -> Judgement {
        let attempts = attempts_before.saturating_add(1);
        if attempts > MAX_RETRIES {
            return Judgement::Failed;
        }
        let delay = match self.manner {
            Manner::Asked => Duration::ZERO,
            Manner::Outside => killed_delay(attempts),
            Manner::Orderly if attempts_before == 0 => Duration::ZERO,
            Manner::Orderly | Manner::Wrong => retry_delay(attempts),
        };
        let ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        Judgement::Again { attempts, at: self.now.plus_ms(ms) }
    }

    /// What was not taken waits with what failed, or it would start the next failure at once.
    fn wait_together(&self, undone: &Undone, judged: &mut Judgements) {
        let again = |judgement: &Judgement| match judgement {
            Judgement::Again { at, .. } => Some(*at),
            _ => None,
        };
        let judgements = judged.work.iter().map(|(_, j)| j).chain(judged.inbox.iter().map(|(_, j)| j));
        let Some(at) = judgements.filter_map(again).max() else { return };
        let here = |placed_at: Option<Timestamp>| placed_at.is_some_and(|placed| placed <= self.ended_at);
        for work in undone.work.iter().filter(|w| here(w.placed_at)) {
            if !judged.work.iter().any(|(routing, _)| *routing == work.routing) {
                judged.work.push((work.routing, Judgement::Wait { at }));
            }
        }
        for row in undone.inbox.iter().filter(|r| here(r.placed_at)) {
            if !judged.inbox.iter().any(|(id, _)| *id == row.id) {
                judged.inbox.push((row.id.clone(), Judgement::Wait { at }));
            }
        }
    }
}

/// What the person is told of what is given up after `run`.
pub(crate) fn words_after(run: &UnjudgedRun) -> String {
    let how = match run.outcome {
        RunOutcome::Completed => "the agent left without doing it",
        RunOutcome::Failed => "the agent failed",
        RunOutcome::Timeout => "the agent showed no sign of work and was stopped",
        RunOutcome::Killed => "the agent was killed",
        RunOutcome::Lost => "the agent went away without a word",
    };
    let reached = run.error.as_deref().and_then(nc_model::reached::in_error);
    given_up(&nc_model::reached::before(reached, how), &format!("run {}", run.id))
}

/// What the person is told of what is given up because no run was begun.
pub(crate) fn words_refused(why: &str) -> String {
    given_up("no agent could be started", why)
}

fn given_up(how: &str, detail: &str) -> String {
    format!(
        "I could not answer: {how}, and {MAX_RETRIES} more tries did not help ({detail}). I try no more; write again and I will."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(100_000);

    fn ending(manner: Manner, took: bool) -> Ending {
        let (started_at, ended_at) = (Timestamp(10_000), Timestamp(90_000));
        Ending { run: Some("run".to_owned()), started_at, ended_at, manner, took, now: NOW }
    }

    fn work(routing: i64, taken: bool, placed_at: i64, attempts: u32) -> OpenWork {
        OpenWork {
            routing: RoutingId(routing),
            run: taken.then(|| "run".to_owned()),
            placed_at: Some(Timestamp(placed_at)),
            attempts,
            next_attempt_at: None,
            answer: None,
        }
    }

    fn again(attempts: u32, after_s: i64) -> Judgement {
        Judgement::Again { attempts, at: NOW.plus_ms(after_s * 1000) }
    }

    fn judged(ending: &Ending, work: &[OpenWork]) -> Vec<(i64, Judgement)> {
        let undone = Undone { work: work.to_vec(), inbox: Vec::new() };
        ending.judge(&undone).work.into_iter().map(|(routing, judgement)| (routing.0, judgement)).collect()
    }

    #[test]
    fn what_was_taken_is_tried_again_later_each_time_and_given_up_after_five_more() {
        let cases = [
            (Manner::Wrong, [Some(5), Some(10), Some(20), Some(40), Some(80), None]),
            (Manner::Outside, [Some(0), Some(1), Some(2), Some(4), Some(8), None]),
            (Manner::Orderly, [Some(0), Some(10), Some(20), Some(40), Some(80), None]),
            (Manner::Asked, [Some(0), Some(0), Some(0), Some(0), Some(0), None]),
        ];
        for (manner, delays) in cases {
            for (before, delay) in (0..).zip(delays) {
                let expected = delay.map_or(Judgement::Failed, |s| again(before + 1, s));
                let got = judged(&ending(manner, true), &[work(1, true, 5_000, before)]);
                assert_eq!(got, [(1, expected)], "{manner:?} after {before}");
            }
        }
    }

    #[test]
    fn what_was_answered_is_not_repeated_however_the_run_ended() {
        let answered = OpenWork { answer: Some("delivery".to_owned()), ..work(1, true, 5_000, 0) };
        for manner in [Manner::Wrong, Manner::Outside, Manner::Orderly, Manner::Asked] {
            let got = judged(&ending(manner, true), std::slice::from_ref(&answered));
            assert_eq!(got, [(1, Judgement::Answered { delivery: Some("delivery".to_owned()) })]);
        }
        // An answer that an earlier run gave says nothing of a message that this run did not take.
        let other = OpenWork { run: Some("earlier".to_owned()), ..answered };
        assert_eq!(judged(&ending(Manner::Orderly, true), &[other]), []);
    }

    #[test]
    fn an_orderly_end_leaves_what_it_did_not_take_for_the_next_run_at_once() {
        let late = work(2, false, 50_000, 0);
        assert_eq!(judged(&ending(Manner::Orderly, true), &[work(1, false, 5_000, 0), late.clone()]), []);
        assert_eq!(judged(&ending(Manner::Orderly, false), &[late]), []);
    }

    #[test]
    fn a_run_that_took_nothing_failed_at_everything_that_was_there_from_the_start() {
        let open = [work(1, false, 5_000, 0), work(2, false, 50_000, 0), work(3, false, 5_000, 5)];
        let got = judged(&ending(Manner::Orderly, false), &open);
        assert_eq!(got, [(1, again(1, 0)), (3, Judgement::Failed)]);
        let not_due = OpenWork { next_attempt_at: Some(Timestamp(50_000)), ..work(1, false, 5_000, 2) };
        assert_eq!(judged(&ending(Manner::Orderly, false), &[not_due]), []);
    }

    #[test]
    fn what_was_placed_before_the_clock_was_set_back_was_there_from_the_start() {
        let open = [work(1, false, NOW.0 + 3_600_000, 1)];
        assert_eq!(judged(&ending(Manner::Wrong, false), &open), [(1, again(2, 10))]);
        let waits = OpenWork { next_attempt_at: Some(NOW.plus_ms(3_600_000)), ..work(1, false, 5_000, 1) };
        assert_eq!(judged(&ending(Manner::Wrong, false), &[waits]), [(1, again(2, 10))]);
    }

    #[test]
    fn after_a_failure_what_was_not_taken_waits_with_what_was() {
        let open = [work(1, true, 5_000, 1), work(2, false, 5_000, 0), work(3, false, 95_000, 0)];
        let at = NOW.plus_ms(10_000);
        assert_eq!(judged(&ending(Manner::Wrong, true), &open), [(1, again(2, 10)), (2, Judgement::Wait { at })]);
    }

    #[test]
    fn a_refused_wish_counts_for_what_is_due_and_for_nothing_that_waits() {
        let waiting = OpenWork { next_attempt_at: Some(NOW.plus_ms(1)), ..work(2, false, 5_000, 2) };
        let got = judged(&Ending::refused(NOW), &[work(1, false, 5_000, 0), waiting]);
        assert_eq!(got, [(1, again(1, 5)), (2, Judgement::Wait { at: NOW.plus_ms(5_000) })]);
    }

    #[test]
    fn rows_for_the_agent_alone_end_without_a_word() {
        let row = |kind, runs| OpenInbox {
            id: "row".to_owned(),
            kind,
            placed_at: Some(Timestamp(5_000)),
            given_at: Some(Timestamp(20_000)),
            not_before: None,
            runs,
        };
        let judge = |kind, runs| {
            let undone = Undone { work: Vec::new(), inbox: vec![row(kind, runs)] };
            ending(Manner::Wrong, true).judge(&undone).inbox
        };
        assert_eq!(judge(InboxKind::Task, 0), [("row".to_owned(), again(1, 5))]);
        assert_eq!(judge(InboxKind::Task, 5), [("row".to_owned(), Judgement::Failed)]);
        assert_eq!(judge(InboxKind::Notice, 5), [("row".to_owned(), Judgement::Answered { delivery: None })]);
    }
}
