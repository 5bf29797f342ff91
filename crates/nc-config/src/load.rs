//! Puts the configuration together: option over environment over files over defaults.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::config::Config;
use crate::error::ConfigError;
use crate::installation::Installation;
use crate::keys::{self, ANY, CHANNELS, KEYS};
use crate::nearest::nearest;
use crate::options::{ENV_DIR, ENV_PREFIX, Options, env_name};
use crate::reader::{Raw, quoted, read};
use crate::settings::{Setting, Source};
use crate::{files, place};

/// A configuration, the installation that it lays out, and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The paths.
    pub installation: Installation,
    /// Every key with its value and source, in the order of [`KEYS`].
    pub settings: Vec<Setting>,
}

/// Finds the installation that `options` and the environment mean, and reads its configuration.
///
/// # Errors
/// [`ConfigError`] for the first thing that is wrong, wherever it stands: also a value that another one overrides.
pub fn load(options: &Options) -> Result<Loaded, ConfigError> {
    load_with(options, std::env::vars_os().collect())
}

/// The same for who has to tell of a wrong configuration: keys and files that are wrong are passed over as if they were not
/// there, and the first of those errors is returned, too.
///
/// # Errors
/// [`ConfigError`] where the installation is not found, its files cannot be read, or an option is wrong.
pub fn load_what_is_right(options: &Options) -> Result<(Loaded, Option<ConfigError>), ConfigError> {
    let mut layers = Layers::new()?;
    layers.passed_over = Some(Vec::new());
    let (loaded, wrong) = lay(layers, options, std::env::vars_os().collect())?;
    Ok((loaded, wrong.into_iter().next()))
}

pub(crate) fn load_with(options: &Options, environment: Vec<(OsString, OsString)>) -> Result<Loaded, ConfigError> {
    lay(Layers::new()?, options, environment).map(|(loaded, _)| loaded)
}

/// Lays files, environment and options over `layers`; also returns what was passed over.
fn lay(
    mut layers: Layers,
    options: &Options,
    environment: Vec<(OsString, OsString)>,
) -> Result<(Loaded, Vec<ConfigError>), ConfigError> {
    let home = place::home(&environment);
    let variables = ours(environment)?;
    let dir = variables.iter().find(|(name, _)| name == ENV_DIR).map(|(_, value)| value.as_os_str());
    let dir = place::find(options.dir.as_deref(), dir, home.as_deref())?;
    for (path, text) in files::read_all(&dir)? {
        let laid = layers.file(&path, &text);
        layers.unless_passed_over(laid)?;
    }
    for (name, value) in variables.iter().filter(|(name, _)| name != ENV_DIR) {
        let laid = layers.variable(name, value);
        layers.unless_passed_over(laid)?;
    }
    for given in &options.set {
        let pair = given.split_once('=').ok_or_else(|| ConfigError::NotAssignment { given: given.clone() })?;
        layers.set(pair.0.trim(), Raw::Text(pair.1), Source::Option)?;
    }
    let wrong = layers.passed_over.take().unwrap_or_default();
    let loaded = layers.finish(dir);
    if let Some((path, most)) = loaded.installation.too_long() {
        return Err(ConfigError::TooLong { path: path.to_owned(), length: path.as_os_str().len(), most });
    }
    Ok((loaded, wrong))
}

/// The key that a variable sets. Only one spelling of each counts, or two of them could contradict each other.
fn key_of(variable: &str) -> Result<String, ConfigError> {
    let key = variable[ENV_PREFIX.len()..].replace("__", ".").to_lowercase();
    let proper = env_name(&key);
    if variable == proper {
        return Ok(key);
    }
    let from = Source::Environment { variable: variable.to_owned() };
    Err(ConfigError::UnknownKey { from, key: variable.to_owned(), nearest: Some(proper) })
}

/// The variables whose names begin with `NANOCLAW_`, in the order of their names.
fn ours(environment: Vec<(OsString, OsString)>) -> Result<Vec<(String, OsString)>, ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in environment {
        if !name.as_encoded_bytes().starts_with(ENV_PREFIX.as_bytes()) {
            continue;
        }
        let name = name.into_string().map_err(|name| {
            let from = Source::Environment { variable: name.to_string_lossy().into_owned() };
            ConfigError::UnknownKey { from, key: name.to_string_lossy().into_owned(), nearest: None }
        })?;
        ours.push((name, value));
    }
    ours.sort();
    Ok(ours)
}

