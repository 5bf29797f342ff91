//! Credentials: what a provider needs to prove itself, by name.
//!
//! A credential comes from the first place that has one of its name: systemd's `$CREDENTIALS_DIRECTORY`, the environment
//! of whoever started the toolkit in the foreground, the installation's `credentials/`. None is printed, logged or kept
//! in the store.

mod directory;
mod error;
mod secret;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use nc_model::Provider;
use zeroize::Zeroizing;

use self::directory::Care;
pub use self::directory::encrypted_name;
pub use self::error::CredentialError;
pub use self::secret::{Fault, MAX_SECRET_BYTES, Secret};

/// One name that a credential can have.
#[derive(Debug)]
pub struct Credential {
    /// The name: of the file, and of the environment variable.
    pub name: &'static str,
    /// It lets somebody in by itself. The others say where, or as what, and are kept as carefully.
    pub secret: bool,
    /// Who uses it.
    pub provider: Provider,
    /// What it is, in a sentence.
    pub about: &'static str,
}

/// Every credential, in the order in which a person is shown them.
pub const CREDENTIALS: &[Credential] = &[
    Credential {
        name: "ANTHROPIC_API_KEY",
        secret: true,
        provider: Provider::Claude,
        about: "A key of the Anthropic API, or of what stands at ANTHROPIC_BASE_URL; it is sent as x-api-key.",
    },
    Credential {
        name: "ANTHROPIC_AUTH_TOKEN",
        secret: true,
        provider: Provider::Claude,
        about: "A token for what stands at ANTHROPIC_BASE_URL; it is sent as a bearer. A key goes before it.",
    },
    Credential {
        name: "CLAUDE_CODE_OAUTH_TOKEN",
        secret: true,
        provider: Provider::Claude,
        about: "A token of a Claude subscription, made by `claude setup-token`. A key or an auth token goes before it.",
    },
    Credential {
        name: "ANTHROPIC_BASE_URL",
        secret: false,
        provider: Provider::Claude,
        about: "Where the API is, where it is not Anthropic's own.",
    },
    Credential {
        name: "AWS_BEARER_TOKEN_BEDROCK",
        secret: true,
        provider: Provider::Claude,
        about: "A key of Amazon Bedrock; it needs AWS_REGION, and mostly ANTHROPIC_MODEL.",
    },
    Credential {
        name: REGION,
        secret: false,
        provider: Provider::Claude,
        about: "The region of Amazon Bedrock, such as eu-west-1.",
    },
    Credential {
        name: "ANTHROPIC_MODEL",
        secret: false,
        provider: Provider::Claude,
        about: "The model, where neither the group nor the key `model` names one.",
    },
];

const BEDROCK: &str = "AWS_BEARER_TOKEN_BEDROCK";
const REGION: &str = "AWS_REGION";

/// Where systemd puts a unit's credentials.
const SYSTEMD: &str = "CREDENTIALS_DIRECTORY";

/// The credential of this name.
#[must_use]
pub fn credential(name: &str) -> Option<&'static Credential> {
    CREDENTIALS.iter().find(|known| known.name == name)
}

/// Where a credential came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// systemd.
    Systemd,
    /// The environment of `nanoclawctl up` or `run`.
    Environment,
    /// A file of the installation, that only this machine can decrypt.
    Encrypted,
    /// A file of the installation.
    File,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Systemd => "systemd",
            Self::Environment => "environment",
            Self::Encrypted => "encrypted",
            Self::File => "file",
        })
    }
}

