//! Waiting for a descriptor that somebody else reads.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Says when there is something to read, and does not read it.
#[derive(Debug)]
pub(crate) struct Readiness(AsyncFd<OwnedFd>);

impl Readiness {
    /// Waits on a descriptor of its own for what `file` waits for. Must be called inside a tokio runtime.
    #[expect(unsafe_code, reason = "tokio has no safe way to wait for a descriptor that is not its own")]
    pub(crate) fn of(file: BorrowedFd<'_>) -> io::Result<Self> {
        let own = file.try_clone_to_owned()?;
        // SAFETY: an OwnedFd is open and the same until it is dropped; the AsyncFd owns it, and it is never taken out of it here.
        let registered = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) };
        Ok(Self(registered.map_err(|error| error.into_parts().1)?))
    }

    /// Waits until there is something to read. Nothing is lost when the future is dropped.
    ///
    /// The runtime hears of each event once, and whoever reads may leave some: so it is asked whether the mark still holds.
    pub(crate) async fn readable(&self) {
        loop {
            match self.0.readable().await {
                Ok(mut ready) if is_readable(ready.get_inner()) => {
                    ready.retain_ready();
                    return;
                }
                // The mark was left over; it is set again by the next event.
                Ok(mut ready) => ready.clear_ready(),
                // Only where the runtime is at its end.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

fn is_readable(file: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    // Where it cannot be asked, a look shows it.
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
