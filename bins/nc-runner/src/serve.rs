//! One connection, one run.

use nc_config::{Credentials, Options};
use nc_daemon::{Daemon, Failure};
use tracing::{info, warn};

use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::run::Run;

/// Serves the connection that this program was started for.
pub(crate) async fn serve(mut daemon: Daemon, options: Options, instance: Option<String>) -> Result<(), Failure> {
    let stream = daemon.connection().ok_or_else(|| {
        Failure::config(anyhow::anyhow!(
            "there is no connection on standard input: nc-runner is started for one, by a socket unit or by nanoclawctl up; \
             by hand there is --shell GROUP"
        ))
    })?;
    let mut caller = Caller::new(stream);
    let handed = match handed() {
        Ok(handed) => handed,
        Err(failure) => {
            caller.refused(&format!("{:#}", failure.error())).await;
            return Err(failure);
        }
    };
    let loaded = match nc_config::load(&options) {
        Ok(loaded) => loaded,
        Err(error) => {
            caller.refused(&error.to_string()).await;
            return Err(Failure::config(error));
        }
    };
    daemon.log_level(loaded.config.log_level.as_str());
    let request = match caller.request().await {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(()),
        Err(why) => {
            warn!("a request is refused: {why}");
            caller.refused(&why).await;
            return Ok(());
        }
    };
    let session = request.session.clone();
    match Run::begin(&loaded, request, instance, handed, &mut daemon) {
        Ok(run) => {
            caller.started(run.id()).await;
            let outcome = run.live(&mut daemon).await?;
            caller.ended(outcome).await;
            Ok(())
        }
        Err(Refusal::Busy) => {
            info!(session, "the session has a run");
            caller.busy().await;
            Ok(())
        }
        Err(Refusal::Request(why)) => {
            warn!(session, "a run is refused: {why}");
            caller.refused(&why).await;
            Ok(())
        }
        Err(Refusal::Failure(failure)) => {
            caller.refused(&format!("{:#}", failure.error())).await;
            Err(failure)
        }
    }
}

/// The credentials that `nanoclawctl up` took from its environment.
fn handed() -> Result<Credentials, Failure> {
    match nc_daemon::handed_over().map_err(Failure::config)? {
        Some(bytes) => Credentials::handed_on(&bytes).map_err(Failure::config),
        None => Ok(Credentials::default()),
    }
}
