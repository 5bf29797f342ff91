//! What a model needs: credentials, the Claude Code binary, and npm to fetch it.

use std::fs;

use nc_config::{ClaudeVersion, Credentials, Provider, credential};

use super::Check;
use crate::claude::{self, Npm};
use crate::credentials;
use crate::installed::Installed;
use crate::output::quoted;

/// Credentials, binary, npm.
pub(super) fn all(installed: &Installed) -> Vec<Check> {
    let held = credentials::all(installed);
    let needed = match (&held, installed.loaded.config.provider) {
        (_, Provider::Echo) => Need::Not,
        (_, Provider::Claude) => Need::Asked,
        (Ok(held), Provider::Auto) if held.lacking(Provider::Claude).is_none() => Need::Asked,
        (_, Provider::Auto) => Need::Perhaps,
    };
    let binary = usable(installed);
    let npm = npm(binary.is_ok(), needed);
    let strangers = strangers(installed);
    [vec![credentials(held, needed)], strangers, vec![claude(binary, needed), npm]].concat()
}

/// Whether a model is to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The configuration says that none does.
    Not,
    /// One does where it can.
    Perhaps,
    /// One does: the configuration says so, or there is a credential for it.
    Asked,
}

impl Need {
    /// What it means that something is missing.
    fn missing(self, name: &'static str, found: String, mend: &str) -> Check {
        match self {
            Self::Not => Check::ok(name, format!("{found}; the provider is echo, which needs none")),
            Self::Perhaps => Check::warn(name, format!("{found}; the echo answers"), mend),
            Self::Asked => Check::fail(name, found, mend),
        }
    }
}

fn credentials(held: anyhow::Result<Credentials>, need: Need) -> Check {
    const NAME: &str = "credentials";
    let held = match held {
        Ok(held) => held,
        Err(error) => return Check::fail(NAME, format!("{error:#}"), "no agent with a model is started before that"),
    };
    let names: Vec<_> = held.names().map(|(name, from)| format!("{name} ({from})")).collect();
    match held.lacking(Provider::Claude) {
        None => Check::ok(NAME, names.join(", ")),
        Some(why) => need.missing(NAME, why, "`nanoclawctl secret list` shows which there can be"),
    }
}

/// Files among the credentials that are none.
fn strangers(installed: &Installed) -> Vec<Check> {
    let dir = installed.paths().credentials_dir();
    let names = fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let strange: Vec<_> = names.filter(|name| name.to_str().is_none_or(|name| credential(name).is_none())).collect();
    if strange.is_empty() {
        return Vec::new();
    }
    let found = format!("in {} lie files that are no credentials: {strange:?}", quoted(&dir));
    vec![Check::warn("credentials", found, "they are not used: `nanoclawctl secret list` shows the names that are")]
}

/// The binary and its version, in words, or what is wrong.
fn usable(installed: &Installed) -> Result<String, String> {
    let found = claude::find(installed).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let version: ClaudeVersion =
        runtime.map_err(|error| error.to_string())?.block_on(claude::ask_version(&found.path))?;
    let passed: Vec<_> = found.passed_over.iter().map(|one| format!("; passed over: {one}")).collect();
    Ok(format!("{} ({}) is version {version}{}", quoted(&found.path), claude::from(&found), passed.concat()))
}

fn claude(binary: Result<String, String>, need: Need) -> Check {
    const NAME: &str = "claude";
    let mend = "`nanoclawctl claude fetch` brings one that works; claude_path names another";
    match binary {
        Ok(found) => Check::ok(NAME, found),
        Err(why) => need.missing(NAME, why, mend),
    }
}

fn npm(has_binary: bool, need: Need) -> Check {
    const NAME: &str = "npm";
    match Npm::find() {
        Some(npm) => Check::ok(NAME, format!("{} can fetch the Claude Code binary", quoted(npm.path()))),
        None if has_binary || need == Need::Not => Check::ok(NAME, "it is not there, and not needed"),
        None => {
            Check::warn(NAME, "it is not there, so the Claude Code binary cannot be fetched", "`apt-get install npm`")
        }
    }
}
