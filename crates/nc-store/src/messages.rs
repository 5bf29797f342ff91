//! What people wrote, in the order in which it arrived.

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[];
