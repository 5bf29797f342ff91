//! What the session's run before this one may have left. The session's lock is held.

use std::time::Duration;

use nc_store::{Store, StoreError, now};
use tracing::warn;

/// How long what is left of the sandbox before may take to be gone. Ordinary are a few milliseconds.
const LONGEST_END: Duration = Duration::from_secs(10);

/// The boot that this machine lives in.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Whether a new run may begin as far as the sandbox before it goes: it is gone with everything in it.
///
/// A killed runner's sandbox lets go of the lock a moment before its last process ends.
pub(crate) fn is_gone(store: &Store, session: &str) -> Result<bool, StoreError> {
    let Some(last) = store.last_run(session)?.filter(|last| last.boot_id.as_deref() == Some(&*boot_id())) else {
        return Ok(true);
    };
    let Some(sandbox) = &last.sandbox_id else { return Ok(true) };
    match nc_sandbox::wait_until_gone(sandbox, LONGEST_END) {
        Ok(gone) => Ok(gone),
        Err(error) => {
            warn!(%error, "cannot see whether the sandbox before is gone; it is taken to be alive");
            Ok(false)
        }
    }
}

/// Writes down the end of a run whose runner went away without a word; false where it had ended.
pub(crate) fn bury(store: &mut Store, run: &str) -> Result<bool, StoreError> {
    store.lose_run(run, now(), "its runner went away without a word")
}
