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
#[derive(Debug)]
pub(crate) struct Batch {
    /// What was pushed, to be pushed again where that may help.
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) rows: Vec<Taken>,
    /// The provider was told once that its answer reached nobody.
    pub(crate) corrected: bool,
    /// How often it failed.
    pub(crate) failures: u32,
    /// The highest number of a row that an answer to this batch may be a reply to. What came later is in another batch.
    pub(crate) up_to: i64,
}

impl Batch {
    /// What was just taken.
    pub(crate) fn new(prompt: Prompt, rows: Vec<Taken>) -> Self {
        let up_to = rows.iter().map(|row| row.seq).max().unwrap_or(i64::MAX);
        Self { prompts: vec![prompt], rows, corrected: false, failures: 0, up_to }
    }

    /// Nothing, besides what is in flight.
    fn none(in_flight: &InFlight) -> Self {
        let oldest = in_flight.0.iter().flat_map(|batch| &batch.rows).map(|row| row.seq).min();
        let up_to = oldest.map_or(i64::MAX, |seq| seq - 1);
        Self { prompts: Vec::new(), rows: Vec::new(), corrected: false, failures: 0, up_to }
    }

    fn is_within(&self, through: PromptId) -> bool {
        self.prompts.iter().all(|prompt| prompt.id <= through)
    }

    pub(crate) fn join(mut self, other: Self) -> Self {
        self.prompts.extend(other.prompts);
        self.rows.extend(other.rows);
        self.corrected |= other.corrected;
        self.failures = self.failures.max(other.failures);
        self.up_to = self.up_to.max(other.up_to);
        self
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

    /// The rows that are not dealt with.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Taken> {
        self.0.iter().flat_map(|batch| &batch.rows)
    }

    /// Takes out everything, as one batch.
    pub(crate) fn end_all(&mut self) -> Option<Batch> {
        self.0.drain(..).reduce(Batch::join)
    }

    /// Takes out everything up to `through`, as one batch; an empty one for a turn that nobody asked for.
    pub(crate) fn end(&mut self, through: Option<PromptId>) -> Batch {
        let Some(through) = through else { return Batch::none(self) };
        let ended = self.0.extract_if(.., |batch| batch.is_within(through)).reduce(Batch::join);
        ended.unwrap_or_else(|| Batch::none(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(prompt: u64, seq: i64) -> Batch {
        let prompt = Prompt { id: PromptId(prompt), text: String::new(), items: Vec::new() };
        let row = Taken { id: seq.to_string(), seq, trigger: true, address: None };
        Batch::new(prompt, vec![row])
    }

    #[test]
    fn a_result_ends_what_was_pushed_before_it_and_nothing_else() {
        let mut in_flight = InFlight::default();
        (1..=3).for_each(|n| in_flight.add(batch(n, 2 * i64::try_from(n).unwrap())));
        let unasked = in_flight.end(None);
        assert_eq!((unasked.rows.len(), unasked.up_to), (0, 1), "it replies to nothing that is in flight");
        assert_eq!(in_flight.len(), 3);
        let ended = in_flight.end(Some(PromptId(2)));
        assert_eq!(ended.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((ended.up_to, in_flight.len()), (4, 1));
        assert!(in_flight.end(Some(PromptId(2))).rows.is_empty());
    }
}
