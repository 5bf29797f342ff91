//! Files that agents send: copied once out of `outbox/<row id>/` into `media/out/<delivery id>/`, and kept for a while.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nc_config::Installation;
use nc_model::limits::{MAX_FILE, MAX_MEDIA_BYTES, MEDIA_KEPT};
use nc_store::{Store, StoreError};
use nc_wire::files::{Directory, FileError, PlainFile, is_plain_name};
use tracing::{info, warn};

/// How often what is kept is looked through. A guess: files are counted in months.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long files without a delivery stay: their delivery may be about to be committed.
const ORPHANS_KEPT: Duration = Duration::from_secs(60 * 60);

/// The files of deliveries.
#[derive(Debug)]
pub(crate) struct Media {
    out: PathBuf,
    /// How much there is, by the last look and what came since.
    bytes: u64,
    tidy_at: Instant,
}

/// Why the files of a row were not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// They never will be, in words that fit after a colon.
    Refused(String),
    /// There is no place for them now.
    NoRoom(io::Error),
}

impl From<String> for NotTaken {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

/// The files of one delivery.
struct Kept {
    delivery: String,
    bytes: u64,
    since: SystemTime,
}

impl Media {
    pub(crate) fn new(installation: &Installation) -> Self {
        Self { out: installation.media_out(""), bytes: 0, tidy_at: Instant::now() }
    }

    /// Copies the files of the row `row` from the agent's `work` directory, for `delivery`.
    ///
    /// # Errors
    /// [`NotTaken`]; then none of them is kept.
    pub(crate) fn take(&mut self, work: &Path, row: &str, names: &[String], delivery: &str) -> Result<(), NotTaken> {
        let place = self.out.join(delivery);
        let copied = open_all(work, row, names).map_err(NotTaken::from).and_then(|files| {
            let bytes = files.iter().map(|(_, file)| file.len()).sum::<u64>();
            if self.bytes.saturating_add(bytes) > MAX_MEDIA_BYTES {
                return Err(NotTaken::Refused(format!(
                    "there are {} bytes of files already, at most {MAX_MEDIA_BYTES} are kept",
                    self.bytes
                )));
            }
            copy_all(files, &place).map_err(not_copied)?;
            Ok(bytes)
        });
        match copied {
            Ok(bytes) => self.bytes += bytes,
            // Half of them are of no use to anybody.
            Err(_) => drop(fs::remove_dir_all(&place)),
        }
        copied.map(drop)
    }

    /// Removes, once an hour, the files of what has ended long ago, and of more where there are too many; and those of no
    /// delivery.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked.
    pub(crate) fn tidy(&mut self, store: &Store) -> Result<(), StoreError> {
        if Instant::now() < self.tidy_at {
            return Ok(());
        }
        self.tidy_at = Instant::now() + TIDY_EVERY;
        let mut kept = self.kept();
        kept.sort_by_key(|kept| kept.since);
        self.bytes = kept.iter().map(|kept| kept.bytes).sum();
        for Kept { delivery, bytes, since } in kept {
            let age = since.elapsed().unwrap_or_default();
            let goes = match store.has_delivery_ended(&delivery)? {
                None => age > ORPHANS_KEPT,
                // Half of the room is for what is still to come.
                Some(true) => age > MEDIA_KEPT || self.bytes > MAX_MEDIA_BYTES / 2,
                Some(false) => false,
            };
            if goes {
                self.remove(&delivery, bytes);
            }
        }
        Ok(())
    }

    fn remove(&mut self, delivery: &str, bytes: u64) {
        let removed = nc_failpoint::before("media", "remove");
        match removed.and_then(|()| fs::remove_dir_all(self.out.join(delivery))) {
            Ok(()) => {
                self.bytes = self.bytes.saturating_sub(bytes);
                info!(%delivery, "removed {bytes} bytes of files that were kept long enough");
            }
            Err(error) => warn!(%delivery, "files that were kept long enough cannot be removed: {error}"),
        }
    }

