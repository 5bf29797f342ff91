//! The installation's place for sockets and locks, ours alone.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nc_config::{Doorbell, Installation};
use nc_daemon::{Failure, Lock, LockError};

use super::output::{Level, Voice};

/// How long programs of an earlier `up` that was killed may take to leave: an agent's 10 s, and 5 more.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long an earlier `up` that was killed may still seem to hold the lock: a child that it was about to start has it until
/// it begins. A guess: ordinary are microseconds.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Where runners have their doorbells, below the directory of sockets.
const RUNS: &str = "runs";

/// Makes the directories that are missing, takes the installation's lock, and waits for programs that an earlier `up`
/// left behind: the kernel told them to stop when it died.
pub(super) fn take(installation: &Installation, voice: &Voice) -> Result<Lock, Failure> {
    for dir in [installation.run_dir().to_owned(), installation.doorbell(Doorbell::TalkDir)] {
        make_dir(&dir)?;
    }
    for name in [RUNS, "channel"] {
        make_dir(&installation.run_dir().join(name))?;
    }
    let lock = nc_daemon::lock_within(&installation.lock_file("up"), LAST_BREATH);
    let lock = lock.map_err(|error| beside(error, installation))?;
    for name in ["router", "ipcd"] {
        wait_for(name, installation, voice)?;
    }
    Ok(lock)
}

/// Removes the doorbells of runners and terminals that were killed.
pub(super) fn leave(installation: &Installation) {
    for dir in [installation.run_dir().join(RUNS), installation.doorbell(Doorbell::TalkDir)] {
        nc_daemon::ring_all(&dir);
    }
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("make the directory {}", dir.display())).map_err(Failure::of_system)
}

fn beside(error: LockError, installation: &Installation) -> Failure {
    let LockError::Held { pid, .. } = &error else {
        return Failure::of_system(error);
    };
    let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let dir = installation.dir().display();
    Failure::again(anyhow::anyhow!("{who} already runs the installation in {dir}: use it, or stop it first"))
}

fn wait_for(name: &str, installation: &Installation, voice: &Voice) -> Result<(), Failure> {
    let file = installation.lock_file(name);
    match nc_daemon::lock(&file) {
        // Taken only to see that it is free; the program takes it itself.
        Ok(_free) => return Ok(()),
        Err(LockError::Held { .. }) => voice.say(Level::Info, &format!("waiting for an earlier nc-{name} to end")),
        Err(error) => return Err(Failure::of_system(error)),
    }
    let waited = nc_daemon::lock_within(&file, PATIENCE).map(drop);
    let seconds = PATIENCE.as_secs();
    waited
        .with_context(|| format!("an nc-{name} that is not ours did not end within {seconds} s"))
        .map_err(Failure::again)
}
