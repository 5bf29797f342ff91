//! Cutting a long text into parts that a platform takes.

/// Cuts `text` into parts of at most `longest` characters: between paragraphs where it can, else lines, else words, else
/// anywhere. What stood at the cuts is white space and is left out; nothing else is lost, and no part is empty but the
/// only part of an empty text. A `longest` of 0 is taken as 1. The same text is always cut the same.
#[must_use]
pub fn cut(text: &str, longest: usize) -> Vec<&str> {
    let longest = longest.max(1);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(end) = byte_after(rest, longest) {
        let at = place_to_cut(&rest[..end], rest[end..].starts_with(char::is_whitespace));
        parts.push(rest[..at].trim_end());
        rest = rest[at..].trim_start();
    }
    parts.push(rest);
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { vec![""] } else { parts }
}

/// The byte where the first `chars` characters end, where there are more.
fn byte_after(text: &str, chars: usize) -> Option<usize> {
    text.char_indices().nth(chars).map(|(at, _)| at)
}

/// Where in `head` to cut; `clean` says that its end is as good a place as any between words.
fn place_to_cut(head: &str, clean: bool) -> usize {
    // A cut in the first half would make many short parts of one long paragraph.
    let late = |at: &usize| *at * 2 >= head.len();
    let paragraph = head.rfind("\n\n").filter(late);
    let line = || head.rfind('\n').filter(late);
    let word = || if clean { Some(head.len()) } else { head.rfind(char::is_whitespace).filter(late) };
    paragraph.or_else(line).or_else(word).filter(|at| *at > 0).unwrap_or(head.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_paragraphs_lines_and_words() {
        let cases: &[(&str, usize, &[&str])] = &[
            ("", 5, &[""]),
            ("short", 5, &["short"]),
            ("one two three", 7, &["one two", "three"]),
            ("one two three", 9, &["one two", "three"]),
            ("first line\nsecond one", 14, &["first line", "second one"]),
            ("a paragraph\nof two\n\nanother one here", 24, &["a paragraph\nof two", "another one here"]),
            ("ääääää", 4, &["ääää", "ää"]),
            ("🎉🎉🎉", 1, &["🎉", "🎉", "🎉"]),
            ("abc", 0, &["a", "b", "c"]),
            ("   ", 1, &[""]),
        ];
        for (text, longest, expected) in cases {
            assert_eq!(cut(text, *longest), *expected, "{text:?} at {longest}");
        }
    }

    #[test]
    fn nothing_but_white_space_is_lost() {
        let text = "lorem ipsum dolor\n\nsit amet,  consectetur\nadipiscing elit ".repeat(50);
        let bare = |s: &str| s.split_whitespace().collect::<String>();
        for longest in [1, 2, 7, 16, 100, 4000] {
            let parts = cut(&text, longest);
            assert!(parts.iter().all(|p| !p.is_empty() && p.chars().count() <= longest), "{longest}");
            assert_eq!(bare(&parts.concat()), bare(&text), "{longest}");
        }
    }
}