/// Credentials by name. Their values are not printed, and are overwritten when they are dropped.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<&'static str, (Secret, CredentialSource)>);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Credentials {
    /// Those of our environment. A variable that is empty counts as none.
    ///
    /// # Errors
    /// [`CredentialError`] where a variable's value cannot be a credential.
    pub fn from_environment() -> Result<Self, CredentialError> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, CredentialError> {
        let mut all = Self::default();
        for known in CREDENTIALS {
            let Some(value) = variable(known.name).filter(|value| !value.is_empty()) else { continue };
            let refuse = |fault| CredentialError::Variable { name: known.name, fault };
            let secret = Secret::new(value.as_encoded_bytes()).map_err(refuse)?;
            all.0.insert(known.name, (secret, CredentialSource::Environment));
        }
        Ok(all)
    }

    /// Those that systemd gave to this unit: `$CREDENTIALS_DIRECTORY`. It guards them by its own means.
    ///
    /// # Errors
    /// [`CredentialError`] where one cannot be read, or cannot be a credential.
    pub fn from_systemd() -> Result<Self, CredentialError> {
        match std::env::var_os(SYSTEMD) {
            Some(dir) => directory::read(Path::new(&dir), Care::Others, CredentialSource::Systemd),
            None => Ok(Self::default()),
        }
    }

    /// Those in the directory `dir`, which is 0700 and its files 0600; none where it is not there.
    ///
    /// # Errors
    /// [`CredentialError`] where others may read one, where one cannot be read, or cannot be a credential.
    pub fn from_directory(dir: &Path) -> Result<Self, CredentialError> {
        directory::read(dir, Care::Ours, CredentialSource::File)
    }

    /// Those that were decrypted.
    #[must_use]
    pub fn decrypted(all: impl IntoIterator<Item = (&'static Credential, Secret)>) -> Self {
        Self(all.into_iter().map(|(known, secret)| (known.name, (secret, CredentialSource::Encrypted))).collect())
    }

    /// Those that [`Credentials::to_hand_on`] wrote.
    ///
    /// # Errors
    /// [`CredentialError::Handed`] where `bytes` are something else.
    pub fn handed_on(bytes: &[u8]) -> Result<Self, CredentialError> {
        let mut all = Self::default();
        for one in bytes.split_inclusive(|byte| *byte == 0) {
            let pair = one.strip_suffix(&[0]).and_then(|one| {
                let at = one.iter().position(|byte| *byte == b'=')?;
                Some((credential(std::str::from_utf8(&one[..at]).ok()?)?.name, Secret::new(&one[at + 1..]).ok()?))
            });
            let (name, secret) = pair.ok_or(CredentialError::Handed)?;
            all.0.insert(name, (secret, CredentialSource::Environment));
        }
        Ok(all)
    }

    /// All of them for another program of the toolkit: `NAME=VALUE`, each with a NUL at its end.
    #[must_use]
    pub fn to_hand_on(&self) -> Zeroizing<Vec<u8>> {
        let length = self.0.iter().map(|(name, (secret, _))| name.len() + secret.expose().len() + 2).sum();
        // Made at its length: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for (name, (secret, _)) in &self.0 {
            for part in [name.as_bytes(), b"=", secret.expose().as_bytes(), b"\0"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes
    }

    /// These, and of `others` those whose names are not among them.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (name, held) in others.0 {
            self.0.entry(name).or_insert(held);
        }
        self
    }

    /// Those that `provider` uses, and no other.
    #[must_use]
    pub fn only(mut self, provider: Provider) -> Self {
        self.0.retain(|name, _| credential(name).is_some_and(|known| known.provider == provider));
        self
    }

    /// Each by its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        self.0.iter().map(|(name, (secret, _))| (*name, secret))
    }

    /// What is there, and where it came from.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, CredentialSource)> {
        self.0.iter().map(|(name, (_, source))| (*name, *source))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `provider` lacks to prove itself, and what to do about it; none where it lacks nothing.
    #[must_use]
    pub fn lacking(&self, provider: Provider) -> Option<String> {
        let secrets = || CREDENTIALS.iter().filter(move |known| known.secret && known.provider == provider);
        let held: Vec<_> = secrets().filter(|known| self.0.contains_key(known.name)).collect();
        match held.as_slice() {
            [] if secrets().next().is_none() => None,
            [] => {
                let names = secrets().map(|known| known.name).collect::<Vec<_>>().join(", ");
                Some(format!(
                    "there is no credential: put one of {names} into the environment of `nanoclawctl up`, or keep it with \
                     `nanoclawctl secret set NAME`"
                ))
            }
            [only] if only.name == BEDROCK && !self.0.contains_key(REGION) => {
                Some(format!("{BEDROCK} is there but {REGION} is not: `nanoclawctl secret set {REGION}` keeps it"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
