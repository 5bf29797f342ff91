//! Versions of Claude Code.

use std::fmt;

/// The oldest version that was tried and works: it has every option and message that `nc-agent` uses.
pub const OLDEST_CLAUDE: ClaudeVersion = ClaudeVersion(2, 1, 274);

/// A version of Claude Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaudeVersion(pub u32, pub u32, pub u32);

impl fmt::Display for ClaudeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl ClaudeVersion {
    /// Reads three numbers with dots between them, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            // What `parse` also takes, such as a sign, makes no version.
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
        });
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!(ClaudeVersion::parse("2.1.331"), Some(ClaudeVersion(2, 1, 331)));
        assert!(ClaudeVersion(2, 1, 9) < ClaudeVersion(2, 1, 10) && ClaudeVersion(2, 9, 0) < ClaudeVersion(10, 0, 0));
        for wrong in ["", "2", "2.1", "2.1.", "2.1.x", "2.1.3.4", "+2.1.3", "2.1.3-beta", "../2.1.3", "2.1.99999999999"]
        {
            assert_eq!(ClaudeVersion::parse(wrong), None, "{wrong:?}");
        }
    }
}
