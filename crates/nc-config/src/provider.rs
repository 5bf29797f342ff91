//! Which provider an agent gets.

use nc_model::Provider;

use crate::{Claude, Credentials, NoClaude};

/// The provider that was chosen, with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The echo.
    Echo {
        /// What is missing for a model, where nobody asked for the echo by name.
        for_want_of: Option<String>,
    },
    /// Claude Code.
    Claude(Claude),
}

/// What was asked for by name cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider claude cannot work: {why}")]
pub struct NoProvider {
    why: String,
}

impl Choice {
    /// Chooses what `wanted` asks for; [`Provider::Auto`] is Claude Code where there is a credential and a binary, else the
    /// echo. `find` is called only where the binary counts.
    ///
    /// # Errors
    /// [`NoProvider`] where Claude Code was asked for by name and lacks something.
    pub fn make(
        wanted: Provider,
        credentials: &Credentials,
        find: impl FnOnce() -> Result<Claude, NoClaude>,
    ) -> Result<Self, NoProvider> {
        if wanted == Provider::Echo {
            return Ok(Self::Echo { for_want_of: None });
        }
        let found = match credentials.lacking(Provider::Claude) {
            Some(lacking) => Err(lacking),
            None => find().map_err(|none| none.to_string()),
        };
        match found {
            Ok(claude) => Ok(Self::Claude(claude)),
            Err(why) if wanted == Provider::Auto => Ok(Self::Echo { for_want_of: Some(why) }),
            Err(why) => Err(NoProvider { why }),
        }
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> Provider {
        match self {
            Self::Echo { .. } => Provider::Echo,
            Self::Claude(_) => Provider::Claude,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClaudeSource;

    fn chosen(wanted: Provider, key: bool, binary: bool) -> String {
        let credentials = Credentials::handed_on(if key { b"ANTHROPIC_API_KEY=x\0" } else { b"" }).unwrap();
        let find = || {
            if binary {
                Ok(Claude { path: "/bin/claude".into(), source: ClaudeSource::Path, passed_over: Vec::new() })
            } else {
                Err(NoClaude::Nowhere { fetched: "/data/claude".into(), passed_over: Vec::new() })
            }
        };
        match Choice::make(wanted, &credentials, find) {
            Ok(Choice::Claude(_)) => "claude".to_owned(),
            Ok(Choice::Echo { for_want_of: None }) => "echo".to_owned(),
            Ok(Choice::Echo { for_want_of: Some(why) }) => format!("echo, {why}"),
            Err(error) => format!("error, {error}"),
        }
    }

    #[test]
    fn auto_takes_claude_where_it_can_work_and_says_what_is_missing_elsewhere() {
        assert_eq!(chosen(Provider::Auto, true, true), "claude");
        assert!(chosen(Provider::Auto, false, true).starts_with("echo, there is no credential"));
        assert!(chosen(Provider::Auto, true, false).starts_with("echo, there is no Claude Code binary"));
        assert!(chosen(Provider::Auto, false, false).starts_with("echo, there is no credential"));
    }

    #[test]
    fn a_name_is_obeyed_or_refused() {
        assert_eq!(chosen(Provider::Echo, true, true), "echo");
        assert_eq!(chosen(Provider::Claude, true, true), "claude");
        assert!(
            chosen(Provider::Claude, false, true)
                .starts_with("error, the provider claude cannot work: there is no cred")
        );
        assert!(chosen(Provider::Claude, true, false).contains("claude fetch"));
    }
}
