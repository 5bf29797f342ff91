//! The limits that a run reached, in the words of its error. The person who waits is told the same words.

use crate::quantity::format_size;

/// Between a limit and what became of the agent.
const AND: &str = ", and ";

/// Where memory ran out without the run's own limit.
const ELSEWHERE: &str = "out of memory together with other agents or the machine";

/// How each of these words ends but [`ELSEWHERE`].
const REACHED: &str = " reached";

/// The limits that a run reached, in words; none where there are none. `memory` is the limit in bytes, none where memory ran
/// out without it.
#[must_use]
pub fn in_words(memory: Option<Option<u64>>, processes: Option<u32>) -> Option<String> {
    let memory_words = memory.map(|limit| match limit {
        Some(bytes) => format!("memory limit of {}", format_size(bytes)),
        None => ELSEWHERE.to_owned(),
    });
    let processes = processes.map(|limit| format!("limit of {limit} processes"));
    let ends = if memory == Some(None) && processes.is_none() { "" } else { REACHED };
    let words: Vec<String> = [memory_words, processes].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" and ") + ends)
}

/// A run's error that begins with the limits that it reached.
#[must_use]
pub fn before(reached: Option<&str>, error: &str) -> String {
    reached.map_or_else(|| error.to_owned(), |reached| format!("{reached}{AND}{error}"))
}

/// The limits that a run's error begins with; none where it has none.
#[must_use]
pub fn in_error(error: &str) -> Option<&str> {
    let (reached, _) = error.split_once(AND)?;
    (reached.ends_with(REACHED) || reached == ELSEWHERE).then_some(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_an_error_is_found_in_it() {
        let cases = [
            (Some(Some(1 << 28)), None, "memory limit of 256MiB reached"),
            (None, Some(64), "limit of 64 processes reached"),
            (Some(Some(1 << 28)), Some(64), "memory limit of 256MiB and limit of 64 processes reached"),
            (Some(None), None, ELSEWHERE),
        ];
        for (memory, processes, expected) in cases {
            let words = in_words(memory, processes);
            assert_eq!(words.as_deref(), Some(expected));
            let error = before(words.as_deref(), "the agent left with status 1, and more");
            assert_eq!(in_error(&error), Some(expected), "{error}");
        }
        assert_eq!(in_words(None, None), None);
        assert_eq!(before(None, "x"), "x");
        assert_eq!(in_error("the agent failed, and nobody knows why"), None);
    }
}
