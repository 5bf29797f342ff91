//! A timer of the kernel, for what may be due in an hour.
//!
//! The runtime's own timers lie in wheels and wake a program once for each wheel on the way: four or five times for an hour.
//! This one wakes it once. A second one says that somebody has set the clock: what is due by it is to be reckoned anew.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

/// A time that does not come, in seconds since 1970: the year 2500. The kernel takes none that overflows.
const NEVER: Duration = Duration::from_secs(16_725_225_600);

/// A timer, and a watch on the clock.
#[derive(Debug)]
pub(crate) struct Timer {
    due: AsyncFd<Owned>,
    clock: AsyncFd<Owned>,
}

#[derive(Debug)]
struct Owned(TimerFd);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    /// Must be called inside a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let timer = |clock| {
            let timer = TimerFd::new(clock, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
            #[expect(
                deprecated,
                reason = "Owned has its descriptor and names the same one as long as it lives, as is asked for"
            )]
            AsyncFd::new(Owned(timer))
        };
        let made = Self { due: timer(ClockId::CLOCK_MONOTONIC)?, clock: timer(ClockId::CLOCK_REALTIME)? };
        made.watch_clock()?;
        Ok(made)
    }

    /// Returns when it is `when`; never for none. Nothing is lost when the future is dropped.
    pub(crate) async fn at(&self, when: Option<Instant>) {
        let Some(when) = when else { return std::future::pending().await };
        loop {
            let left = when.saturating_duration_since(Instant::now());
            // Nothing at all would switch it off. Where it fails the runtime's own does.
            if left.is_zero() || self.set(left).is_err() || read(&self.due).await.is_err() {
                return tokio::time::sleep_until(when.into()).await;
            }
        }
    }

    fn set(&self, left: Duration) -> nix::Result<()> {
        let left = TimeSpec::from_duration(left.min(NEVER));
        self.due.get_ref().0.set(Expiration::OneShot(left), TimerSetTimeFlags::empty())
    }

    /// Returns when somebody has set the clock.
    pub(crate) async fn clock_was_set(&self) {
        loop {
            let was_set = read(&self.clock).await == Err(Errno::ECANCELED);
            if self.watch_clock().is_err() {
                return std::future::pending().await;
            }
            if was_set {
                return;
            }
        }
    }

    fn watch_clock(&self) -> nix::Result<()> {
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        self.clock.get_ref().0.set(Expiration::OneShot(TimeSpec::from_duration(NEVER)), flags)
    }
}

/// Waits until the timer has something to say, and takes it.
async fn read(timer: &AsyncFd<Owned>) -> nix::Result<()> {
    loop {
        // The runtime is going away where this fails: nothing comes any more.
        let Ok(mut ready) = timer.readable().await else { return std::future::pending().await };
        let taken = nix::unistd::read(timer.get_ref().0.as_fd(), &mut [0; 8]);
        if taken != Err(Errno::EAGAIN) {
            return taken.map(drop);
        }
        ready.clear_ready();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;
    use std::thread::{sleep, spawn};

    use super::*;

    /// The timeout with which a thread waits for events, once it does; in milliseconds, -1 for none.
    fn timeout_of(wait: impl AsyncFnOnce() + Send + 'static) -> i32 {
        let (send, thread) = channel();
        spawn(move || {
            send.send(nix::unistd::gettid()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(wait());
        });
        let path = format!("/proc/self/task/{}/syscall", thread.recv().unwrap());
        for _ in 0..60_000 {
            let text = fs::read_to_string(&path).unwrap();
            let words: Vec<&str> = text.split_whitespace().collect();
            let waits = |number: nix::libc::c_long| words.first() == Some(&&*number.to_string());
            if waits(nix::libc::SYS_epoll_pwait) || cfg!(target_arch = "x86_64") && waits(232) {
                let timeout = u64::from_str_radix(words[4].trim_start_matches("0x"), 16).unwrap();
                return u32::try_from(timeout & u64::from(u32::MAX)).unwrap().cast_signed();
            }
            sleep(Duration::from_millis(1));
        }
        panic!("it does not wait");
    }

    #[test]
    fn a_far_time_wakes_nobody_on_the_way() {
        let hour = || Instant::now() + Duration::from_secs(3600);
        assert_eq!(timeout_of(async move || Timer::new().unwrap().at(Some(hour())).await), -1);
        // The runtime's own timer would.
        let woken = timeout_of(async move || tokio::time::sleep_until(hour().into()).await);
        assert!((0..3_600_000).contains(&woken), "{woken}");
    }

    #[tokio::test]
    async fn it_comes_at_its_time_and_not_before_and_again_after_it_was_dropped() {
        let timer = Timer::new().unwrap();
        let far = timer.at(Some(Instant::now() + Duration::from_secs(3600)));
        tokio::select! {
            () = far => panic!("an hour has not passed"),
            () = timer.clock_was_set() => panic!("nobody sets the clock"),
            () = std::future::ready(()) => {}
        }
        let due = Instant::now() + Duration::from_millis(20);
        timer.at(Some(due)).await;
        assert!(Instant::now() >= due);
        timer.at(Some(due)).await;
    }
}
