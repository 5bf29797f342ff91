//! How far a fetch is, for whoever sits at a terminal.

use std::io::{IsTerminal as _, Write as _, stderr};

/// A line on standard error that changes, where that is a terminal; elsewhere nothing is said.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    expected: u64,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Of `what`, of which about `expected` bytes come.
    pub(crate) fn new(what: String, expected: u64) -> Self {
        Self { what, expected, terminal: stderr().is_terminal(), shown: false }
    }

    /// Shows that `bytes` are there.
    pub(crate) fn show(&mut self, bytes: u64) {
        let text = so_far(bytes, self.expected);
        self.line(&format!("fetching {}: {text}", self.what));
    }

    /// Shows what is done now.
    pub(crate) fn say(&mut self, doing: &str) {
        self.line(&format!("{doing} {}", self.what));
    }

    fn line(&mut self, text: &str) {
        if self.terminal {
            self.shown = true;
            // Where even this cannot be written, nothing is lost.
            write!(stderr(), "\r\x1b[Knanoclawctl: {text}").ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}

/// `120 of about 185 MiB (64 %)`; never more than 99 %, since how much it will be is only known when it is there.
fn so_far(bytes: u64, expected: u64) -> String {
    let percent = (bytes.saturating_mul(100) / expected.max(1)).min(99);
    format!("{} of about {} MiB ({percent} %)", bytes >> 20, expected >> 20)
}

#[cfg(test)]
mod tests {
    use super::so_far;

    #[test]
    fn it_is_never_done_before_it_is() {
        assert_eq!(so_far(60 << 20, 180 << 20), "60 of about 180 MiB (33 %)");
        assert_eq!(so_far(200 << 20, 180 << 20), "200 of about 180 MiB (99 %)");
        assert_eq!(so_far(1, 0), "0 of about 0 MiB (99 %)");
    }
}
