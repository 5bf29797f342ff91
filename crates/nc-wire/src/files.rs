//! Opening what a sandbox made, below a directory handle: no links, no pipes, no surprises.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nc_model::limits::MAX_NAME;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::Verdict;

/// The unit of `st_blocks`, stat(2).
const BLOCK: u64 = 512;

/// Why a file below a directory was not opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is nothing of that name.
    #[error("open {name:?}: there is no such file")]
    Missing {
        /// The file.
        name: String,
    },
    /// A link, directory, pipe, socket or device lies there, or the way to it is one.
    #[error("open {name:?}: it is {found}, not a regular file")]
    NotPlain {
        /// The file.
        name: String,
        /// What lies there.
        found: &'static str,
    },
    /// The file has other names, through which somebody else may change it.
    #[error("open {name:?}: it has {links} links, one is allowed")]
    Linked {
        /// The file.
        name: String,
        /// How many.
        links: u64,
    },
    /// It is larger than is allowed, in length or on disk.
    #[error("read {name:?}: it has {size} bytes, at most {most} are allowed")]
    TooLarge {
        /// The file.
        name: String,
        /// Its length, or what it takes on disk.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// Its owner made it unreadable.
    #[error("open {name:?}: its permissions do not let the host read it")]
    Unreadable {
        /// The file.
        name: String,
    },
    /// It became shorter or longer while it was read.
    #[error("read {name:?}: it changed meanwhile")]
    Changed {
        /// The file.
        name: String,
    },
    /// The system refused an operation.
    #[error("{operation} {name:?}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// Keep: it may be there, whole or readable later. Refuse: what lies there never will be a file to take.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Missing { .. } | Self::Changed { .. } | Self::System { .. } => Verdict::Keep,
            Self::NotPlain { .. } | Self::Linked { .. } | Self::TooLarge { .. } | Self::Unreadable { .. } => {
                Verdict::Refuse
            }
        }
    }
}

/// Whether `name` is one plain path component of at most [`MAX_NAME`] bytes that is safe to join to a directory.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let length = 1..=MAX_NAME;
    length.contains(&name.len()) && name != "." && name != ".." && !name.contains(['/', '\0'])
}

/// A handle on a directory, below which files are opened.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
}

/// A regular file with one link that was opened for reading.
#[derive(Debug)]
pub struct PlainFile {
    name: String,
    file: File,
    found: Metadata,
}

impl Directory {
    /// Opens a directory of the host. The path itself is trusted but for its last component, which must be no link.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let handle = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty())?;
        Ok(Self { handle })
    }

    /// Opens the directory `name` below this one, reached through no link.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn directory(&self, name: &str) -> Result<Self, FileError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let handle = open_below(self.as_fd(), name, flags)?;
        Ok(Self { handle })
    }

    /// Opens the regular file `name` (it may have directories in it) for reading, reached through no link, with one link and at
    /// most `most` bytes in length and on disk. A pipe is not waited for.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn file(&self, name: &str, most: u64) -> Result<PlainFile, FileError> {
        open_plain(self.as_fd(), name, most)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// What [`Directory::file`] does, for a borrowed handle.
pub(crate) fn open_plain(directory: BorrowedFd<'_>, name: &str, most: u64) -> Result<PlainFile, FileError> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let file = File::from(open_below(directory, name, flags)?);
    let found = file.metadata().map_err(system("stat", name))?;
    check(&found, name, most)?;
    Ok(PlainFile { name: name.to_owned(), file, found })
}

fn open_below(directory: BorrowedFd<'_>, name: &str, flags: OFlag) -> Result<OwnedFd, FileError> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    openat2(directory, name, how).map_err(|e| refusal(e, name))
}

/// What an errno of openat2(2) means for a name that a sandbox may have made.
fn refusal(errno: Errno, name: &str) -> FileError {
    let name = name.to_owned();
    match errno {
        Errno::ENOENT => FileError::Missing { name },
        Errno::ELOOP => FileError::NotPlain { name, found: "a symbolic link" },
        Errno::ENXIO | Errno::ENODEV => FileError::NotPlain { name, found: "a socket or device" },
        Errno::ENOTDIR => FileError::NotPlain { name, found: "below something that is no directory" },
        Errno::EXDEV => FileError::NotPlain { name, found: "outside the directory" },
        Errno::ENAMETOOLONG | Errno::EINVAL => FileError::NotPlain { name, found: "a name that no file has" },
        Errno::EACCES | Errno::EPERM => FileError::Unreadable { name },
        other => FileError::System { operation: "open", name, source: other.into() },
    }
}

fn check(found: &Metadata, name: &str, most: u64) -> Result<(), FileError> {
    let name = || name.to_owned();
    let kind = found.file_type();
    if kind.is_dir() {
        return Err(FileError::NotPlain { name: name(), found: "a directory" });
    }
    if !kind.is_file() {
        return Err(FileError::NotPlain { name: name(), found: "a pipe or device" });
    }
    // Its owner removed it after it was opened, as SQLite does with its journal.
    if found.nlink() == 0 {
        return Err(FileError::Missing { name: name() });
    }
    if found.nlink() != 1 {
        return Err(FileError::Linked { name: name(), links: found.nlink() });
    }
    let size = found.len().max(found.blocks().saturating_mul(BLOCK));
    // A file of exactly the limit takes whole blocks on disk.
    if found.len() > most || size > most.next_multiple_of(4096) {
        return Err(FileError::TooLarge { name: name(), size, most });
    }
    Ok(())
}

impl PlainFile {
    /// Its length when it was opened, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.found.len()
    }

    /// Whether it was empty when it was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the system said of it when it was opened.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.found
    }

    /// Reads it: exactly as many bytes as it had when it was opened.
    ///
    /// # Errors
    /// [`FileError::Changed`] where it has become shorter; [`FileError::System`].
    pub fn read(self) -> Result<Vec<u8>, FileError> {
        self.read_at_once(self.len())
    }

    /// What [`PlainFile::read`] does, with the length that it had later.
    pub(crate) fn read_at_once(&self, size: u64) -> Result<Vec<u8>, FileError> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(size);
        (&self.file).take(size as u64).read_to_end(&mut bytes).map_err(system("read", &self.name))?;
        if bytes.len() == size { Ok(bytes) } else { Err(FileError::Changed { name: self.name.clone() }) }
    }

    /// What the system says of it now; the same is asked of it as when it was opened.
    pub(crate) fn metadata_now(&self, most: u64) -> Result<Metadata, FileError> {
        let found = self.file.metadata().map_err(system("stat", &self.name))?;
        check(&found, &self.name, most)?;
        Ok(found)
    }

    /// Copies it to `to`, never more than it had when it was opened, and returns how much that was.
    ///
    /// # Errors
    /// [`FileError::Changed`] where it has become shorter; [`FileError::System`], also for `to`.
    pub fn copy_to(self, to: &mut impl Write) -> Result<u64, FileError> {
        let size = self.len();
        let copied = io::copy(&mut (&self.file).take(size), to).map_err(system("copy", &self.name))?;
        if copied == size { Ok(copied) } else { Err(FileError::Changed { name: self.name }) }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

fn system<'a>(operation: &'static str, name: &'a str) -> impl Fn(io::Error) -> FileError + 'a {
    move |source| FileError::System { operation, name: name.to_owned(), source }
}
