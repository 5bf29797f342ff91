//! The end of runs whose runner was killed and could not write it down.

use std::time::{Duration, Instant};

use anyhow::Context;
use nc_config::{Loaded, Options};
use nc_daemon::{Daemon, Failure, Wakeup};
use nc_store::{Run, Store};
use tracing::{info, warn};

use crate::lock::SessionLock;
use crate::refusal::{at, failed};
use crate::{announce, previous};

/// How long a killed runner's sandbox may take to let go of its session's lock: the kernel kills it with the runner.
const LONGEST_END: Duration = Duration::from_secs(10);

/// How often the lock is tried meanwhile.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Writes down the end of the live runs that are called `names`, by id or by instance, or of all where there are no names.
pub(crate) async fn bury(mut daemon: Daemon, options: Options, names: Vec<String>) -> Result<(), Failure> {
    let loaded = nc_config::load(&options).map_err(Failure::config)?;
    daemon.log_level(loaded.config.log_level.as_str());
    let mut store = Store::open(&loaded.installation.store_file()).map_err(failed)?;
    let called =
        |run: &Run| names.is_empty() || names.iter().any(|name| *name == run.id || run.instance.as_ref() == Some(name));
    for run in store.live_runs().map_err(failed)?.into_iter().filter(called) {
        bury_one(&mut store, &loaded, &run, &mut daemon).await?;
    }
    // Also where there is none: a runner may have died after it wrote down the end and before it told anybody.
    announce::to_both(&loaded.installation);
    Ok(())
}

async fn bury_one(store: &mut Store, loaded: &Loaded, run: &Run, daemon: &mut Daemon) -> Result<(), Failure> {
    let path = loaded.installation.session_dir(run.group, &run.session).lock;
    let until = Instant::now() + LONGEST_END;
    let lock = loop {
        match SessionLock::take(&path).with_context(|| at("lock", &path))? {
            Some(lock) => break lock,
            None if Instant::now() < until => {
                if daemon.wait(Some(Instant::now() + TRY_AGAIN)).await == Wakeup::Stop {
                    return Ok(());
                }
            }
            None => {
                warn!(run = run.id, "not buried: its session's lock is held, so something of it lives");
                return Ok(());
            }
        }
    };
    if !previous::is_gone(store, &run.session).map_err(failed)? {
        warn!(run = run.id, "not buried: its sandbox is not gone");
        return Ok(());
    }
    if previous::bury(store, &run.id).map_err(failed)? {
        info!(run = run.id, session = run.session, "a run whose runner was killed is written down as lost");
    }
    drop(lock);
    Ok(())
}
