//! `nanoclawctl claude status`: what would drive a model, and what is missing for it.

use std::process::ExitCode;

use nc_config::{Choice, Claude, ClaudeSource, Provider};
use nc_model::OLDEST_CLAUDE;
use serde::Serialize;

use super::package::{PINNED, Package};
use super::{Npm, ask_version, find};
use crate::credentials;
use crate::installed::Installed;
use crate::output;

/// How things stand.
#[derive(Debug, Serialize)]
struct Status {
    /// What the configuration asks for.
    provider: Provider,
    /// What a group without a word of its own gets now; none where it gets no run.
    chosen: Option<Provider>,
    binary: Option<String>,
    from: Option<String>,
    version: Option<String>,
    /// What is missing or wrong.
    lacking: Vec<String>,
    /// What was found before the binary, and is none.
    passed_over: Vec<String>,
    credentials: Vec<Held>,
    npm: Option<String>,
    package: Option<&'static str>,
    /// The version that `fetch` brings.
    fetched_version: String,
    oldest_version: String,
}

#[derive(Debug, Serialize)]
struct Held {
    name: &'static str,
    from: String,
}

/// Shows it; the status is 0 where Claude Code can work and 1 where it lacks something.
pub(super) async fn show(installed: &Installed, as_json: bool) -> anyhow::Result<ExitCode> {
    let status = Status::look(installed).await?;
    let shown = if as_json { output::json(&status) } else { status.print() };
    shown?;
    Ok(if status.lacking.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Status {
    async fn look(installed: &Installed) -> anyhow::Result<Self> {
        let held = credentials::all(installed)?;
        let provider = installed.loaded.config.provider;
        let chosen = Choice::make(provider, &held, || find(installed)).ok().map(|choice| choice.provider());
        let binary = find(installed).map_err(|error| error.to_string());
        let version = match &binary {
            Ok(claude) => ask_version(&claude.path).await,
            Err(why) => Err(why.clone()),
        };
        let (version, trouble) = match version {
            Ok(version) => (Some(version.to_string()), None),
            Err(why) => (None, Some(why)),
        };
        let of_binary = |take: fn(&Claude) -> String| binary.as_ref().ok().map(take);
        Ok(Self {
            provider,
            chosen,
            binary: of_binary(|claude| claude.path.to_string_lossy().into_owned()),
            from: of_binary(|claude| from(claude).to_owned()),
            version,
            lacking: held.lacking(Provider::Claude).into_iter().chain(trouble).collect(),
            passed_over: binary.iter().flat_map(|claude| &claude.passed_over).map(ToString::to_string).collect(),
            credentials: held.names().map(|(name, from)| Held { name, from: from.to_string() }).collect(),
            npm: Npm::find().map(|npm| npm.path().to_string_lossy().into_owned()),
            package: Package::for_this_machine().map(|package| package.name),
            fetched_version: PINNED.to_string(),
            oldest_version: OLDEST_CLAUDE.to_string(),
        })
    }

    fn print(&self) -> anyhow::Result<()> {
        let word = |provider: Option<Provider>| provider.map_or("none", Provider::as_str);
        let or_none = |text: Option<&str>| text.unwrap_or("none").to_owned();
        let held: Vec<_> = self.credentials.iter().map(|held| format!("{} ({})", held.name, held.from)).collect();
        let rows = [
            ("provider", format!("{}, which is now {}", self.provider, word(self.chosen))),
            ("binary", or_none(self.binary.as_deref())),
            ("from", or_none(self.from.as_deref())),
            ("version", or_none(self.version.as_deref())),
            ("credentials", if held.is_empty() { "none".to_owned() } else { held.join(", ") }),
            ("npm", or_none(self.npm.as_deref())),
            ("fetch brings", format!("{} of {}", self.fetched_version, or_none(self.package))),
            ("oldest that works", self.oldest_version.clone()),
        ];
        let passed = self.passed_over.iter().map(|one| ("passed over", one.clone()));
        let lacking = self.lacking.iter().map(|one| ("lacking", one.clone()));
        let all = rows.into_iter().chain(passed).chain(lacking);
        output::table(&["what", "is"], all.map(|(what, is)| vec![what.to_owned(), is]).collect(), "")
    }
}

/// Where a binary was found, in words.
pub(crate) fn from(claude: &Claude) -> &'static str {
    match claude.source {
        ClaudeSource::Configured => "claude_path",
        ClaudeSource::Path => "PATH",
        ClaudeSource::Fetched(_) => "fetched",
    }
}
