//! Whether a file is the one that was published: `sha512-…`, as npm writes it (Subresource Integrity).

use std::fmt;
use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};

/// How much is read at once, in bytes.
const PIECE: usize = 256 * 1024;

/// The hash of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Integrity([u8; 64]);

impl Integrity {
    /// Reads `sha512-` and the hash in base64; of several with spaces between them the first of that kind.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hash = text.split_whitespace().find_map(|one| one.strip_prefix("sha512-"))?;
        STANDARD.decode(hash).ok()?.try_into().ok().map(Self)
    }

    /// That of everything that `input` gives.
    pub(crate) fn of(mut input: impl Read) -> io::Result<Self> {
        let mut hash = Sha512::new();
        let mut piece = vec![0; PIECE];
        loop {
            match input.read(&mut piece) {
                Ok(0) => return Ok(Self(hash.finalize().into())),
                Ok(count) => hash.update(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512-{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of three bytes, from FIPS 180-2, appendix C.
    const ABC: &str = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";

    #[test]
    fn the_hash_is_that_of_the_standard() {
        let of_abc = Integrity::of(&b"abc"[..]).unwrap();
        assert_eq!(of_abc, Integrity::parse(ABC).unwrap());
        assert_eq!(of_abc.to_string(), ABC);
        assert_ne!(of_abc, Integrity::of(&b"abd"[..]).unwrap());
    }

    #[test]
    fn only_a_whole_sha512_is_taken() {
        assert!(Integrity::parse(&format!("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= {ABC}\n")).is_some());
        for wrong in ["", "sha512-", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha512-AAAA", &ABC[..40], &ABC[7..]] {
            assert!(Integrity::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
