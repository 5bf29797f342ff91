//! Which versions of Claude Code can be used.

use nc_model::{ClaudeVersion, OLDEST_CLAUDE};

/// Why a version cannot be used; none where it can, and also where it is not one as they are known.
pub(super) fn refusal(version: &str) -> Option<String> {
    let known = ClaudeVersion::parse(version)?;
    (known < OLDEST_CLAUDE).then(|| {
        format!(
            "version {version} is too old. At least {OLDEST_CLAUDE} is needed: `nanoclawctl claude fetch` brings one."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_version_is_refused_and_an_unknown_one_is_not() {
        let ClaudeVersion(a, b, c) = OLDEST_CLAUDE;
        for old in ["1.0.128".to_owned(), "2.0.99".to_owned(), format!("{a}.{b}.{}", c - 1)] {
            assert!(refusal(&old).unwrap().contains("too old"), "{old}");
        }
        for good in [format!("{a}.{b}.{c}"), "2.1.331".to_owned(), "3.0.0".to_owned(), String::new(), "next".to_owned()]
        {
            assert_eq!(refusal(&good), None, "{good}");
        }
    }
}
