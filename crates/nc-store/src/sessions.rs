//! The conversations that agents hold: one a group, chat and thread.

/// The queries of this module that run for each message, delivery or doorbell.
pub(crate) const HOT: &[(&str, &str)] = &[];
