//! What makes a text a call to an agent.

use regex::{Regex, RegexBuilder};

/// The longest pattern, in bytes. A guess: people write words and alternatives, not programs.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// The most memory that one compiled pattern may take, in bytes. A guess; `(a{100}){100}` does not fit.
const MAX_COMPILED_BYTES: usize = 256 * 1024;

/// How deep the parentheses of a pattern may go. A guess.
const MAX_NESTING: u32 = 32;

/// A rule that says whether a text calls an agent.
#[derive(Clone, Debug)]
pub struct Trigger(Rule);

#[derive(Clone, Debug)]
enum Rule {
    /// `@` and this name, folded, at the start.
    Name(Vec<char>),
    Pattern(Regex),
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is empty, and would match everything by accident.
    #[error("the pattern is empty: leave it out for the default trigger, or write \".\" for every text")]
    Empty,
    /// It is too long, or too large once compiled.
    #[error("the pattern is too large: at most {MAX_PATTERN_BYTES} bytes, and repetitions that stay small")]
    TooLarge,
    /// It is not a regular expression.
    #[error("the pattern {pattern:?} is not a regular expression: {reason}")]
    Syntax {
        /// What was given.
        pattern: String,
        /// What the parser says of it, in one line.
        reason: String,
    },
}

impl Trigger {
    /// The trigger of an agent called `name`: `@NAME` at the start of the text, in any case, and no longer word.
    ///
    /// Space around the text and the name does not count. An empty name never matches.
    #[must_use]
    pub fn mention_name(name: &str) -> Self {
        Self(Rule::Name(name.trim().chars().flat_map(fold).collect()))
    }

    /// The trigger of a regular expression, in any case, searched for anywhere in the text.
    ///
    /// # Errors
    /// [`PatternError`] where it is empty, too large or no regular expression.
    pub fn pattern(pattern: &str) -> Result<Self, PatternError> {
        if pattern.trim().is_empty() {
            return Err(PatternError::Empty);
        }
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLarge);
        }
        RegexBuilder::new(pattern)
            .case_insensitive(true)
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(MAX_COMPILED_BYTES)
            .nest_limit(MAX_NESTING)
            .build()
            .map(|regex| Self(Rule::Pattern(regex)))
            .map_err(|error| refusal(pattern, &error))
    }

    /// Whether `text` calls the agent. Space around the text does not count; an empty text never does.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text = text.trim();
        match &self.0 {
            Rule::Name(name) => text.strip_prefix('@').is_some_and(|rest| begins_with_word(rest, name)),
            Rule::Pattern(regex) => !text.is_empty() && regex.is_match(text),
        }
    }
}

fn refusal(pattern: &str, error: &regex::Error) -> PatternError {
    match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
        // The parser draws the pattern over several lines; its last line is the reason.
        other => PatternError::Syntax {
            pattern: pattern.to_owned(),
            reason: other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        },
    }
}

/// A character in the one form that all its cases share. Upper case comes first, so that `ß` equals `SS`.
fn fold(c: char) -> impl Iterator<Item = char> {
    c.to_uppercase().flat_map(char::to_lowercase)
}

/// Whether `text` begins with the folded `name` and goes on with something that is no part of a word.
fn begins_with_word(text: &str, name: &[char]) -> bool {
    let mut expected = name.iter();
    let mut rest = text.chars();
    while expected.len() > 0 {
        let Some(c) = rest.next() else { return false };
        if !fold(c).all(|folded| expected.next() == Some(&folded)) {
            return false;
        }
    }
    !name.is_empty() && rest.next().is_none_or(|c| !c.is_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_calls_at_the_start_on_a_word_boundary_in_any_case() {
        let cases: &[(&str, &str, bool)] = &[
            ("Andy", "@Andy hello", true),
            ("Andy", "@andy", true),
            ("Andy", "  \n@ANDY, hello", true),
            ("Andy", "@Andy's turn", true),
            ("Andy", "@Andy-bot", true),
            ("Andy", "@Andy!", true),
            ("Andy", "@Andyman", false),
            ("Andy", "@Andy2", false),
            ("Andy", "@Andy_x", false),
            ("Andy", "@Andyé", false),
            ("Andy", "hello @Andy", false),
            ("Andy", "Andy hello", false),
            ("Andy", "@ Andy", false),
            ("Andy", "@And", false),
            ("Andy", "@", false),
            ("Andy", "", false),
            ("Andy", "@@Andy", false),
            ("Zoë Ångström", "@zoË ångSTRÖM hi", true),
            ("Straße", "@STRASSE", true),
            ("Strass", "@Straß", true),
            ("Stras", "@Straß", false),
            ("a.b", "@a.b", true),
            ("a.b", "@axb", false),
            ("", "@ hello", false),
            ("", "@", false),
            ("Ану", "@АНУ привет", true),
        ];
        for (name, text, expected) in cases {
            assert_eq!(Trigger::mention_name(name).matches(text), *expected, "{name:?} {text:?}");
        }
    }

    #[test]
    fn a_pattern_is_searched_for_in_any_case() {
        let cases: &[(&str, &str, bool)] = &[
            (".", "x", true),
            (".", "", false),
            (".*", "  ", false),
            ("^hey bot", " HEY BOT do", true),
            ("deploy|release", "please Release it", true),
            (r"\bbot\b", "robots", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Trigger::pattern(pattern).unwrap().matches(text), *expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_bad_pattern_is_refused_with_its_reason() {
        assert_eq!(Trigger::pattern("").unwrap_err(), PatternError::Empty);
        assert_eq!(Trigger::pattern(" \n").unwrap_err(), PatternError::Empty);
        assert_eq!(Trigger::pattern(&"x".repeat(MAX_PATTERN_BYTES + 1)).unwrap_err(), PatternError::TooLarge);
        assert_eq!(Trigger::pattern("(?:a{1000}){1000}").unwrap_err(), PatternError::TooLarge);
        let nested = format!("{}{}", "(".repeat(100), ")".repeat(100));
        for bad in ["(", "[z-a]", "*", "\\", nested.as_str()] {
            let error = Trigger::pattern(bad).unwrap_err();
            assert!(matches!(error, PatternError::Syntax { .. }), "{bad:?}: {error:?}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
        assert_eq!(
            Trigger::pattern("(").unwrap_err().to_string(),
            "the pattern \"(\" is not a regular expression: unclosed group"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(name in ".{0,20}", text in ".{0,60}") {
            let trigger = Trigger::mention_name(&name);
            if trigger.matches(&text) {
                prop_assert!(text.trim().starts_with('@'));
            }
        }

        #[test]
        fn a_plain_name_calls_in_both_cases(name in "[A-Za-z][a-zA-Z0-9]{0,12}", rest in "[ ,.!?].{0,20}") {
            let trigger = Trigger::mention_name(&name);
            let lower = format!("@{}{rest}", name.to_lowercase());
            let upper = format!("@{}{rest}", name.to_uppercase());
            prop_assert!(trigger.matches(&lower));
            prop_assert!(trigger.matches(&upper));
        }

        #[test]
        fn any_pattern_is_taken_or_refused(pattern in ".{0,40}", text in ".{0,40}") {
            if let Ok(trigger) = Trigger::pattern(&pattern) {
                prop_assert!(!trigger.matches("") && (text.trim().is_empty() <= !trigger.matches(&text)));
            }
        }
    }
}
