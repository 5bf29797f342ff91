//! Reads the files of a configuration.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::ConfigError;
use crate::place::{DROP_INS, FILE};

/// The largest configuration file, in bytes. A guess: all keys with their comments take 4 KiB.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Every file of the installation in `dir` that is there, with its text; a later one wins over an earlier.
pub(crate) fn read_all(dir: &Path) -> Result<Vec<(PathBuf, String)>, ConfigError> {
    let with_text = |path: PathBuf| Ok(read(&path)?.map(|text| (path, text)));
    let first = with_text(dir.join(FILE)).transpose();
    let others = match first {
        Some(Err(_)) => Vec::new(),
        _ => drop_ins(&dir.join(DROP_INS))?,
    };
    first.into_iter().chain(others.into_iter().filter_map(|path| with_text(path).transpose())).collect()
}

/// The `*.toml` in a directory, in the order of their names; none where there is no directory.
fn drop_ins(dir: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return nothing(dir).map(|()| Vec::new()),
        Err(source) => return Err(ConfigError::File { path: dir.to_owned(), source }),
    };
    let failed = |source| ConfigError::File { path: dir.to_owned(), source };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed));
    let mut paths = paths.collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

/// The text of a file, or none where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return nothing(path).map(|()| None),
        Err(source) => return Err(ConfigError::File { path: path.to_owned(), source }),
    };
    let failed = |source| ConfigError::File { path: path.to_owned(), source };
    let refused = |reason: String| ConfigError::NotConfiguration { path: path.to_owned(), reason };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(refused("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(refused(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| refused(not_utf8(&error)))
}

/// Nothing is there: not a link either, which somebody made in order to be followed.
fn nothing(path: &Path) -> Result<(), ConfigError> {
    if path.is_symlink() {
        let reason = "it is a link to nothing".to_owned();
        return Err(ConfigError::NotConfiguration { path: path.to_owned(), reason });
    }
    Ok(())
}

/// Opens for reading, without waiting for the other end where a pipe lies in the file's place.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC).open(path)
}

fn not_utf8(error: &std::string::FromUtf8Error) -> String {
    let good = error.utf8_error().valid_up_to();
    let line = error.as_bytes()[..good].split(|byte| *byte == b'\n').count();
    format!("line {line} is not UTF-8")
}
