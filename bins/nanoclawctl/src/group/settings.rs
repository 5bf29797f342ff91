//! What a group says that differs from the configuration.

use nc_model::{ContainerConfig, Provider};
use serde_json::{Map, Value, json};

use crate::cli::GroupSettings;
use crate::ending::Refusal;

/// The word that takes the configuration's value again.
const DEFAULT: &str = "default";

/// What the options want; `None` leaves as it is, `Some(None)` takes the configuration's value.
#[expect(clippy::option_option, reason = "to leave, to clear and to set are three things, as in the store's GroupEdit")]
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) provider: Option<Option<String>>,
    pub(super) model: Option<Option<String>>,
    pub(super) container: Option<ContainerConfig>,
}

/// Reads the options over `present`, the group's container configuration as it stands.
pub(super) fn wanted(settings: &GroupSettings, present: &str) -> anyhow::Result<Wanted> {
    if let Some(provider) = settings.provider.as_deref().filter(|provider| *provider != DEFAULT) {
        let known = provider.parse::<Provider>();
        known.map_err(|error| Refusal::look(format!("--provider: {error}, {DEFAULT}")))?;
    }
    if settings.model.as_deref().is_some_and(|model| model.trim().is_empty()) {
        return Err(Refusal::look(format!("--model may not be empty: give a name, or {DEFAULT}")));
    }
    Ok(Wanted {
        provider: settings.provider.as_deref().map(unless_default),
        model: settings.model.as_deref().map(unless_default),
        container: container(settings, present)?,
    })
}

fn unless_default(value: &str) -> Option<String> {
    (value != DEFAULT).then(|| value.to_owned())
}

/// The container configuration with the options laid over; none where no option touches it. It is read back as text,
/// so that ranges are those of the format.
fn container(settings: &GroupSettings, present: &str) -> anyhow::Result<Option<ContainerConfig>> {
    let mut fields = read(present)?;
    let mut limits = fields.get("limits").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut touched = false;
    for (name, option) in [("idle_timeout", &settings.idle_timeout), ("run_timeout", &settings.run_timeout)] {
        touched |= lay(&mut fields, name, option.as_deref(), |text| Ok(json!(text)))?;
    }
    touched |= lay(&mut limits, "memory", settings.memory.as_deref(), |text| Ok(json!(text)))?;
    touched |= lay(&mut limits, "processes", settings.processes.as_deref(), number)?;
    if !touched {
        return Ok(None);
    }
    fields.insert("limits".to_owned(), Value::Object(limits));
    let container = ContainerConfig::parse(&Value::Object(fields).to_string());
    container.map(Some).map_err(|error| Refusal::look(format!("the group's settings were not taken: {error}")))
}

fn read(present: &str) -> anyhow::Result<Map<String, Value>> {
    let fields = serde_json::from_str(present);
    fields.map_err(|error| {
        Refusal::look(format!("the group's container configuration in the store cannot be read: {error}"))
    })
}

/// Sets or clears one field; says whether the option was given.
fn lay(
    fields: &mut Map<String, Value>,
    name: &str,
    option: Option<&str>,
    read: impl Fn(&str) -> anyhow::Result<Value>,
) -> anyhow::Result<bool> {
    match option {
        None => return Ok(false),
        Some(DEFAULT) => drop(fields.remove(name)),
        Some(text) => drop(fields.insert(name.to_owned(), read(text)?)),
    }
    Ok(true)
}

fn number(text: &str) -> anyhow::Result<Value> {
    let number: u32 = text.parse().map_err(|_ignored: std::num::ParseIntError| {
        Refusal::look(format!("--processes {text:?} is not a whole number, nor {DEFAULT}"))
    })?;
    Ok(json!(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_laid_over_and_default_takes_them_away() {
        let present = r#"{"limits":{"memory":"1GiB"},"idle_timeout":"5m"}"#;
        let settings = GroupSettings {
            processes: Some("64".to_owned()),
            memory: Some("default".to_owned()),
            run_timeout: Some("90s".to_owned()),
            ..GroupSettings::default()
        };
        let container = wanted(&settings, present).unwrap().container.unwrap();
        let limits = container.limits.unwrap();
        assert_eq!((limits.processes, limits.memory), (Some(64), None));
        assert_eq!(container.idle_timeout.unwrap().as_secs(), 300);
        assert_eq!(container.run_timeout.unwrap().as_secs(), 90);
        assert!(wanted(&GroupSettings::default(), present).unwrap().container.is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |set: fn(&mut GroupSettings)| {
            let mut settings = GroupSettings::default();
            set(&mut settings);
            wanted(&settings, "{}").unwrap_err().to_string()
        };
        assert!(with(|s| s.provider = Some("gpt".into())).contains("allowed are auto, echo, claude, default"));
        assert!(with(|s| s.processes = Some("many".into())).contains("--processes \"many\""));
        assert!(with(|s| s.memory = Some("lots".into())).contains("\"lots\" is not a size"));
        assert!(with(|s| s.idle_timeout = Some("soon".into())).contains("\"soon\" is not a duration"));
        assert!(with(|s| s.model = Some(" ".into())).contains("--model"));
    }
}
