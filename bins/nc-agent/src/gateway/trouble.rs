//! What went wrong between here and the model's API.

use std::time::Duration;

/// How much of the API's own words is kept, in bytes.
pub(super) const MAX_MESSAGE: usize = 300;

/// The last thing that went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The API answered with an error.
    Status {
        /// The HTTP status.
        code: u16,
        /// What the API says of it, empty where that is nothing to show.
        message: String,
        /// How long the API asks to wait.
        wait: Option<Duration>,
    },
    /// No answer could be had.
    Unreachable {
        /// The API's host.
        host: String,
        /// Why.
        reason: String,
    },
    /// An answer broke off.
    Cut,
    /// Nothing came for so long.
    Silent(Duration),
}
