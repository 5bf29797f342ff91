//! What a group says about the sandbox of its agent: the column `agent_groups.container_config`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{MAX_SANDBOX_PROCESSES, MIN_SANDBOX_MEMORY, TIMEOUT_RANGE};
use crate::quantity::{format_duration, format_size, parse_duration, parse_size};

/// What a group says about its sandbox. What is left out comes from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerConfig {
    /// Which protocol its agent speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<Wire>,
    /// The container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What builds its sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Further directories of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<Mount>>,
    /// How much it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<SandboxLimits>,
    /// How long its agent stays without work, such as `"30m"`.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration")]
    pub idle_timeout: Option<Duration>,
    /// How long its agent may show no sign of work, such as `"30m"`.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration")]
    pub run_timeout: Option<Duration>,
    /// Further MCP servers, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_servers: Option<BTreeMap<String, McpServer>>,
    /// Further packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Packages>,
    /// The names of the hosts that it may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<String>>,
}

/// The protocol between host and sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Two `SQLite` files.
    Mailbox,
    /// JSON files, standard input and output.
    Dropbox,
}

/// What builds sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// The best that the machine has.
    Auto,
    /// bubblewrap.
    Bubblewrap,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Apple's container.
    Apple,
}

/// A directory of the host, bound at `/workspace/extra/<container>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The directory on the host.
    pub host: String,
    /// Its name in the sandbox; the last component of `host` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Whether the agent may only read it.
    #[serde(default = "yes")]
    pub readonly: bool,
}

fn yes() -> bool {
    true
}

/// How much a sandbox may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxLimits {
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "processes")]
    pub processes: Option<u32>,
    /// Memory in bytes, written such as `"2GiB"`.
    #[serde(skip_serializing_if = "Option::is_none", with = "size")]
    pub memory: Option<u64>,
}

/// How an MCP server is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    /// The program.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Packages for the group's image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Packages {
    /// From Debian.
    pub apt: Vec<String>,
    /// From npm.
    pub npm: Vec<String>,
}

/// A text that is no container configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerConfigError {
    /// It is no JSON object at all.
    #[error("the container configuration is not a JSON object: write {{}} for none")]
    NotObject,
    /// A field is unknown, of the wrong type or out of range; the text names it and the place.
    #[error("the container configuration is not valid: {0}")]
    Field(#[from] serde_json::Error),
}

impl ContainerConfig {
    /// Reads the JSON object of a group.
    ///
    /// # Errors
    /// [`ContainerConfigError`] naming the field that is unknown or of the wrong type, and the place.
    pub fn parse(json: &str) -> Result<Self, ContainerConfigError> {
        // serde takes an array for a struct whose fields all have defaults.
        if !json.trim_start().starts_with('{') {
            return Err(ContainerConfigError::NotObject);
        }
        Ok(serde_json::from_str(json)?)
    }

    /// The JSON object, without what is left out.
    ///
    /// # Errors
    /// [`ContainerConfigError`] where JSON cannot hold it; there is no such value.
    pub fn to_json(&self) -> Result<String, ContainerConfigError> {
        Ok(serde_json::to_string(self)?)
    }
}

fn processes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let given = Option::<u32>::deserialize(from)?;
    match given {
        Some(n) if n == 0 || n > MAX_SANDBOX_PROCESSES => {
            Err(serde::de::Error::custom(format!("{n} is out of range: 1 to {MAX_SANDBOX_PROCESSES}")))
        }
        other => Ok(other),
    }
}

mod duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, TIMEOUT_RANGE, format_duration, parse_duration};

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => to.serialize_str(&format_duration(*duration)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| in_range(&text).map_err(serde::de::Error::custom)).transpose()
    }

    fn in_range(text: &str) -> Result<Duration, String> {
        let duration = parse_duration(text).map_err(|error| error.to_string())?;
        let (least, most) = (format_duration(*TIMEOUT_RANGE.start()), format_duration(*TIMEOUT_RANGE.end()));
        let fits = TIMEOUT_RANGE.contains(&duration);
        fits.then_some(duration).ok_or_else(|| format!("{text:?} is out of range: {least} to {most}"))
    }
}

mod size {
    use super::{Deserialize, Deserializer, MIN_SANDBOX_MEMORY, Serializer, format_size, parse_size};

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(value: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => to.serialize_str(&format_size(*bytes)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| in_range(&text).map_err(serde::de::Error::custom)).transpose()
    }

    fn in_range(text: &str) -> Result<u64, String> {
        let bytes = parse_size(text).map_err(|error| error.to_string())?;
        let least = format_size(MIN_SANDBOX_MEMORY);
        let fits = bytes >= MIN_SANDBOX_MEMORY;
        fits.then_some(bytes).ok_or_else(|| format!("{text:?} is out of range: at least {least}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_and_writes_back() {
        let json = r#"{"wire":"mailbox","image":"x:1","runtime":"bubblewrap","mounts":[{"host":"/srv/x","readonly":false}],
            "limits":{"processes":64,"memory":"1GiB"},"idle_timeout":"90s","run_timeout":"1h",
            "mcp_servers":{"w":{"command":"w","args":["-v"],"env":{"A":"b"}}},"packages":{"apt":["jq"],"npm":[]},
            "egress":["api.example.org"]}"#;
        let config = ContainerConfig::parse(json).unwrap();
        assert_eq!(config.limits.as_ref().unwrap().memory, Some(1 << 30));
        assert_eq!(config.idle_timeout, Some(Duration::from_secs(90)));
        assert_eq!(ContainerConfig::parse(&config.to_json().unwrap()).unwrap(), config);
        assert_eq!(ContainerConfig::parse("{}").unwrap().to_json().unwrap(), "{}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (r#"{"imgae":"x"}"#, "unknown field `imgae`"),
            (r#"{"limits":{"cpu":1}}"#, "unknown field `cpu`"),
            (r#"{"runtime":"vmware"}"#, "unknown variant `vmware`"),
            (r#"{"idle_timeout":"soon"}"#, "\"soon\" is not a duration"),
            (r#"{"idle_timeout":5}"#, "invalid type: integer `5`"),
            (r#"{"limits":{"processes":-1}}"#, "invalid value: integer `-1`"),
            (r#"{"idle_timeout":"0s"}"#, "\"0s\" is out of range: 1s to 24h"),
            (r#"{"run_timeout":"25h"}"#, "\"25h\" is out of range: 1s to 24h"),
            (r#"{"limits":{"processes":0}}"#, "0 is out of range: 1 to 4194304"),
            (r#"{"limits":{"memory":"1B"}}"#, "\"1B\" is out of range: at least 16MiB"),
            (r#"{"image":"x""#, "EOF while parsing"),
            ("[]", "not a JSON object"),
            ("", "not a JSON object"),
        ];
        for (json, reason) in cases {
            let error = ContainerConfig::parse(json).unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
    }
}
