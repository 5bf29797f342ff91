//! The account of every message and delivery: accepted is what ended plus what is open.
//!
//! Everything here comes from the tables alone. A span of any length is read in pages, each one short snapshot, so that
//! an account of years does not hold the write-ahead log.

mod check;
mod deliveries;
mod messages;

use nc_model::Timestamp;

pub use self::check::Imbalance;
pub use self::deliveries::{DeliveryAccount, DeliveryState, OpenDelivery};
pub use self::messages::{MessageAccount, MessageState, OpenMessage};
use crate::{Store, StoreError, now};

/// Messages or deliveries in one page: some 50 ms of reading. A guess.
const PAGE: u32 = 10_000;
/// The most rows that an account names one by one; the counts go on.
pub const MAX_NAMED: usize = 1_000;

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[
    ("ledger: page of messages", messages::PAGE_OF_MESSAGES),
    ("ledger: page of deliveries", deliveries::PAGE_OF_DELIVERIES),
];

/// From when to when: messages by when they were received, deliveries by when they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Span {
    /// The first millisecond.
    pub since: Timestamp,
    /// The first one after it.
    pub until: Timestamp,
}

impl Span {
    /// All of time.
    pub const ALL: Self = Self { since: Timestamp(i64::MIN), until: Timestamp(i64::MAX) };

    /// From `since` on.
    #[must_use]
    pub fn since(since: Timestamp) -> Self {
        Self { since, ..Self::ALL }
    }
}

/// The account of a span.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Ledger {
    /// Of what time.
    pub span: Span,
    /// What people wrote.
    pub messages: MessageAccount,
    /// What was to be sent.
    pub deliveries: DeliveryAccount,
}

/// So many in one state, by one rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Count<S> {
    /// The state.
    pub state: S,
    /// The rule that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many.
    pub count: u64,
    /// Since when the oldest of them is in it: only of what is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Store {
    /// The account of `span`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn ledger(&self, span: Span) -> Result<Ledger, StoreError> {
        let mut messages = messages::Tally::default();
        messages::walk(self, span, PAGE, &mut |message| messages.add(message))?;
        let mut deliveries = deliveries::Tally::default();
        deliveries::walk(self, span, PAGE, &mut |delivery| deliveries.add(delivery))?;
        Ok(Ledger { span, messages: messages.account(), deliveries: deliveries.account() })
    }

    /// Where the account of `span` does not balance, row by row; empty where it does. At most [`MAX_NAMED`] are named.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub fn ledger_check(&self, span: Span) -> Result<Vec<Imbalance>, StoreError> {
        let mut check = check::Check::at(now());
        messages::walk(self, span, PAGE, &mut |message| check.message(message))?;
        deliveries::walk(self, span, PAGE, &mut |delivery| check.delivery(delivery))?;
        Ok(check.found())
    }
}

/// Counts by state and rule, in the order of both.
#[derive(Debug)]
struct Counts<S>(std::collections::BTreeMap<(S, Option<String>), (u64, Option<Timestamp>)>);

impl<S> Default for Counts<S> {
    fn default() -> Self {
        Self(std::collections::BTreeMap::new())
    }
}

impl<S: Ord + Copy> Counts<S> {
    fn add(&mut self, state: S, rule: Option<&str>, since: Option<Timestamp>) {
        let entry = self.0.entry((state, rule.map(str::to_owned))).or_insert((0, since));
        entry.0 += 1;
        entry.1 = entry.1.min(since);
    }

    fn into_counts(self) -> Vec<Count<S>> {
        let count = |((state, rule), (count, since))| Count { state, rule, count, since };
        self.0.into_iter().map(count).collect()
    }
}