    fn kept(&self) -> Vec<Kept> {
        let entries = fs::read_dir(&self.out).into_iter().flatten().flatten();
        let kept = entries.filter_map(|entry| {
            let bytes = fs::read_dir(entry.path()).ok()?.flatten().filter_map(|file| file.metadata().ok());
            let bytes = bytes.map(|found: Metadata| found.len()).sum();
            let since = entry.metadata().ok()?.modified().ok()?;
            Some(Kept { delivery: entry.file_name().into_string().ok()?, bytes, since })
        });
        kept.collect()
    }
}

/// Opens every file of a row, so that one that cannot be taken is known before any is copied.
fn open_all<'a>(work: &Path, row: &str, names: &'a [String]) -> Result<Vec<(&'a str, PlainFile)>, String> {
    if !is_plain_name(row) {
        return Err("the row's id cannot be the name of a directory".to_owned());
    }
    let outbox = Directory::open(work)
        .map_err(|error| error.to_string())
        .and_then(|work| work.directory("outbox").map_err(|error| error.to_string()))
        .and_then(|outbox| outbox.directory(row).map_err(|error| error.to_string()))?;
    let mut files: Vec<(&str, PlainFile)> = Vec::new();
    for name in names {
        if files.iter().any(|(known, _)| known == name) {
            return Err(format!("{name:?} is named twice"));
        }
        files.push((name, outbox.file(name, MAX_FILE).map_err(|error| error.to_string())?));
    }
    Ok(files)
}

/// A place that is full or read-only may be mended; whatever else keeps a file from being copied stays so.
fn not_copied(error: io::Error) -> NotTaken {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
            NotTaken::NoRoom(error)
        }
        _ => NotTaken::Refused(format!("it could not be copied ({error})")),
    }
}

/// Copies them, and has them on disk before anybody is told that they are there.
fn copy_all(files: Vec<(&str, PlainFile)>, place: &Path) -> io::Result<()> {
    nc_failpoint::before("media", "make_directory")?;
    DirBuilder::new().recursive(true).mode(0o750).create(place)?;
    for (name, file) in files {
        nc_failpoint::before("media", "create")?;
        let mut to = File::options().write(true).create_new(true).mode(0o640).open(place.join(name))?;
        nc_failpoint::before("media", "copy")?;
        file.copy_to(&mut to).map_err(|error| match error {
            FileError::System { source, .. } => source,
            other => io::Error::other(other),
        })?;
        to.flush()?;
        nc_failpoint::before("media", "sync")?;
        to.sync_all()?;
    }
    nc_failpoint::before("media", "sync_directory")?;
    File::open(place)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    struct Place {
        root: TempDir,
        media: Media,
    }

    impl Place {
        fn new() -> Self {
            let root = TempDir::new().unwrap();
            fs::create_dir_all(root.path().join("work/outbox/row")).unwrap();
            let media = Media { out: root.path().join("out"), bytes: 0, tidy_at: Instant::now() };
            Self { root, media }
        }

        fn outbox(&self, name: &str) -> PathBuf {
            self.root.path().join("work/outbox/row").join(name)
        }

        fn take(&mut self, row: &str, names: &[&str]) -> Result<(), String> {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let taken = self.media.take(&self.root.path().join("work"), row, &names, "d1");
            taken.map_err(|error| match error {
                NotTaken::Refused(why) => why,
                NotTaken::NoRoom(error) => format!("no room: {error}"),
            })
        }

        fn copies(&self) -> usize {
            fs::read_dir(self.root.path().join("out/d1")).map_or(0, Iterator::count)
        }
    }

    #[test]
    fn files_are_copied_for_their_delivery() {
        let mut place = Place::new();
        fs::write(place.outbox("a"), "one").unwrap();
        fs::write(place.outbox("b"), "").unwrap();
        place.take("row", &["a", "b"]).unwrap();
        assert_eq!(fs::read(place.root.path().join("out/d1/a")).unwrap(), b"one");
        assert_eq!((place.copies(), place.media.bytes), (2, 3));
    }

    #[test]
    fn one_that_cannot_be_taken_takes_the_others_with_it_and_is_named() {
        let mut place = Place::new();
        fs::write(place.outbox("a"), "one").unwrap();
        symlink("a", place.outbox("link")).unwrap();
        File::create(place.outbox("large")).unwrap().set_len(MAX_FILE + 1).unwrap();
        nix::unistd::mkfifo(&place.outbox("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (row, name, why) in [
            ("row", "link", "a symbolic link"),
            ("row", "large", "at most 52428800 are allowed"),
            ("row", "pipe", "a pipe"),
            ("row", "nowhere", "there is no such file"),
            ("row", "a", "\"a\" is named twice"),
            ("other", "a", "there is no such file"),
            ("..", "a", "cannot be the name of a directory"),
        ] {
            let refusal = place.take(row, &["a", name]).unwrap_err();
            assert!(refusal.contains(why), "{name}: {refusal}");
        }
        place.media.bytes = MAX_MEDIA_BYTES - 2;
        assert!(place.take("row", &["a"]).unwrap_err().contains("bytes of files already"));
        assert_eq!(place.copies(), 0);
    }
}
