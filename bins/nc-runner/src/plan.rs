//! What a run is to be, from what the group and the configuration say.

use std::ffi::OsString;
use std::time::Duration;

use nc_config::{Choice, Config, LogLevel, Provider, Secret};
use nc_model::container_config::Wire;
use nc_model::{ContainerConfig, Runtime};
use nc_sandbox::Limits;
use nc_store::RunPlan;
use nc_wire::start::{Credentials, StartLimits, StartObject};

use crate::driver::Driver;

/// What a run is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The session and its group.
    pub(crate) target: RunPlan,
    /// How much the sandbox may use.
    pub(crate) limits: Limits,
    /// How long the agent stays without work.
    pub(crate) idle: Duration,
    /// How long it may show no sign of work.
    pub(crate) patience: Duration,
    /// How much of its output is kept, in bytes.
    pub(crate) output: u64,
    /// The user's zone.
    pub(crate) timezone: String,
    /// What the agent logs.
    log_level: LogLevel,
    /// What is to drive the agent.
    pub(crate) provider: Provider,
    /// The model that the configuration names.
    model: String,
    assistant: String,
}

impl Plan {
    /// Puts the group's own word before the configuration's; the error is what whoever asked is told.
    pub(crate) fn new(target: RunPlan, config: &Config) -> Result<Self, String> {
        let container = ContainerConfig::parse(&target.container_config)
            .map_err(|error| format!("group {}: {error}", target.folder))?;
        if let Some(what) = beyond(&container, config.runtime) {
            return Err(format!("group {}: {what}", target.folder));
        }
        let provider = provider(&target, config)?;
        let limits = container.limits.unwrap_or_default();
        let usual = Limits::default();
        Ok(Self {
            limits: Limits {
                processes: limits.processes.unwrap_or(usual.processes),
                memory: limits.memory.unwrap_or(usual.memory),
            },
            idle: container.idle_timeout.unwrap_or(config.idle_timeout),
            patience: container.run_timeout.unwrap_or(config.run_timeout),
            output: config.max_output,
            timezone: config.timezone_name.clone(),
            log_level: config.log_level,
            provider,
            model: config.model.clone(),
            assistant: config.assistant_name.clone(),
            target,
        })
    }

    /// The options of nc-agent: nothing where it is to do as it does by itself.
    pub(crate) fn agent_options(&self) -> Vec<OsString> {
        match self.log_level {
            LogLevel::Info => Vec::new(),
            level => vec!["--log-level".into(), level.as_str().into()],
        }
    }

    /// What the agent is told on its standard input, where `driver` drives it.
    pub(crate) fn start_object(&self, run: &str, driver: &Driver) -> StartObject {
        StartObject {
            run: run.to_owned(),
            session: self.target.session.clone(),
            provider: driver.choice.provider().to_string(),
            model: self.model(&driver.choice),
            credentials: Credentials(driver.credentials.iter().map(owned).collect()),
            limits: StartLimits {
                idle_timeout_ms: milliseconds(self.idle),
                run_timeout_ms: milliseconds(self.patience),
            },
            timezone: self.timezone.clone(),
            assistant_name: self.assistant.clone(),
            group_name: Some(self.target.group_name.clone()),
            is_main: self.target.is_main,
        }
    }

    /// The model: the group's, else the configuration's. The echo has models of its own, for trying things out: it gets
    /// one only where it was asked for by name, and not where it stands in for a model.
    fn model(&self, choice: &Choice) -> Option<String> {
        let own = self.target.model.clone();
        match choice {
            Choice::Claude(_) => own.or_else(|| Some(self.model.clone()).filter(|model| !model.is_empty())),
            Choice::Echo { for_want_of: None } => own,
            Choice::Echo { for_want_of: Some(_) } => None,
        }
    }
}

fn owned((name, secret): (&str, &Secret)) -> (String, String) {
    (name.to_owned(), secret.expose().to_owned())
}

/// The group's own word on what drives its agent, else the configuration's.
fn provider(target: &RunPlan, config: &Config) -> Result<Provider, String> {
    let Some(word) = &target.provider else { return Ok(config.provider) };
    word.parse().map_err(|error| format!("group {}: {error}: `nanoclawctl group edit` changes it", target.folder))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is asked for that this program does not do: better no run than one with less, or more, than was asked for.
fn beyond(container: &ContainerConfig, configured: Runtime) -> Option<String> {
    let field = |name: &str| Some(format!("container_config has {name}, which this version does not do: remove it"));
    match container.runtime.unwrap_or(configured) {
        Runtime::Auto | Runtime::Bubblewrap => {}
        other => {
            let name = format!("{other:?}").to_lowercase();
            return Some(format!("the runtime {name} is not there yet: set runtime to auto or bubblewrap"));
        }
    }
    let is_set = |list: Option<usize>| list.is_some_and(|length| length > 0);
    match container {
        c if c.wire == Some(Wire::Dropbox) => field("wire \"dropbox\""),
        c if is_set(c.mounts.as_ref().map(Vec::len)) => field("mounts"),
        c if is_set(c.mcp_servers.as_ref().map(std::collections::BTreeMap::len)) => field("mcp_servers"),
        c if is_set(c.packages.as_ref().map(|p| p.apt.len() + p.npm.len())) => field("packages"),
        // Even an empty list asks for something: no network.
        c if c.egress.is_some() => field("egress"),
        _ => None,
    }
}
