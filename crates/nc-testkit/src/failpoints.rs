//! Failpoints as a test has them: where programs came by, and where one is to be killed or to fail. See `nc_failpoint`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process is killed.
    Kill,
    /// What is about to be done fails with this error of the system.
    Fail(nix::errno::Errno),
}

/// The directory by which a test speaks to all programs of an installation.
#[derive(Clone, Debug)]
pub struct Failpoints {
    dir: PathBuf,
}

impl Failpoints {
    /// Makes the directory `dir` for it; programs are told of it by the variable `NC_FAILPOINTS`.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn in_dir(dir: PathBuf) -> Self {
        let points = Self { dir };
        for dir in [points.dir.clone(), points.path("reached"), points.path("armed"), points.path("fired")] {
            fs::create_dir_all(&dir).expect("a directory is made");
            // A sandbox's user writes there.
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("its mode is changed");
        }
        points
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the directory is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every point that a program has come to.
    ///
    /// # Panics
    /// Where the directory cannot be read.
    #[must_use]
    pub fn reached(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("reached")).expect("the directory is there");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
    }

    /// Knows of `point` no more that a program came to it.
    pub fn forget(&self, point: &str) {
        fs::remove_file(self.path("reached").join(point)).ok();
    }

    /// Has the next process that comes to `point` do this, once.
    ///
    /// # Panics
    /// Where the directory cannot be written.
    pub fn arm(&self, point: &str, action: Action) {
        fs::remove_file(self.path("fired").join(point)).ok();
        let text = match action {
            Action::Kill => "kill".to_owned(),
            Action::Fail(errno) => (errno as i32).to_string(),
        };
        // Whole at once: a program reads it at any moment.
        let new = self.path("new");
        fs::write(&new, text).expect("it is written");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o666)).expect("its mode is changed");
        fs::rename(&new, self.path("armed").join(point)).expect("it is put in its place");
    }

    /// Whether what was armed at `point` has happened.
    #[must_use]
    pub fn fired(&self, point: &str) -> bool {
        self.path("fired").join(point).exists()
    }

    /// Nothing happens at `point` any more.
    pub fn disarm(&self, point: &str) {
        fs::remove_file(self.path("armed").join(point)).ok();
    }

    /// Puts the programs' clock `ms` before the true one, or behind it where that is less than 0.
    ///
    /// # Panics
    /// Where the directory cannot be written.
    pub fn set_clock(&self, ms: i64) {
        fs::write(self.path("new"), ms.to_string()).expect("it is written");
        fs::set_permissions(self.path("new"), fs::Permissions::from_mode(0o666)).expect("its mode is changed");
        fs::rename(self.path("new"), self.path("clock")).expect("it is put in its place");
    }
}
