//! Takes a credential's value from whoever gives it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};

use nc_config::{MAX_SECRET_BYTES, Secret};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::ending::Refusal;

/// The value of `name`: a line that is asked for at the terminal and not shown there, else all of standard input.
pub(super) fn read(name: &str) -> anyhow::Result<Secret> {
    let bytes = if io::stdin().is_terminal() { ask(name)? } else { all(io::stdin().lock())? };
    Secret::new(&bytes).map_err(|fault| Refusal::look(format!("{name} was not kept: what was given {fault}")))
}

/// All that comes, up to a little more than there may be.
fn all(input: impl io::Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Made at its length: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 2));
    input.take(MAX_SECRET_BYTES as u64 + 2).read_to_end(&mut bytes)?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    Ok(bytes)
}

fn ask(name: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let prompt = format!("{name} (is not shown): ");
    // First, or what a quick typist answers is shown, and then forgotten.
    let _shown_again = Hidden::hide(&terminal)?;
    (&terminal).write_all(prompt.as_bytes())?;
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 2));
    BufReader::new(&terminal).take(MAX_SECRET_BYTES as u64 + 2).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn hide(terminal: &'a File) -> nix::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        // The end of the line is shown, so that one sees that it was taken.
        hidden.local_flags.insert(LocalFlags::ECHONL);
        // What was typed before it was asked for is forgotten: it was shown.
        tcsetattr(terminal, SetArg::TCSAFLUSH, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing in any case.
        tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before).ok();
    }
}
