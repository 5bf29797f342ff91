//! One run, from the start object to the end.

use std::io;
use std::time::Duration;

use nc_wire::mailbox::container::Mailbox;
use nc_wire::start::StartObject;
use tracing::info;

use crate::agent::Agent;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::mail::Mail;
use crate::options::Options;
use crate::prompt::context;
use crate::provider::{Echo, Provider};

/// Where the start object names none.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Reads what the host says, and works by it.
pub(crate) fn serve(options: &Options) -> Result<(), Failure> {
    let start = StartObject::read(io::stdin().lock()).map_err(Failure::look)?;
    match start.provider.as_str() {
        "echo" => {
            let echo = Echo::new(start.model.as_deref().unwrap_or_default()).map_err(Failure::look)?;
            work(options, start, echo)
        }
        other => Err(Failure::Look(anyhow::anyhow!("there is no provider {other:?}: allowed is echo"))),
    }
}

fn work(options: &Options, start: StartObject, provider: impl Provider) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::again)?;
    let mailbox = Mailbox::open(&options.workspace).map_err(Failure::again)?;
    let idle_timeout = match start.limits.idle_timeout_ms {
        0 => IDLE_TIMEOUT,
        ms => Duration::from_millis(ms),
    };
    let context = context(&start.timezone);
    info!("run {} of session {}, provider {}", start.run, start.session, start.provider);
    runtime
        .block_on(async {
            let mail = Mail::new(&options.workspace, options.look_every);
            let desk = Desk::new(mailbox, start.run, start.provider, context);
            Agent::new(desk, provider, mail, idle_timeout)?.run().await
        })
        .map_err(Failure::Again)?;
    info!("left in order");
    Ok(())
}
