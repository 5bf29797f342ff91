//! One connection, one run.

use std::pin::pin;

use nc_config::{Credentials, Doorbell, Loaded, Options};
use nc_daemon::{Daemon, Failure};
use nc_model::RunOutcome;
use nc_store::{Store, now};
use tracing::{info, warn};

use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::request::Asked;
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
        Ok(Some(Asked::Run(request))) => request,
        Ok(Some(Asked::Prove(folder))) => return crate::prove::serve(&loaded, &folder, &mut caller).await,
        Ok(None) => return Ok(()),
        Err(why) => {
            warn!(message_id = nc_model::event::RUN_REFUSED, "a request is refused: {why}");
            caller.refused(&why).await;
            return Ok(());
        }
    };
    let (session, by_hand) = (request.session.clone(), request.by_hand.is_some());
    match Run::begin(&loaded, request, instance, handed, &mut daemon) {
        Ok(run) => {
            caller.started(run.id()).await;
            let outcome = live(run, &mut caller, by_hand.then_some(&loaded), &mut daemon).await?;
            caller.ended(outcome).await;
            Ok(())
        }
        Err(Refusal::Busy) => {
            info!(session, "the session has a run");
            caller.busy().await;
            Ok(())
        }
        Err(Refusal::Request(why)) => {
            warn!(message_id = nc_model::event::RUN_REFUSED, session, "a run is refused: {why}");
            caller.refused(&why).await;
            Ok(())
        }
        Err(Refusal::Failure(failure)) => {
            caller.refused(&format!("{:#}", failure.error())).await;
            Err(failure)
        }
    }
}

/// Runs the agent to its end. One by hand ends when its caller goes away, others go on.
async fn live(
    run: Run,
    caller: &mut Caller,
    by_hand: Option<&Loaded>,
    daemon: &mut Daemon,
) -> Result<RunOutcome, Failure> {
    let Some(loaded) = by_hand else { return run.live(daemon).await };
    let (session, id) = (run.session().to_owned(), run.id().to_owned());
    let mut living = pin!(run.live(daemon));
    tokio::select! {
        outcome = &mut living => outcome,
        () = caller.gone() => {
            nobody_listens(loaded, &session, &id);
            living.await
        }
    }
}

/// Asks a run by hand to leave whose person is gone: its words are for nobody, and what people write waits for its end.
fn nobody_listens(loaded: &Loaded, session: &str, run: &str) {
    let asked = Store::open(&loaded.installation.store_file()).and_then(|mut store| store.ask_run_to_leave(run, now()));
    match asked {
        Ok(_) => info!(run, "whoever asked for the run is gone: the agent is asked to leave"),
        Err(error) => warn!(run, %error, "whoever asked for the run is gone, and the agent cannot be asked to leave"),
    }
    nc_daemon::ring(&loaded.installation.doorbell(Doorbell::Run(session)));
}

/// The credentials that `nanoclawctl up` took from its environment.
fn handed() -> Result<Credentials, Failure> {
    match nc_daemon::handed_over().map_err(Failure::config)? {
        Some(bytes) => Credentials::handed_on(&bytes).map_err(Failure::config),
        None => Ok(Credentials::default()),
    }
}
