//! One text as the fewest rows that the host takes.

use nc_model::limits::{MAX_ROW_BYTES, MAX_TEXT_BYTES};

/// What a row may need besides its text: the names of the fields, quotes and braces.
const ROOM: usize = 1024;

/// The longest text of a part, and the longest that it may become in JSON, both in bytes.
#[derive(Clone, Copy, Debug)]
struct Size {
    text: usize,
    json: usize,
}

/// Cuts `text` into parts that each fit a row, at the end of a line or else of a word where one is near the end of a part.
///
/// Nothing is lost but the white space at which it is cut. A text that fits is its own only part; an empty one has none.
pub(crate) fn parts(text: &str) -> Vec<&str> {
    let json = usize::try_from(MAX_ROW_BYTES).unwrap_or(usize::MAX) - ROOM;
    cut(text, Size { text: MAX_TEXT_BYTES, json })
}

fn cut(text: &str, most: Size) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut left = text;
    while !left.is_empty() {
        let fits = fitting(left, most);
        let (part, after) = if fits == left.len() { (left, "") } else { split_near(left, fits) };
        if !part.trim().is_empty() {
            parts.push(part);
        }
        left = after;
    }
    parts
}

/// How many bytes of `text` fit; at least one character.
fn fitting(text: &str, most: Size) -> usize {
    let mut json = 0;
    for (at, c) in text.char_indices() {
        json += json_len(c);
        if at > 0 && (at + c.len_utf8() > most.text || json > most.json) {
            return at;
        }
    }
    text.len()
}

/// The longest beginning of `text` that has at most `most` bytes.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// The length of a character in a JSON text, as `serde_json` writes it.
fn json_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

/// Splits before `at`: in its last quarter after a line or else a word, otherwise there.
fn split_near(text: &str, at: usize) -> (&str, &str) {
    let fits = &text[..at];
    let end = |c: char| fits.rfind(c).filter(|found| *found >= at / 4 * 3);
    match end('\n').or_else(|| end(' ')) {
        Some(found) => (&text[..found], &text[found + 1..]),
        None => text.split_at(at),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_but_white_space_is_lost_and_every_part_fits(text in "[a-c\\né🙂 ]{0,60}", most in 4_usize..20) {
            let parts = cut(&text, Size { text: most, json: 2 * most });
            prop_assert!(parts.iter().all(|part| part.len() <= most));
            let solid = |text: &str| text.replace([' ', '\n'], "");
            prop_assert_eq!(solid(&parts.concat()), solid(&text));
        }
    }

    const TEN: Size = Size { text: 10, json: 20 };

    #[test]
    fn a_text_is_cut_at_lines_then_words_then_anywhere() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("short", &["short"]),
            ("ten bytes!", &["ten bytes!"]),
            ("one two\nthree", &["one two", "three"]),
            ("one two three", &["one two", "three"]),
            ("a longer-than-ten", &["a longer-t", "han-ten"]),
            ("ééééééé", &["ééééé", "éé"]),
            ("          x", &["x"]),
        ];
        for (text, expected) in cases {
            assert_eq!(&cut(text, TEN), expected, "{text:?}");
        }
    }

    #[test]
    fn a_beginning_ends_between_characters() {
        assert_eq!(
            (beginning("héé", 4), beginning("héé", 5), beginning("é", 1), beginning("", 3)),
            ("hé", "héé", "", "")
        );
    }

    #[test]
    fn a_text_that_grows_in_json_is_cut_sooner() {
        assert_eq!(cut("\0\0\0\0\0", TEN), ["\0\0\0", "\0\0"]);
        assert_eq!(cut("\u{10ffff}", Size { text: 1, json: 1 }), ["\u{10ffff}"]);
    }

    #[test]
    fn every_part_of_the_worst_text_fits_a_row() {
        let worst = "\u{1}".repeat(2 * MAX_TEXT_BYTES);
        let cut = parts(&worst);
        assert_eq!(cut.concat(), worst);
        for part in cut {
            let row = nc_wire::content::Outgoing::text(part);
            assert!(row.to_json().len() as u64 <= MAX_ROW_BYTES);
            assert_eq!(nc_wire::content::Outgoing::read(row.kind(), &row.to_json()).unwrap(), row);
        }
    }
}
