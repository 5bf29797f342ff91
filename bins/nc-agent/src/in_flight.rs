//! What was taken and is not dealt with yet.

use nc_wire::mailbox::container::Address;

use crate::provider::{Prompt, PromptId};

/// A row that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) seq: i64,
    pub(crate) trigger: bool,
    pub(crate) address: Option<Address>,
}

/// Prompts with the rows that are in them, which end together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What was pushed, to be pushed again where that may help.
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) rows: Vec<Taken>,
    /// The provider was told once that its answer reached nobody.
    pub(crate) corrected: bool,
    /// How often it failed.
    pub(crate) failures: u32,
}

impl Batch {
    /// The number of the newest row, or the highest there is where there are no rows: nothing is newer than that.
    pub(crate) fn newest(&self) -> i64 {
        self.rows.iter().map(|row| row.seq).max().unwrap_or(i64::MAX)
    }

    fn is_within(&self, through: PromptId) -> bool {
        self.prompts.iter().all(|prompt| prompt.id <= through)
    }

    fn join(&mut self, other: Self) {
        self.prompts.extend(other.prompts);
        self.rows.extend(other.rows);
        self.corrected |= other.corrected;
        self.failures = self.failures.max(other.failures);
    }
}

/// The batches that a provider has, oldest first.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Vec<Batch>);

impl InFlight {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn add(&mut self, batch: Batch) {
        self.0.push(batch);
    }

    /// Takes out everything up to `through`, as one batch; an empty one for a turn that nobody asked for.
    pub(crate) fn end(&mut self, through: Option<PromptId>) -> Batch {
        let mut ended = Batch::default();
        let Some(through) = through else { return ended };
        for batch in self.0.extract_if(.., |batch| batch.is_within(through)) {
            ended.join(batch);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(prompt: u64, seq: i64) -> Batch {
        let prompt = Prompt { id: PromptId(prompt), text: String::new(), items: Vec::new() };
        let row = Taken { id: seq.to_string(), seq, trigger: true, address: None };
        Batch { prompts: vec![prompt], rows: vec![row], ..Batch::default() }
    }

    #[test]
    fn a_result_ends_what_was_pushed_before_it_and_nothing_else() {
        let mut in_flight = InFlight::default();
        (1..=3).for_each(|n| in_flight.add(batch(n, 2 * i64::try_from(n).unwrap())));
        assert!(in_flight.end(None).rows.is_empty());
        assert_eq!(in_flight.len(), 3);
        let ended = in_flight.end(Some(PromptId(2)));
        assert_eq!(ended.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((ended.newest(), in_flight.len()), (4, 1));
        assert!(in_flight.end(Some(PromptId(2))).rows.is_empty());
    }
}
