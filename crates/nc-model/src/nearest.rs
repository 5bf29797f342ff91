//! The name that a mistyped one is likely to be.

/// Names longer than this are compared with nothing: nobody mistypes that much.
const MAX_COMPARED: usize = 80;

/// The candidate that is fewest edits from `name`, if it is no more than a third of the name away (two for short ones).
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().count() > MAX_COMPARED {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(2);
    let scored = candidates.map(|candidate| (distance(name, candidate), candidate));
    scored.filter(|(edits, _)| *edits <= allowed).min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// How many characters must be put in, taken out or changed to make `a` of `b`, a swap of neighbours counting as two.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word_and_noise_finds_none() {
        let keys = ["max_runs", "max_output", "timezone", "image"];
        let cases = [
            ("max_run", Some("max_runs")),
            ("MAX_RUNS", None),
            ("mxa_runs", Some("max_runs")),
            ("time_zone", Some("timezone")),
            ("imgae", Some("image")),
            ("x", None),
            ("", None),
            ("completely_else", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, keys.iter().copied()), expected, "{name:?}");
        }
        assert_eq!(nearest(&"m".repeat(1_000_000), keys.iter().copied()), None);
    }
}
