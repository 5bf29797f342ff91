//! Hears that the host wrote the mailbox.

use std::future;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nc_wire::mailbox::container::Watch;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::warn;

/// How often one looks where the system gives no word of a change; the wire's number for such file systems.
const WITHOUT_WATCH: Duration = Duration::from_millis(500);

/// What tells of new mail.
pub(crate) struct Mail {
    watch: Option<AsyncFd<Watch>>,
    /// How often one looks without being told.
    pub(crate) every: Option<Duration>,
}

impl Mail {
    /// Watches the mailbox in `workspace`; where that cannot be done, says so and has one look twice a second.
    pub(crate) fn new(workspace: &Path, every: Option<Duration>) -> Self {
        let watch = Watch::new(workspace).context("watch the mailbox");
        match watch.and_then(registered) {
            Ok(watch) => Self { watch: Some(watch), every },
            Err(error) => {
                let every = every.unwrap_or(WITHOUT_WATCH);
                warn!("no word of new mail, looking every {} ms: {error:#}", every.as_millis());
                Self { watch: None, every: Some(every) }
            }
        }
    }

    /// Waits until the host wrote, for ever where nothing tells. Then everything that told is taken, so look after it.
    pub(crate) async fn changed(&self) {
        let Some(watch) = &self.watch else { return future::pending().await };
        match watch.readable().await {
            Ok(mut ready) => {
                watch.get_ref().drain();
                ready.clear_ready();
            }
            // Only when the runtime is at its end.
            Err(_) => future::pending().await,
        }
    }
}

#[expect(unsafe_code, reason = "tokio has no safe way to wait for a descriptor that is not its own")]
fn registered(watch: Watch) -> anyhow::Result<AsyncFd<Watch>> {
    // SAFETY: a Watch owns one inotify descriptor, answers `as_raw_fd` with that one always, and closes it only when it is
    // dropped; the AsyncFd owns the Watch, and it is never taken out of it here.
    let registered = unsafe { AsyncFd::register_with_interest(watch, Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1).context("wait for the mailbox")
}
