//! A value that is never printed.

use std::fmt;

use zeroize::Zeroizing;

/// The longest credential, in bytes. A guess: tokens of identity providers have a few thousand.
pub const MAX_SECRET_BYTES: usize = 16 * 1024;

/// The value of a credential: a line of text. It is overwritten when it is dropped, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// Why something cannot be a credential. It does not say what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is nothing, or white space alone.
    #[error("is empty")]
    Empty,
    /// It is longer than [`MAX_SECRET_BYTES`].
    #[error("has more than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// It has a NUL in it.
    #[error("has a NUL in it")]
    Nul,
    /// It has a line end or another control character in it: it could not be sent in a header.
    #[error("has a line break or another control character in it; it is one line of text")]
    Control,
    /// It is no text.
    #[error("is not UTF-8")]
    NotUtf8,
}

impl Secret {
    /// Takes `bytes` without the line end at their end and the white space around them.
    ///
    /// # Errors
    /// [`Fault`]
    pub fn new(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_SECRET_BYTES {
            return Err(Fault::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_where: std::str::Utf8Error| Fault::NotUtf8)?.trim();
        match text {
            "" => Err(Fault::Empty),
            text if text.contains('\0') => Err(Fault::Nul),
            text if text.contains(char::is_control) => Err(Fault::Control),
            text => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }

    /// The value itself, for whoever hands it on. It belongs into no text that a person, a log or a file gets.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
