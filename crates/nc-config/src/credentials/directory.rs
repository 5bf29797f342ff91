//! Credentials as files: one a file, called as the credential is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{CREDENTIALS, CredentialError, CredentialSource, Credentials, MAX_SECRET_BYTES, Secret};

/// What nobody but the owner may have.
const OTHERS: u32 = 0o077;

/// What `LoadCredential=nanoclaw:DIRECTORY` puts before the name of each file, systemd.exec(5).
const PREFIX: &str = "nanoclaw_";

/// What `LoadCredentialEncrypted=nanoclaw.encrypted:DIRECTORY` does.
const ENCRYPTED_PREFIX: &str = "nanoclaw.encrypted_";

/// What systemd calls the encrypted credential `name` of an installation. It is encrypted along with the value, and systemd
/// and systemd-creds(1) refuse the file under any other name.
#[must_use]
pub fn encrypted_name(name: &str) -> String {
    format!("{ENCRYPTED_PREFIX}{name}")
}

/// Who sees to it that nobody else reads the files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// We do, by their modes.
    Ours,
    /// Whoever made them: systemd uses access lists, which show as permissions of the group.
    Others,
}

/// Reads every credential that there is in `dir`.
pub(super) fn read(dir: &Path, care: Care, source: CredentialSource) -> Result<Credentials, CredentialError> {
    let mut all = Credentials::default();
    match dir.metadata() {
        Ok(found) if !found.is_dir() => {
            return Err(CredentialError::NotPlain { what: "directory", path: dir.to_owned() });
        }
        Ok(found) => guarded("directory", dir, found.mode(), "700", care)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        Err(source) => return Err(CredentialError::File { path: dir.to_owned(), source }),
    }
    for known in CREDENTIALS {
        let prefixes: &[&str] = if care == Care::Others { &["", ENCRYPTED_PREFIX, PREFIX] } else { &[""] };
        for prefix in prefixes {
            if let Some(secret) = read_one(&dir.join(format!("{prefix}{}", known.name)), care)? {
                all.0.insert(known.name, (secret, source));
                break;
            }
        }
    }
    Ok(all)
}

fn read_one(path: &Path, care: Care) -> Result<Option<Secret>, CredentialError> {
    let failed = |source| CredentialError::File { path: path.to_owned(), source };
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(CredentialError::NotPlain { what: "regular file", path: path.to_owned() });
    }
    guarded("credential", path, found.mode(), "600", care)?;
    // One byte and a line end more than there may be; made at its length, since growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 2));
    file.take(MAX_SECRET_BYTES as u64 + 2).read_to_end(&mut bytes).map_err(failed)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let refuse = |fault| CredentialError::Value { path: path.to_owned(), fault };
    Secret::new(line).map(Some).map_err(refuse)
}

/// Opens for reading, without waiting for the other end where a pipe lies in the file's place.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC).open(path)
}

fn guarded(what: &'static str, path: &Path, mode: u32, mend: &'static str, care: Care) -> Result<(), CredentialError> {
    if care == Care::Others || mode & OTHERS == 0 {
        return Ok(());
    }
    Err(CredentialError::Open { what, path: path.to_owned(), mode: mode & 0o7777, mend })
}
