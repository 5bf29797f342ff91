//! Where refused things go: `data/rejected/<folder>/`, which no sandbox sees. Bounded: the oldest go first.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nc_model::limits::{MAX_REJECTED_BYTES, MAX_REJECTED_FILES};
use uuid::Uuid;

/// The longest part of the refused thing's own name that is kept in the file's name.
const KEPT_NAME: usize = 100;

/// How long a reason may be, in characters.
const MAX_REASON: usize = 16 * 1024;

/// Where things that were refused from one group are kept for a person to see.
#[derive(Clone, Debug)]
pub struct Rejected {
    directory: PathBuf,
    most_files: usize,
    most_bytes: u64,
}

/// A refused thing could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub struct RejectedError {
    /// What was tried.
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Rejected {
    /// The place of one group: `directory` is made when the first thing is kept.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, most_files: MAX_REJECTED_FILES, most_bytes: MAX_REJECTED_BYTES }
    }

    /// Other limits than the usual ones.
    #[must_use]
    pub fn with_limits(self, most_files: usize, most_bytes: u64) -> Self {
        Self { most_files, most_bytes, ..self }
    }

    /// Keeps `bytes`, which came under `name`, with a `.reason` beside them, and removes the oldest things over the limits.
    /// Returns where they are. What is too large for the limits itself is kept as its reason alone.
    ///
    /// Whoever looks sees a whole file or none: the reason comes first, and each is renamed into place.
    ///
    /// # Errors
    /// [`RejectedError`]
    pub fn keep(&self, name: &str, bytes: &[u8], reason: &str) -> Result<PathBuf, RejectedError> {
        self.make_directory()?;
        let mut reason: String = reason.chars().take(MAX_REASON).collect();
        reason.push('\n');
        let fits = (bytes.len() + reason.len()) as u64 <= self.most_bytes && self.most_files >= 2;
        let coming = if fits { (2, bytes.len() + reason.len()) } else { (1, reason.len()) };
        self.make_room(coming.0, coming.1 as u64)?;
        let path = self.directory.join(format!("{}-{}", Uuid::now_v7(), tame(name)));
        Self::place(&with_suffix(&path, ".reason"), reason.as_bytes())?;
        if fits {
            Self::place(&path, bytes)?;
        }
        Ok(path)
    }

    fn make_directory(&self) -> Result<(), RejectedError> {
        nc_failpoint::before("rejected", "make_directory").map_err(failed("make", &self.directory))?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        made.map_err(failed("make", &self.directory))
    }

    fn place(path: &Path, bytes: &[u8]) -> Result<(), RejectedError> {
        let unfinished = with_suffix(path, ".tmp");
        let write = || {
            nc_failpoint::before("rejected", "create")?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            nc_failpoint::before("rejected", "write")?;
            file.write_all(bytes)?;
            nc_failpoint::before("rejected", "rename")?;
            fs::rename(&unfinished, path)
        };
        write().map_err(failed("write", path))
    }

    /// Removes the oldest files until `files` more with `bytes` in all fit. Names begin with their time, so they sort by it.
    fn make_room(&self, files: usize, bytes: u64) -> Result<(), RejectedError> {
        let mut kept = self.list().map_err(failed("list", &self.directory))?;
        kept.sort();
        let mut size: u64 = kept.iter().map(|(_, size)| size).sum();
        let mut left = kept.len();
        for (path, its_size) in kept {
            if left + files <= self.most_files && size + bytes <= self.most_bytes {
                break;
            }
            nc_failpoint::before("rejected", "remove").map_err(failed("remove", &path))?;
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &path)(e)),
                _ => {}
            }
            left -= 1;
            size -= its_size;
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(found) if found.is_file() => kept.push((entry.path(), found.len())),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(kept)
    }
}

/// `name` in characters that a person can type and no program mistakes.
fn tame(name: &str) -> String {
    let tame = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    name.chars().take(KEPT_NAME).map(tame).collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl Fn(io::Error) -> RejectedError + 'a {
    move |source| RejectedError { operation, path: path.to_owned(), source }
}
