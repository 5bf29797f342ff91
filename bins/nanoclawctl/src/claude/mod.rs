//! `nanoclawctl claude`: the Claude Code binary. It is not ours to ship: whoever uses it fetches it.

mod fetch;
mod integrity;
mod npm;
mod package;
mod progress;
mod status;
mod unpack;
mod version;

use std::process::ExitCode;

use nc_config::{Claude, ClaudeVersion, NoClaude, Options, find_claude};

pub(crate) use self::npm::Npm;
pub(crate) use self::status::from;
pub(crate) use self::version::ask as ask_version;
use crate::installed::Installed;
use crate::output::{line, quoted};
use crate::{cli, ending};

pub(crate) fn run(options: &Options, command: &cli::Claude) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        cli::Claude::Fetch(fetch) => runtime.block_on(bring(&installed, fetch.version.unwrap_or(package::PINNED))),
        cli::Claude::Status(json) => runtime.block_on(status::show(&installed, json.json)),
    }
}

/// The binary that runs of this installation would use.
pub(crate) fn find(installed: &Installed) -> Result<Claude, NoClaude> {
    find_claude(&installed.loaded.config, installed.paths(), std::env::var_os("PATH").as_deref())
}

async fn bring(installed: &Installed, version: ClaudeVersion) -> anyhow::Result<ExitCode> {
    let fetched = fetch::fetch(installed, version).await?;
    let verb = if fetched.was_there { "is there already" } else { "was fetched and checked" };
    line(format!("Claude Code {version} {verb}: {}", quoted(&fetched.path)))?;
    match find(installed) {
        Ok(used) if used.path != fetched.path => {
            let (used, fetched) = (quoted(&used.path), quoted(&fetched.path));
            line(format!("{used} goes before it; to use this one set claude_path = {fetched}"))?;
        }
        Err(error) => return Err(ending::Refusal::look(error.to_string())),
        Ok(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}
