//! What is to be said: the lines of standard input, each checked before anything is stored.

use std::io::{self, BufRead};
use std::thread;

use nc_model::limits::MAX_TEXT_BYTES;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// A line that can be sent, or why it cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A message.
    Text {
        /// Which line it is, from 1; none where it is no line of standard input.
        number: Option<u64>,
        /// What it says.
        text: String,
    },
    /// No message.
    Refused {
        /// A sentence that names the line.
        why: String,
    },
    /// Standard input cannot be read any more.
    Broken {
        /// Why.
        why: String,
    },
}

/// One text that was given as an option.
pub(super) fn once(text: &str) -> Receiver<Line> {
    let (sender, receiver) = channel(1);
    let line = match fault(text.as_bytes()) {
        None => Line::Text { number: None, text: text.to_owned() },
        Some(fault) => Line::Refused { why: format!("the text {fault} and was not sent") },
    };
    // The channel is new and has room.
    drop(sender.try_send(line));
    receiver
}

/// The lines of standard input, read by a thread of their own, one ahead of what is asked for.
pub(super) fn of_stdin() -> Receiver<Line> {
    let (sender, receiver) = channel(1);
    thread::spawn(move || send_lines(&mut io::stdin().lock(), &sender));
    receiver
}

fn send_lines(input: &mut impl BufRead, sender: &Sender<Line>) {
    for number in 1.. {
        let line = match next(input, number) {
            Ok(Some(line)) => line,
            Ok(None) => return,
            Err(error) => {
                Line::Broken { why: format!("standard input cannot be read after line {}: {error}", number - 1) }
            }
        };
        let last = matches!(line, Line::Broken { .. });
        if sender.blocking_send(line).is_err() || last {
            return;
        }
    }
}

/// The next line; none at the end. A last line without a line end counts.
fn next(input: &mut impl BufRead, number: u64) -> io::Result<Option<Line>> {
    let Some((bytes, length)) = read_bounded(input)? else { return Ok(None) };
    let refused = |fault: &str| Line::Refused { why: format!("line {number} {fault} and was not sent") };
    if length > MAX_TEXT_BYTES {
        return Ok(Some(refused(&too_long(length))));
    }
    if let Some(fault) = fault(&bytes) {
        return Ok(Some(refused(&fault)));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Some(Line::Text { number: Some(number), text }))
}

/// One line without its end, and how long it was; of one that is too long only its beginning is kept in memory.
fn read_bounded(input: &mut impl BufRead) -> io::Result<Option<(Vec<u8>, usize)>> {
    let mut kept = Vec::new();
    let mut length = 0;
    let mut ended = false;
    while !ended {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            if length == 0 {
                return Ok(None);
            }
            break;
        }
        let end = buffer.iter().position(|&b| b == b'\n');
        let line = &buffer[..end.unwrap_or(buffer.len())];
        // One more than is allowed, so that a carriage return at the end can be taken off.
        let room = (MAX_TEXT_BYTES + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&line[..line.len().min(room)]);
        length += line.len();
        ended = end.is_some();
        let used = line.len() + usize::from(ended);
        input.consume(used);
    }
    if length == kept.len() && kept.last() == Some(&b'\r') {
        kept.pop();
        length -= 1;
    }
    Ok(Some((kept, length)))
}

/// What is wrong with a text, as a fragment that fits after its name.
pub(super) fn fault(text: &[u8]) -> Option<String> {
    if text.len() > MAX_TEXT_BYTES {
        return Some(too_long(text.len()));
    }
    if let Some(at) = text.iter().position(|&b| b == 0) {
        return Some(format!("has a NUL character at byte {}", at + 1));
    }
    match std::str::from_utf8(text) {
        Err(error) => Some(format!("is not UTF-8 at byte {}", error.valid_up_to() + 1)),
        Ok(text) if text.trim().is_empty() => Some("is empty".to_owned()),
        Ok(_) => None,
    }
}

fn too_long(length: usize) -> String {
    format!("is {length} bytes long (the most is {MAX_TEXT_BYTES})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<String> {
        let mut input = io::BufReader::with_capacity(7, input);
        let mut found = Vec::new();
        for number in 1.. {
            match next(&mut input, number).unwrap() {
                Some(Line::Text { text, .. }) => found.push(format!("={text}")),
                Some(Line::Refused { why } | Line::Broken { why }) => found.push(why),
                None => break,
            }
        }
        found
    }

    #[test]
    fn every_line_is_taken_or_refused_by_its_number() {
        let input = b"hello\n\n  \nwith\0nul\n\xff\xfe\r\nagain\r\n last";
        let expected = [
            "=hello",
            "line 2 is empty and was not sent",
            "line 3 is empty and was not sent",
            "line 4 has a NUL character at byte 5 and was not sent",
            "line 5 is not UTF-8 at byte 1 and was not sent",
            "=again",
            "= last",
        ];
        assert_eq!(lines(input), expected);
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"\n"), ["line 1 is empty and was not sent"]);
    }

    #[test]
    fn a_line_too_long_is_refused_and_the_next_is_taken() {
        let longest = "x".repeat(MAX_TEXT_BYTES);
        let input = format!("{longest}\r\n{longest}y\n{}\nnext\n", "z".repeat(1_000_000));
        let found = lines(input.as_bytes());
        assert_eq!(found[0].len(), MAX_TEXT_BYTES + 1);
        assert_eq!(found[1], "line 2 is 262145 bytes long (the most is 262144) and was not sent");
        assert_eq!(found[2], "line 3 is 1000000 bytes long (the most is 262144) and was not sent");
        assert_eq!(found[3], "=next");
    }
}
