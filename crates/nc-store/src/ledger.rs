//! The account of every message and delivery: accepted is what ended plus what is open.

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[];
