//! Who will answer: a model, where there is a credential for one, else the echo. Said once, before anything is started.

use std::env;
use std::io::stderr;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use nc_config::{CREDENTIALS, Claude, Credentials, NoClaude, Options, Provider};
use nc_store::Store;

use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::quoted;
use crate::{claude, credentials};

/// Says who answers in the main group and why, and fetches the binary where only that is missing.
pub(super) async fn prepare(installed: &Installed, store: &Store, options: &Options) -> anyhow::Result<()> {
    let wanted = wanted(installed, store)?;
    if wanted == Provider::Echo {
        say("no model answers, only the echo: the provider is echo");
        return Ok(());
    }
    let held = credentials::all(installed)?;
    let found = match held.lacking(Provider::Claude) {
        Some(why) => Err(why),
        None => binary(installed, options).map_err(|error| error.to_string()),
    };
    match found {
        Ok(binary) => answers(&binary, &held).await,
        Err(why) if wanted == Provider::Auto => {
            say(&format!("no model answers, only the echo: {why}"));
            Ok(())
        }
        Err(why) => Err(Refusal::look(format!("the provider is claude, which cannot work: {why}"))),
    }
}

fn say(text: &str) {
    eprintln!("nanoclawctl: {text}");
}

/// The main group's own word, else the configuration's. One that is none is for the runner to refuse.
fn wanted(installed: &Installed, store: &Store) -> anyhow::Result<Provider> {
    let own = store.main_group()?.and_then(|main| main.provider);
    Ok(own.and_then(|word| word.parse().ok()).unwrap_or(installed.loaded.config.provider))
}

async fn answers(binary: &Claude, held: &Credentials) -> anyhow::Result<()> {
    let version = claude::ask_version(&binary.path).await.map_err(|why| {
        let mend = "put another one in its place, or name it with claude_path; `nanoclawctl claude fetch` brings one";
        Refusal::look(format!("{why}; {mend}"))
    })?;
    let names: Vec<_> = held.names().map(|(name, from)| format!("{name} ({from})")).collect();
    let (path, from) = (quoted(&binary.path), claude::from(binary));
    say(&format!("Claude Code {version} answers: {path} ({from}), with {}", names.join(", ")));
    Ok(())
}

/// The binary; where there is none it is fetched.
fn binary(installed: &Installed, options: &Options) -> Result<Claude, NoClaude> {
    match claude::find(installed) {
        Err(NoClaude::Nowhere { .. }) => {
            if let Err(error) = fetch(installed, options) {
                say(&format!("the Claude Code binary could not be fetched: {error:#}"));
            }
            claude::find(installed)
        }
        found => found,
    }
}

/// `nanoclawctl claude fetch` as a child: what it does on signals is its own, and an interrupt at the terminal ends both.
fn fetch(installed: &Installed, options: &Options) -> anyhow::Result<()> {
    say("there is no Claude Code binary yet: it is fetched");
    let mut command = Command::new(env::current_exe().context("failed to find this program")?);
    command.arg("--dir").arg(installed.paths().dir());
    for set in &options.set {
        command.arg("--set").arg(set);
    }
    for known in CREDENTIALS {
        command.env_remove(known.name);
    }
    // Standard output is the agent's alone.
    let stdout = Stdio::from(stderr().as_fd().try_clone_to_owned()?);
    let status = command.args(["claude", "fetch"]).stdin(Stdio::null()).stdout(stdout).status()?;
    anyhow::ensure!(status.success(), "{status}");
    Ok(())
}
