//! One run, from the start object to the end.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nc_model::markup::PromptContext;
use nc_wire::mailbox::container::Mailbox;
use nc_wire::start::StartObject;
use tracing::{info, warn};

use crate::agent::Agent;
use crate::desk::{Desk, conversed_key};
use crate::failure::Failure;
use crate::gateway::{Gateway, Upstream};
use crate::instructions::instructions;
use crate::mail::Mail;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::prompt::context;
use crate::provider::{Claude, Echo, Provider, Setup, Unusable};

/// Where the start object names none.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Everything that a run has, whoever answers.
struct Run<'a> {
    options: &'a Options,
    start: StartObject,
    mailbox: Mailbox,
    /// The group's directory.
    directory: PathBuf,
    context: PromptContext,
}

/// Who answers.
enum Who {
    Echo(Echo),
    Claude,
}

impl Who {
    fn of(start: &StartObject) -> Result<Self, Failure> {
        match start.provider.as_str() {
            "echo" => Echo::new(start.model.as_deref().unwrap_or_default()).map(Self::Echo).map_err(Failure::look),
            "claude" => Ok(Self::Claude),
            other => Err(Failure::Look(anyhow::anyhow!("there is no provider {other:?}: allowed are claude and echo"))),
        }
    }
}

/// Reads what the host says, and works by it.
pub(crate) fn serve(options: &Options) -> Result<(), Failure> {
    let start = StartObject::read(io::stdin().lock()).map_err(Failure::look)?;
    let who = Who::of(&start)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::again)?;
    let mut mailbox = Mailbox::open(&options.workspace).map_err(Failure::again)?;
    if let Some(why) = mailbox.unusable() {
        warn!("outbound.db could not be used and was moved away, a new one is made: {:#}", anyhow::Error::from(why));
    }
    let (directory, context) = (directory(&options.workspace), context(&start.timezone));
    info!("run {} of session {}, provider {}", start.run, start.session, start.provider);
    let run = Run { options, start, mailbox, directory, context };
    runtime.block_on(run.begin(who))?;
    info!("left in order");
    Ok(())
}

impl Run<'_> {
    async fn begin(self, who: Who) -> Result<(), Failure> {
        match who {
            Who::Echo(echo) => self.work(echo).await,
            Who::Claude => self.claude().await,
        }
    }

    async fn claude(mut self) -> Result<(), Failure> {
        let credentials = std::mem::take(&mut self.start.credentials);
        let upstream = match Upstream::of(credentials) {
            Ok(upstream) => upstream,
            Err(missing) => return self.work(Unusable::new(format!("Claude cannot be used: {missing}."))).await,
        };
        let gateway = Gateway::open(upstream, self.options.api_silence).await.map_err(Failure::again)?;
        let setup = self.setup().map_err(Failure::again)?;
        self.work(Claude::new(setup, gateway)).await
    }

    fn setup(&self) -> anyhow::Result<Setup> {
        let session = self.mailbox.state(&format!("continuation:{}", self.start.provider))?;
        let book = self.mailbox.address_book().unwrap_or_else(|error| {
            warn!("the destinations cannot be read now, and the model is not told of them: {error}");
            nc_wire::mailbox::container::AddressBook::default()
        });
        Ok(Setup {
            binary: self.options.claude.clone(),
            directory: self.directory.clone(),
            also: other_directories(&self.options.workspace),
            model: self.start.model.clone().filter(|model| !model.is_empty()),
            instructions: instructions(&self.start, &book),
            session: session.filter(|id| !id.is_empty()),
            conversed: self.mailbox.state(&conversed_key(&self.start.provider))?.is_some(),
            name: self.start.assistant_name.clone(),
            zone: self.context.timezone.clone(),
            start_within: self.options.start_within,
        })
    }

    async fn work(self, provider: impl Provider) -> Result<(), Failure> {
        let workspace = &self.options.workspace;
        let idle_timeout = match self.start.limits.idle_timeout_ms {
            0 => IDLE_TIMEOUT,
            ms => Duration::from_millis(ms),
        };
        let mail = Mail::new(workspace, self.options.look_every);
        let outbox = Outbox::new(workspace, &self.directory);
        let desk = Desk::new(self.mailbox, outbox, self.start.run, self.start.provider, self.context);
        Agent::new(desk, provider, mail, idle_timeout).map_err(Failure::Again)?.run().await
    }
}

/// The group's directory in a workspace, or the workspace itself where it has none.
fn directory(workspace: &Path) -> PathBuf {
    let of_group = workspace.join("agent");
    if of_group.is_dir() { of_group } else { workspace.to_owned() }
}

/// What all groups share, and what was mounted besides.
fn other_directories(workspace: &Path) -> Vec<PathBuf> {
    let extra = workspace.join("extra").read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut directories: Vec<PathBuf> = std::iter::once(workspace.join("global")).chain(extra).collect();
    directories.retain(|path| path.is_dir());
    directories.sort();
    directories
}
