//! The skeleton of every daemon.

use std::process::ExitCode;
use std::sync::Arc;

use nix::sys::stat::{Mode, umask};
use tracing::{error, info};

use crate::bell::Bell;
use crate::daemon::Daemon;
use crate::inherited::{Inherited, close_on_exec};
use crate::supervisor::Supervisor;
use crate::timer::Timer;
use crate::{Failure, NotifyState, Signals, event, logs, notify};

/// Runs `serve` as the daemon `name` and returns its exit status.
///
/// Before `serve` is called: no descriptor for children, umask 077 (under systemd the unit's `UMask=` stands), logs, the supervisor's death signal, inherited sockets, their bell drained
/// (before any configuration is read), signals. After a failure it is logged once with its chain, the bell is drained
/// again (an unread ring would have a socket unit start us at once, whatever `RestartPreventExitStatus=` says), and the
/// status is [`Failure::status`]. After `Ok` nothing is read: a ring that came after the last wait starts us again.
pub fn run<F>(name: &'static str, serve: impl FnOnce(Daemon) -> F) -> ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    close_on_exec();
    if !started_by_systemd() {
        umask(Mode::from_bits_truncate(0o077));
    }
    let level = logs::begin(name);
    let supervised = match Supervisor::attach() {
        Supervisor::None => false,
        Supervisor::Present => true,
        Supervisor::Gone => {
            info!("whoever started this is gone: nothing to do");
            return ExitCode::SUCCESS;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return end(&Failure::again(anyhow::Error::new(cause).context("start the runtime")), None),
    };
    let status = runtime.block_on(async {
        let (daemon, bell) = match prepare(level, supervised) {
            Ok(prepared) => prepared,
            Err(failure) => return end(&failure, None),
        };
        match serve(daemon).await {
            Ok(()) => {
                notify(&[NotifyState::Stopping]);
                ExitCode::SUCCESS
            }
            Err(failure) => end(&failure, bell.as_deref()),
        }
    });
    // A blocking call that still runs must not keep the program: nobody is left to take its result.
    runtime.shutdown_background();
    status
}

/// systemd.exec(5): the process id of a unit's own process, unlike `INVOCATION_ID`, which shells inherit.
fn started_by_systemd() -> bool {
    std::env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string())
}

fn prepare(level: logs::Level, supervised: bool) -> Result<(Daemon, Option<Arc<Bell>>), Failure> {
    let inherited = Inherited::take(supervised);
    let bell = inherited.bell.map(Bell::inherited).transpose()?.map(Arc::new);
    if let Some(bell) = &bell {
        bell.drain();
    }
    let daemon =
        Daemon::new(level, (Signals::listen()?, Timer::new()?), bell.clone(), inherited.connection, supervised);
    Ok((daemon, bell))
}

fn end(failure: &Failure, bell: Option<&Bell>) -> ExitCode {
    let id = if failure.status() == Failure::CONFIG { event::NEEDS_A_PERSON } else { event::FAILED_FOR_NOW };
    error!(message_id = id, "{:#}; {}", failure.error(), failure.consequence());
    notify(&[NotifyState::Stopping, NotifyState::Status(&one_line(failure))]);
    if let Some(bell) = bell {
        bell.drain();
    }
    ExitCode::from(failure)
}

fn one_line(failure: &Failure) -> String {
    format!("{:#}", failure.error()).replace('\n', " ")
}
