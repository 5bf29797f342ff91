//! The prompt: given as an option, or on standard input.

use std::io::{self, IsTerminal as _, Read as _, stdin};

use nc_model::limits::MAX_TEXT_BYTES;

/// Why there is no prompt.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is none.
    Usage(String),
    /// It could not be read.
    Failed(io::Error),
}

/// The prompt that was given as an option, where it was, else what standard input holds.
pub(super) fn read(option: Option<&str>) -> Result<String, Unread> {
    match option {
        Some(text) if text != "-" => checked(text.as_bytes().to_vec()),
        _ => {
            if stdin().is_terminal() {
                super::say("type the prompt, and end it with Ctrl-D on a line of its own");
            }
            // One byte more than is allowed says that there are too many.
            let most = u64::try_from(MAX_TEXT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
            let mut bytes = Vec::new();
            stdin().take(most).read_to_end(&mut bytes).map_err(Unread::Failed)?;
            // An end of the last line is the shell's and not the person's.
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            checked(bytes)
        }
    }
}

fn checked(bytes: Vec<u8>) -> Result<String, Unread> {
    if bytes.len() > MAX_TEXT_BYTES {
        let most = MAX_TEXT_BYTES / 1024;
        return Err(Unread::Usage(format!(
            "the prompt is longer than {most} KiB: put the text into the group's folder and name the file"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        Unread::Usage(format!("the prompt is not UTF-8 (at byte {}): convert it", error.utf8_error().valid_up_to()))
    })?;
    if text.trim().is_empty() {
        return Err(Unread::Usage("the prompt is empty: give --prompt TEXT, or the text on standard input".to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: Vec<u8>) -> String {
        match checked(bytes) {
            Err(Unread::Usage(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_prompt_is_a_text_of_bounded_length() {
        assert_eq!(checked(vec![b'x'; MAX_TEXT_BYTES]).unwrap().len(), MAX_TEXT_BYTES);
        assert!(refused(vec![b'x'; MAX_TEXT_BYTES + 1]).contains("longer than 256 KiB"));
        assert!(refused(b"ab\xff".to_vec()).contains("not UTF-8 (at byte 2)"));
        for empty in ["", " \n\t"] {
            assert!(refused(empty.as_bytes().to_vec()).contains("empty"), "{empty:?}");
        }
    }
}
