//! The names by which an agent addresses chats and other agents.

/// The longest local name that is made, in bytes, before a number is added. A guess: it stands in every prompt.
const MAX_SLUG_BYTES: usize = 40;

/// The name where nothing else gives one.
const NAMELESS: &str = "chat";

/// Makes a local name of a chat's name, or of its platform id where the name has no letter or digit.
///
/// It is lower case with single dashes (`Family & Friends` becomes `family-friends`); letters of every script stay. Where
/// `taken` says that a name is in use, `-2`, `-3` … are tried. `taken` must be false for some name.
#[must_use]
pub fn local_name(name: Option<&str>, platform_id: &str, taken: impl Fn(&str) -> bool) -> String {
    let candidates = [name.unwrap_or_default(), platform_id, NAMELESS];
    let slug = candidates.into_iter().map(slug).find(|slug| !slug.is_empty()).unwrap_or_else(|| NAMELESS.to_owned());
    if !taken(&slug) {
        return slug;
    }
    (2..u64::MAX).map(|n| format!("{slug}-{n}")).find(|numbered| !taken(numbered)).unwrap_or(slug)
}

/// A text in lower case, with everything but letters and digits turned into single dashes, cut at a character.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if slug.len() + c.len_utf8() > MAX_SLUG_BYTES {
            break;
        }
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chat_gets_a_short_plain_name_that_is_free() {
        let cases: &[(Option<&str>, &str, &[&str], &str)] = &[
            (Some("Family & Friends"), "1@g.us", &[], "family-friends"),
            (Some("  --x--  "), "1", &[], "x"),
            (Some("Семья"), "1", &[], "семья"),
            (Some("!!!"), "123@g.us", &[], "123-g-us"),
            (None, "C024BE91L", &[], "c024be91l"),
            (None, "", &[], "chat"),
            (None, "🎉", &["chat"], "chat-2"),
            (Some("family"), "1", &["family"], "family-2"),
            (Some("family"), "1", &["family", "family-2", "family-3"], "family-4"),
            (Some("a\n<b>\"c\"\0"), "1", &[], "a-b-c"),
        ];
        for (name, id, used, expected) in cases {
            assert_eq!(local_name(*name, id, |name| used.contains(&name)), *expected, "{name:?} {id:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_short_and_needs_no_escape(name in ".{0,80}", id in ".{0,80}") {
            let made = local_name(Some(&name), &id, |_| false);
            prop_assert!(!made.is_empty() && made.len() <= MAX_SLUG_BYTES);
            prop_assert!(made.chars().all(|c| c.is_alphanumeric() || c == '-'));
        }
    }
}
