//! Finds in a source file what its program can say: the texts in the calls that log, print or fail. It knows no Rust but
//! texts, comments, parentheses, and where the tests begin.

use crate::page::squeezed;

/// A text that is said, in the pieces between its placeholders, squeezed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// As it stands in the source.
    pub(crate) text: String,
    fragments: Vec<String>,
}

impl Said {
    fn new(text: String) -> Option<Self> {
        let fragments: Vec<String> = fragments(&text).into_iter().filter(|f| letters(f) >= 3).collect();
        (!fragments.is_empty()).then_some(Self { text, fragments })
    }

    /// Whether the pieces stand in `piece` of a page, in their order.
    pub(crate) fn stands_in(&self, piece: &str) -> bool {
        let mut rest = piece;
        self.fragments.iter().all(|fragment| match rest.split_once(fragment.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphabetic()).count()
}

/// The pieces of a format text between its placeholders.
fn fragments(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                found.last_mut().expect("one is there").push(c);
            }
            '{' => {
                for inner in chars.by_ref() {
                    if inner == '}' {
                        break;
                    }
                }
                found.push(String::new());
            }
            other => found.last_mut().expect("one is there").push(other),
        }
    }
    found.iter().map(|fragment| squeezed(fragment.trim_start_matches("nanoclawctl: "))).collect()
}

/// What `source` says in the calls that begin with one of `calls`, each written up to its parenthesis.
pub(crate) fn said(source: &str, calls: &[&str]) -> Vec<Said> {
    let source = without_tests(source);
    let mut found = Vec::new();
    for call in calls {
        for (at, _) in source.match_indices(call) {
            if !is_in_comment(source, at) && !continues_a_word(source, at) {
                found.extend(texts_until_closed(&source[at + call.len()..]).into_iter().filter_map(Said::new));
            }
        }
    }
    found
}

/// The texts of at least `least` letters anywhere in `source`.
pub(crate) fn all_texts(source: &str, least: usize) -> Vec<Said> {
    // An unopened parenthesis is never closed, so everything is in it.
    let lines = without_tests(source).lines().filter(|line| !line.trim_start().starts_with("//"));
    let texts = texts_until_closed(&lines.collect::<Vec<_>>().join("\n"));
    texts.into_iter().filter(|text| letters(text) >= least).filter_map(Said::new).collect()
}

fn without_tests(source: &str) -> &str {
    source.split_once("#[cfg(test)]\nmod ").map_or(source, |(program, _)| program)
}

fn is_in_comment(source: &str, at: usize) -> bool {
    let line = source[..at].rfind('\n').map_or(0, |end| end + 1);
    source[line..at].contains("//")
}

fn continues_a_word(source: &str, at: usize) -> bool {
    source[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// The texts up to the parenthesis that closes the one before `rest`.
fn texts_until_closed(rest: &str) -> Vec<String> {
    let (mut depth, mut texts, mut chars) = (1_i32, Vec::new(), rest.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' => texts.push(text(&mut chars)),
            '\'' => skip_character(&mut chars),
            '/' if chars.peek() == Some(&'/') => while chars.next().is_some_and(|c| c != '\n') {},
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    texts
}

/// The text behind its first quotation mark.
fn text(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    text
}

/// Passes over a character in quotes, which may be one that counts; a lifetime has no second quote.
fn skip_character(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let mut ahead = chars.clone();
    let length = if ahead.next() == Some('\\') { 2 } else { 1 };
    if chars.clone().nth(length) == Some('\'') {
        chars.nth(length);
    }
}

#[test]
fn what_is_said_is_found() {
    let source =
        "fn f<'a>() { warn!(?x, '\"', \"no {} in {place:?}, \\\n      {{again}}\", g(\")\")); // warn!(\"not me\")\n
        my_warn!(\"nor me\"); }\n#[cfg(test)]\nmod tests { warn!(\"nor me\") }";
    let found = said(source, &["warn!("]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].text, "no {} in {place:?}, {{again}}");
    assert!(found[0].stands_in("noxin,yin,z,{again}"));
    assert!(!found[0].stands_in("{again}in,"));
    assert_eq!(all_texts("// \"a comment here\"\nf(\"twelve letters\")", 10).len(), 1);
}
