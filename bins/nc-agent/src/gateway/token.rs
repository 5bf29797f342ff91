//! What a client shows in place of a key.

use std::fs::File;
use std::io::{self, Read as _};

use subtle::ConstantTimeEq as _;

/// How many random bytes a token has: as many as a key of AES-256.
const BYTES: usize = 32;

/// The token of this run. It opens nothing but the gateway of the run, and that only from within the sandbox.
pub(crate) struct Token(String);

impl Token {
    /// Makes a new one.
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let half = |bits: u8| char::from_digit(u32::from(bits), 16).unwrap_or_default();
        Ok(Self(bytes.iter().flat_map(|byte| [half(byte >> 4), half(byte & 15)]).collect()))
    }

    /// Whether this is what was shown. How long it takes says nothing of how much of it is right.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }

    /// The token itself, for the environment of the client.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_right() {
        let (token, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(token.text().len(), 2 * BYTES);
        assert!(token.is(token.text().as_bytes()));
        for wrong in ["", &token.text()[1..], &format!("{}0", token.text()), other.text()] {
            assert!(!token.is(wrong.as_bytes()), "{wrong:?} was taken");
        }
    }
}
