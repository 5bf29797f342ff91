//! Lines out of whatever a program writes: bounded, printable, one at a time.

/// Longest line that is shown whole, in bytes; 8 KiB holds any log line of ours with a long path or two.
const MAX_LINE: usize = 8 * 1024;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    line: Vec<u8>,
    /// The rest of a line that was too long is passed over.
    skipping: bool,
}

impl Cutter {
    /// Takes more bytes, and gives each line that is complete, or too long, to `emit`.
    pub(super) fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(String)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.extend(end, emit);
                    self.finish_line(emit);
                }
                None => self.extend(piece, emit),
            }
        }
    }

    /// Gives what is left without a newline at the end of the stream.
    pub(super) fn end(mut self, emit: &mut impl FnMut(String)) {
        if !self.line.is_empty() {
            self.finish_line(emit);
        }
    }

    fn extend(&mut self, bytes: &[u8], emit: &mut impl FnMut(String)) {
        if self.skipping {
            return;
        }
        let room = MAX_LINE - self.line.len();
        if bytes.len() <= room {
            self.line.extend_from_slice(bytes);
            return;
        }
        self.line.extend_from_slice(&bytes[..room]);
        emit(printable(&self.line) + " … (cut)");
        self.line.clear();
        self.skipping = true;
    }

    fn finish_line(&mut self, emit: &mut impl FnMut(String)) {
        if !std::mem::take(&mut self.skipping) {
            emit(printable(&self.line));
        }
        self.line.clear();
    }
}

/// What may be shown on a terminal: control characters and bytes that are not UTF-8 are escaped or replaced.
pub(super) fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::with_capacity(line.len());
    for character in String::from_utf8_lossy(line).chars() {
        if character.is_control() && character != '\t' {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Cutter, MAX_LINE};

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut cutter, mut lines) = (Cutter::default(), Vec::new());
        for piece in pieces {
            cutter.push(piece, &mut |line| lines.push(line));
        }
        cutter.end(&mut |line| lines.push(line));
        lines
    }

    #[test]
    fn lines_come_whole_however_they_arrive() {
        assert_eq!(lines(&[b"one\ntw", b"o\n", b"\nlast"]), ["one", "two", "", "last"]);
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; 3 * MAX_LINE];
        let seen = lines(&[&long, &long, b"\nnext\n"]);
        assert_eq!(seen, ["x".repeat(MAX_LINE) + " … (cut)", "next".to_owned()]);
    }

    #[test]
    fn a_line_of_just_the_limit_is_not_cut() {
        let full = vec![b'x'; MAX_LINE];
        assert_eq!(lines(&[&full, b"\n"]), ["x".repeat(MAX_LINE)]);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_could_steer_it() {
        assert_eq!(lines(&[b"a\x1b[2Jb\x00\xff\tc\r\n"]), ["a\\u{1b}[2Jb\\u{0}\u{fffd}\tc"]);
    }
}
