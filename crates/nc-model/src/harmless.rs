//! Texts of strangers, as a terminal may be shown them.

/// The text without what a terminal would obey: control characters are shown as pictures, but for line ends and tabs.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\x7f'..='\u{9f}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_terminal_obeys_nothing_in_a_harmless_text() {
        assert_eq!(harmless("a\x1b[2J\r\nb\tc\u{9b}d\x7f é👍"), "a␛[2J␍\nb\tc\u{fffd}d\u{fffd} é👍");
    }
}
