//! A machine's disk, as it is reached from outside, also while the machine is off.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::Machine;

impl Machine {
    /// Where `path` of the machine lies on the host. What is a tmpfs there (`/run`, `/tmp`) is not seen so.
    ///
    /// # Panics
    /// Where it is not absolute.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.strip_prefix('/').expect("an absolute path"))
    }

    /// Writes a file of root's, with the directories above it.
    ///
    /// # Panics
    /// Where that fails.
    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>, mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it lies in a directory")).expect("the directory is made");
        fs::write(&path, bytes).expect("the file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode is set");
    }

    /// Gives a unit of the system a drop-in and has systemd read it. It counts from the unit's next start on.
    ///
    /// # Panics
    /// Where that fails.
    pub fn drop_in(&self, unit: &str, text: &str) {
        self.put(&format!("/etc/systemd/system/{unit}.d/90-test.conf"), text, 0o644);
        self.ok(["systemctl", "daemon-reload"]);
    }

    /// Takes the drop-in away again.
    ///
    /// # Panics
    /// Where there is none.
    pub fn remove_drop_in(&self, unit: &str) {
        fs::remove_file(self.path(&format!("/etc/systemd/system/{unit}.d/90-test.conf"))).expect("it is removed");
        self.ok(["systemctl", "daemon-reload"]);
    }
}
