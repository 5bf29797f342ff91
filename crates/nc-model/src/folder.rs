//! The name of an agent group's folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest folder name, in bytes.
const MAX_LEN: usize = 64;

/// The folder that every group reads and that therefore belongs to none.
const SHARED_FOLDER: &str = "global";

/// The name of an agent group's folder: `[a-z0-9][a-z0-9-]{0,63}`, and not `global`.
///
/// It is one plain path component by construction, so joining it to a directory never leaves that directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FolderName(String);

/// Why a text is not a folder name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderNameError {
    /// A character, the length or the first character is not allowed.
    #[error("folder name {name:?} is not allowed: use 1 to 64 of a-z, 0-9 and '-', beginning with a letter or digit")]
    Alphabet {
        /// What was given.
        name: String,
    },
    /// The name is kept for what all groups share.
    #[error("folder name \"global\" is not allowed: it is the folder that all groups read")]
    Shared,
}

impl FolderName {
    /// Takes `name` as a folder name.
    ///
    /// # Errors
    /// [`FolderNameError`] where it is empty, longer than 64 bytes, has a character outside the alphabet, or is `global`.
    pub fn parse(name: &str) -> Result<Self, FolderNameError> {
        if name == SHARED_FOLDER {
            return Err(FolderNameError::Shared);
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > MAX_LEN || name.starts_with('-') || !name.bytes().all(allowed) {
            return Err(FolderNameError::Alphabet { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FolderName {
    type Err = FolderNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

impl TryFrom<String> for FolderName {
    type Error = FolderNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name)
    }
}

impl From<FolderName> for String {
    fn from(name: FolderName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_alphabet_and_refuses_the_rest() {
        let longest = "a".repeat(MAX_LEN);
        for name in ["main", "a", "0", "family-2", "a-", longest.as_str()] {
            assert_eq!(FolderName::parse(name).unwrap().as_str(), name);
        }
        let too_long = "a".repeat(MAX_LEN + 1);
        for name in ["", "-a", "Main", "../x", "a/b", "a.b", "a_b", "ä", "a\0", "a b", "global", too_long.as_str()] {
            assert!(FolderName::parse(name).is_err(), "{name:?} was taken");
        }
    }
}
