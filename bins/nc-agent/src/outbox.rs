//! Files on their way to people: copied to `outbox/<row id>/`, where the host takes them.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use nc_model::limits::{MAX_FILE, MAX_NAME};
use nc_wire::files::{Directory, PlainFile, is_plain_name};
use uuid::Uuid;

/// Where files may lie besides the workspace: what is made for a moment is made there.
const SCRATCH: &str = "/tmp";

/// How many directories that the host has not dealt with are looked after. Others stay until the next agent looks.
const MAX_KEPT: usize = 1000;

/// The directory of outgoing files.
pub(crate) struct Outbox {
    workspace: PathBuf,
    /// Where relative paths begin.
    directory: PathBuf,
    /// The rows whose files lie there.
    kept: Vec<String>,
}

/// A file that was copied, and the row that is to name it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) row: String,
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl Outbox {
    /// The outbox of `workspace`, for an agent that works in `directory` below it.
    pub(crate) fn new(workspace: &Path, directory: &Path) -> Self {
        let left = fs::read_dir(workspace.join("outbox")).into_iter().flatten().flatten();
        let kept = left.filter_map(|entry| entry.file_name().into_string().ok()).take(MAX_KEPT).collect();
        Self { workspace: workspace.to_owned(), directory: directory.to_owned(), kept }
    }

    /// Copies a file into it, under `filename` or its own name.
    ///
    /// # Errors
    /// Why it may not or cannot be sent, in words for the model.
    pub(crate) fn post(&mut self, path: &str, filename: Option<&str>) -> Result<Posted, String> {
        let (base, inside) = self.locate(path)?;
        let name = filename.or_else(|| Path::new(&inside).file_name()?.to_str()).unwrap_or_default();
        if !is_plain_name(name) || name.contains(char::is_control) {
            return Err(format!(
                "{name:?} cannot be the name of a file: one of at most {MAX_NAME} bytes, without a directory."
            ));
        }
        let opened =
            Directory::open(&base).map_err(|error| format!("{} cannot be opened: {error}.", base.display()))?;
        let file = opened.file(&inside, MAX_FILE).map_err(|error| format!("{path:?} was not sent: {error}."))?;
        let (row, bytes) = (Uuid::now_v7().to_string(), file.len());
        let place = self.workspace.join("outbox").join(&row);
        if let Err(error) = copy(file, &place, name) {
            // Half a file is of no use to anybody.
            drop(fs::remove_dir_all(&place));
            return Err(format!("{path:?} was not sent: {error}."));
        }
        self.kept.push(row.clone());
        Ok(Posted { row, name: name.to_owned(), bytes })
    }

    /// The directory that a path is below, and the way from there.
    ///
    /// This program could read what the model's tools cannot, such as its own memory: so it opens nothing elsewhere.
    fn locate(&self, path: &str) -> Result<(PathBuf, String), String> {
        let whole = self.directory.join(path);
        let base = [self.workspace.as_path(), Path::new(SCRATCH)].into_iter().find(|base| whole.starts_with(base));
        let Some(base) = base else {
            return Err(format!("{path:?} was not sent: only what lies below /workspace or {SCRATCH} is."));
        };
        let mut inside = PathBuf::new();
        for component in whole.strip_prefix(base).unwrap_or(&whole).components() {
            match component {
                Component::Normal(name) => inside.push(name),
                Component::CurDir => {}
                _ => return Err(format!("{path:?} was not sent: a path may not have \"..\" in it.")),
            }
        }
        let inside = inside.into_os_string().into_string();
        inside.map(|inside| (base.to_owned(), inside)).map_err(|_not_text| format!("{path:?} is not UTF-8."))
    }

    /// Removes the files of rows of which `is_dealt_with` says so.
    pub(crate) fn clear(&mut self, mut is_dealt_with: impl FnMut(&str) -> bool) {
        let outbox = self.workspace.join("outbox");
        self.kept.retain(|row| {
            let dealt_with = is_dealt_with(row);
            if dealt_with {
                nc_failpoint::after("outbox", "serve");
                // Something else may have removed them.
                drop(fs::remove_dir_all(outbox.join(row)));
            }
            !dealt_with
        });
    }
}

