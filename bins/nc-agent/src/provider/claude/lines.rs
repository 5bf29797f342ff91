//! Lines of another process, of bounded length.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Reads lines. A line that is too long is left out.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    most: usize,
    /// The line that is being read is too long already.
    too_long: bool,
    /// The line was given out, and the next begins anew.
    given: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// A line that is longer than is read.
    TooLong,
    /// There is nothing more.
    End,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads lines of at most `most` bytes.
    pub(super) fn new(reader: R, most: usize) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new(), most, too_long: false, given: false }
    }

    /// The next line. What was read of it is kept when the call is dropped.
    pub(super) async fn next(&mut self) -> io::Result<Read<'_>> {
        if self.given {
            self.begin();
        }
        loop {
            let available = self.reader.fill_buf().await?;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            let (length, is_over) = (part.len() + usize::from(end.is_some()), available.is_empty());
            if self.line.len() + part.len() > self.most {
                self.too_long = true;
                self.line = Vec::new();
            } else if !self.too_long {
                self.line.extend_from_slice(part);
            }
            self.reader.consume(length);
            if is_over && self.line.is_empty() && !self.too_long {
                return Ok(Read::End);
            }
            if end.is_some() || is_over {
                self.given = true;
                return Ok(self.given());
            }
        }
    }

    /// What the last call gave out, where it was a line.
    pub(super) fn given(&self) -> Read<'_> {
        if self.too_long { Read::TooLong } else { Read::Line(&self.line) }
    }

    fn begin(&mut self) {
        (self.given, self.too_long) = (false, false);
        // A long line is rare, and its room is not kept for short ones.
        if self.line.capacity() > ROOM_KEPT { self.line = Vec::new() } else { self.line.clear() }
    }
}

const ROOM_KEPT: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(input, 5);
        let mut all = Vec::new();
        loop {
            all.push(match lines.next().await.unwrap() {
                Read::Line(line) => String::from_utf8_lossy(line).into_owned(),
                Read::TooLong => "(too long)".to_owned(),
                Read::End => return all,
            });
        }
    }

    #[tokio::test]
    async fn lines_are_parted_and_one_that_is_too_long_is_left_out() {
        let cases: [(&[u8], &[&str]); 6] = [
            (b"", &[]),
            (b"a\n\nbc\n", &["a", "", "bc"]),
            (b"no end", &["(too long)"]),
            (b"no\nen", &["no", "en"]),
            (b"12345\n123456\n1", &["12345", "(too long)", "1"]),
            (b"\n", &[""]),
        ];
        for (input, expected) in cases {
            assert_eq!(all(input).await, expected, "{:?}", String::from_utf8_lossy(input));
        }
    }
}
