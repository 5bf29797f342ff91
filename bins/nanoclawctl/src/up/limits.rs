//! Open files enough for a pipe to each of many programs.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that we ask for: two for each of 2 × 1000 runs (its connection while it starts, its pipe), and some.
const WANTED: u64 = 4_096;

/// Raises the soft limit on open files to what 1,000 runs need, as far as the hard one allows. Less is no error here:
/// the connection that has no descriptor left says so.
pub(super) fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = WANTED.min(hard);
    if soft < wanted {
        // See above: a refusal is met again where it matters.
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).ok();
    }
}
