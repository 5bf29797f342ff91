//! Saying what a machine cannot test.

/// Notes that this machine cannot run `what`, and why. `make test` lists such lines at its end; the test then returns.
pub fn skip(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
}
