//! The signals that a program of ours listens to.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: come to an orderly end.
    Stop,
    /// SIGINT: the same, from a person at a terminal.
    Interrupt,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP, from the moment this is made. A SIGHUP that was ignored before stays so: nohup(1).
#[derive(Debug)]
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hangup: Option<Stream>,
}

impl Signals {
    /// Begins to listen; needs a tokio runtime.
    ///
    /// # Errors
    /// As sigaction(2), or where the runtime has no signal driver.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: (!hangup_is_ignored()).then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    /// The next signal, an end before a reload. Nothing is lost when the future is dropped before.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Interrupt,
            () = next(self.hangup.as_mut()) => Signal::Reload,
        }
    }
}

async fn next(stream: Option<&mut Stream>) {
    match stream {
        Some(stream) => drop(stream.recv().await),
        None => std::future::pending().await,
    }
}

/// `proc_pid_status(5)`: `SigIgn` is a mask in hexadecimal, its lowest bit signal 1.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