/// The values so far; each layer is laid over the ones before.
struct Layers {
    config: Config,
    settings: BTreeMap<String, (String, Source)>,
    /// What was wrong; none where nothing wrong is passed over.
    passed_over: Option<Vec<ConfigError>>,
}

impl Layers {
    /// The defaults.
    fn new() -> Result<Self, ConfigError> {
        let mut layers = Self { config: Config::blank(), settings: BTreeMap::new(), passed_over: None };
        for key in KEYS {
            let Some(default) = key.default else { continue };
            let table = format!("v = {default}");
            let table = DeTable::parse(&table).map_err(|error| syntax(Path::new("default"), &table, &error))?;
            for value in table.get_ref().values() {
                layers.set(&key.name.replace(ANY, CHANNELS[0]), Raw::Toml(value.get_ref()), Source::Default)?;
            }
        }
        // Its default is not a value but follows another key.
        layers.settings.remove("run_dir");
        Ok(layers)
    }

    /// Keeps an error for later where what is wrong is passed over.
    fn unless_passed_over(&mut self, laid: Result<(), ConfigError>) -> Result<(), ConfigError> {
        match (laid, &mut self.passed_over) {
            (Err(error), Some(passed_over)) => {
                passed_over.push(error);
                Ok(())
            }
            (laid, _) => laid,
        }
    }

    /// Lays a variable's value over.
    fn variable(&mut self, name: &str, value: &OsStr) -> Result<(), ConfigError> {
        let key = key_of(name)?;
        let value = value.to_str().ok_or_else(|| ConfigError::NotUtf8 { variable: name.to_owned() })?;
        self.set(&key, Raw::Text(value), Source::Environment { variable: name.to_owned() })
    }

    /// Lays a file's values over.
    fn file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let table = DeTable::parse(text).map_err(|error| syntax(path, text, &error))?;
        self.table(&Place { path, text }, "", table.get_ref())
    }

    fn table(&mut self, place: &Place<'_>, prefix: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            let laid = match value.get_ref() {
                DeValue::Table(inner) if keys::is_table(&key) => self.table(place, &format!("{key}."), inner),
                _ if keys::is_table(&key) => {
                    let reason = format!("is not a table: write [{key}] with keys below it");
                    Err(ConfigError::Value { from: place.source(value.span().start), key, reason })
                }
                value_of_key => self.set(&key, Raw::Toml(value_of_key), place.source(name.span().start)),
            };
            self.unless_passed_over(laid)?;
        }
        Ok(())
    }

    /// Lays one value over.
    fn set(&mut self, name: &str, raw: Raw<'_>, from: Source) -> Result<(), ConfigError> {
        let Some((key, channel)) = keys::find(name) else {
            let names = keys::written_names();
            let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
            return Err(ConfigError::UnknownKey { from, key: name.to_owned(), nearest });
        };
        match read(&mut self.config, key, channel, raw) {
            Ok(value) => {
                self.settings.insert(name.to_owned(), (value, from));
                Ok(())
            }
            Err(reason) => Err(ConfigError::Value { from, key: name.to_owned(), reason }),
        }
    }

    fn finish(mut self, dir: PathBuf) -> Loaded {
        if !self.settings.contains_key("run_dir") {
            self.config.run_dir = self.config.data_dir.join("run");
        }
        let settings = self.listed();
        Loaded { installation: Installation::new(dir, &self.config), config: self.config, settings }
    }

    /// Every key in the order of [`KEYS`], each of a channel's for every channel.
    fn listed(&self) -> Vec<Setting> {
        let channels = || self.config.channels.keys();
        let names = KEYS.iter().flat_map(|key| {
            if key.name.contains(ANY) {
                channels().map(|channel| key.name.replace(ANY, channel)).collect()
            } else {
                vec![key.name.to_owned()]
            }
        });
        names.map(|key| self.setting(key)).collect()
    }

    fn setting(&self, key: String) -> Setting {
        let unset = || {
            let follows = if key == "run_dir" { quoted(&self.config.run_dir.to_string_lossy()) } else { String::new() };
            (follows, Source::Default)
        };
        let (value, source) = self.settings.get(&key).cloned().unwrap_or_else(unset);
        Setting { key, value, source }
    }
}

/// A file that is being read.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn source(&self, offset: usize) -> Source {
        Source::File { path: self.path.to_owned(), line: line_of(self.text, offset) }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].split(|byte| *byte == b'\n').count()
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        reason: error.message().lines().collect::<Vec<_>>().join("; "),
    }
}
