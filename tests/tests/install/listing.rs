//! What lies below a directory, to be compared before and after.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Everything below a directory: kind and mode, owner, and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing(BTreeMap<PathBuf, Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    owner: (u32, u32),
    content: Vec<u8>,
    /// Inode and time of change, where asked for.
    touched: Option<(u64, i64, i64)>,
}

impl Listing {
    /// Empty where there is no such directory.
    pub(crate) fn of(root: &Path) -> Self {
        Self::read(root, &|_| false, &|_| true, false)
    }

    /// With what changes when a file is written anew.
    pub(crate) fn with_times(root: &Path) -> Self {
        Self::read(root, &|_| false, &|_| true, true)
    }

    /// Without what `left_out` holds for and all below it; with the content of what `whole` holds for. Both get the path below
    /// `root`.
    pub(crate) fn read(
        root: &Path,
        left_out: &dyn Fn(&Path) -> bool,
        whole: &dyn Fn(&Path) -> bool,
        times: bool,
    ) -> Self {
        let (mut found, mut left) = (BTreeMap::new(), vec![root.to_owned()]);
        while let Some(directory) = left.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for path in entries.map(|entry| entry.expect("an entry").path()) {
                let name = path.strip_prefix(root).expect("it lies below").to_owned();
                // What programs that run make and remove may be gone by now.
                let Ok(meta) = fs::symlink_metadata(&path) else { continue };
                if left_out(&name) {
                    continue;
                }
                let content = match () {
                    () if meta.is_symlink() => {
                        fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
                    }
                    () if meta.is_file() && whole(&name) => fs::read(&path).expect("a file"),
                    () => Vec::new(),
                };
                let touched = times.then(|| (meta.ino(), meta.ctime(), meta.ctime_nsec()));
                found.insert(name, Entry { mode: meta.mode(), owner: (meta.uid(), meta.gid()), content, touched });
                if meta.is_dir() {
                    left.push(path);
                }
            }
        }
        Self(found)
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(Path::new(path))
    }

    /// The content of a file, which is there and is text.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> &str {
        let entry = self.0.get(Path::new(path)).unwrap_or_else(|| panic!("there is no {path}"));
        std::str::from_utf8(&entry.content).expect("text")
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// A line for each difference.
    pub(crate) fn differences(&self, later: &Self) -> Vec<String> {
        let gone = self.0.keys().filter(|path| !later.0.contains_key(*path));
        let more = later.0.keys().filter(|path| !self.0.contains_key(*path));
        let other = self.0.iter().filter(|(path, entry)| later.0.get(*path).is_some_and(|now| now != *entry));
        let gone = gone.map(|path| format!("gone: {}", path.display()));
        let more = more.map(|path| format!("more: {}", path.display()));
        let other = other.map(|(path, _)| format!("other: {}", path.display()));
        gone.chain(more).chain(other).collect()
    }

    #[track_caller]
    pub(crate) fn is_the_same(&self, later: &Self, what: &str) {
        let differences = self.differences(later);
        assert!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
    }
}