fn copy(file: PlainFile, place: &Path, name: &str) -> io::Result<()> {
    nc_failpoint::before("outbox", "make_directory")?;
    DirBuilder::new().recursive(true).mode(0o750).create(place)?;
    nc_failpoint::before("outbox", "create")?;
    let mut to = File::options().write(true).create_new(true).mode(0o640).open(place.join(name))?;
    nc_failpoint::before("outbox", "copy")?;
    file.copy_to(&mut to).map(drop).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    use super::*;

    struct Place {
        root: TempDir,
        outbox: Outbox,
    }

    impl Place {
        fn new() -> Self {
            let root = TempDir::new().unwrap();
            let agent = root.path().join("agent");
            fs::create_dir(&agent).unwrap();
            fs::write(agent.join("a.txt"), "hello").unwrap();
            let outbox = Outbox::new(root.path(), &agent);
            Self { root, outbox }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn refusal(&mut self, path: &str, filename: Option<&str>) -> String {
            self.outbox.post(path, filename).unwrap_err()
        }

        fn files(&self) -> usize {
            fs::read_dir(self.path("outbox")).map_or(0, Iterator::count)
        }
    }

    #[test]
    fn a_file_is_copied_under_its_own_or_another_name() {
        let mut place = Place::new();
        let absolute = place.path("agent/./a.txt").to_str().unwrap().to_owned();
        for (path, filename, name) in
            [("a.txt", None, "a.txt"), ("./a.txt", Some("é 1.txt"), "é 1.txt"), (&absolute, None, "a.txt")]
        {
            let posted = place.outbox.post(path, filename).unwrap();
            assert_eq!((posted.name.as_str(), posted.bytes), (name, 5));
            assert_eq!(fs::read(place.path("outbox").join(&posted.row).join(name)).unwrap(), b"hello");
        }
        assert_eq!(place.files(), 3);
        let again = Outbox::new(place.root.path(), place.root.path());
        assert_eq!(again.kept.len(), 3);
        place.outbox.clear(|_| true);
        assert_eq!(place.files(), 0);
    }

    #[test]
    fn what_is_no_plain_file_in_the_workspace_is_refused_with_the_reason() {
        let mut place = Place::new();
        let agent = place.path("agent");
        symlink("a.txt", agent.join("link")).unwrap();
        symlink("/etc", agent.join("etc")).unwrap();
        mkfifo(&agent.join("pipe"), Mode::S_IRWXU).unwrap();
        File::create(agent.join("large")).unwrap().set_len(100 * 1024 * 1024).unwrap();
        fs::write(agent.join("one"), "").unwrap();
        fs::hard_link(agent.join("one"), agent.join("two")).unwrap();
        for (path, reason) in [
            ("link", "a symbolic link"),
            ("etc/passwd", "a symbolic link"),
            ("pipe", "a pipe"),
            ("large", "at most 52428800 are allowed"),
            ("two", "has 2 links"),
            ("nowhere", "there is no such file"),
            (".", "cannot be opened, or whatever"),
            ("../outbound.db", "may not have \"..\" in it"),
            ("x/../a.txt", "may not have \"..\" in it"),
            ("/etc/passwd", "only what lies below"),
            ("/proc/self/environ", "only what lies below"),
            ("/tmp/../etc/passwd", "may not have \"..\" in it"),
        ] {
            let refusal = place.refusal(path, Some("x"));
            assert!(refusal.contains(reason) || path == ".", "{path}: {refusal}");
        }
        let long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "../a", "a\nb", &long] {
            assert!(place.refusal("a.txt", Some(name)).contains("cannot be the name of a file"), "{name:?}");
        }
        assert_eq!(place.files(), 0);
    }
}
