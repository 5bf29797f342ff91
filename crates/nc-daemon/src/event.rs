//! The `MESSAGE_ID` of each event that any daemon may have; `systemd/nanoclaw.catalog` says what to do.

/// A program cannot work as it is configured.
pub(crate) const NEEDS_A_PERSON: &str = "df8aa142c0094a2ab6c92c02e7f795d9";
/// A program failed, and may succeed later.
pub(crate) const FAILED_FOR_NOW: &str = "57a400c75a1e431aa8afde57f3227b17";
