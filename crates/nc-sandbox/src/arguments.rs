//! A sandbox in the words of bubblewrap.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::spec::{Access, HOME, HOME_SIZE, HOSTNAME, INNER_ID, Mount, SHM_SIZE, Spec, TMP_SIZE};
use crate::system::{Beside, Made, beside_usr, bound_etc, copied_etc, made_up};

/// Where bubblewrap finds its descriptors.
pub(crate) const ARGS_FD: i32 = 3;
pub(crate) const LOCK_FD: i32 = 4;
pub(crate) const STATUS_FD: i32 = 5;
pub(crate) const FILTER_FDS: [i32; 3] = [6, 7, 8];
pub(crate) const FIRST_FILE_FD: i32 = 9;

/// What bubblewrap is told, but for the command. Its command line would be readable by every process of the host and by the
/// agent, so it gets the words through a descriptor; it takes the command from the command line alone.
pub(crate) struct Arguments {
    /// The words.
    words: Vec<OsString>,
    /// What is read from [`FIRST_FILE_FD`], the next one, and so on.
    pub(crate) files: Vec<Vec<u8>>,
}

impl Arguments {
    /// Describes `spec` with `mounts` in place of its own.
    pub(crate) fn new(spec: &Spec, mounts: &[Mount]) -> Self {
        let mut arguments = Self { words: Vec::new(), files: Vec::new() };
        arguments.isolation();
        arguments.system();
        arguments.memory();
        arguments.etc();
        for mount in mounts {
            arguments.mount(mount);
        }
        // Last, since mount points are made in it.
        arguments.add(["--remount-ro", "/"]);
        arguments.add([OsStr::new("--chdir"), spec.workdir.as_os_str()]);
        for (name, value) in &spec.env {
            arguments.add([OsStr::new("--setenv"), OsStr::new(name), value]);
        }
        arguments
    }

    /// The words, each ended by NUL, as `--args` reads them.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.as_bytes().iter().copied().chain([0])).collect()
    }

    fn add<W: AsRef<OsStr>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
    }

    fn isolation(&mut self) {
        self.add(["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"]);
        self.add(["--uid", &INNER_ID.to_string(), "--gid", &INNER_ID.to_string(), "--hostname", HOSTNAME]);
        self.add(["--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
        self.add(["--sync-fd", &LOCK_FD.to_string(), "--json-status-fd", &STATUS_FD.to_string()]);
        for fd in FILTER_FDS {
            self.add(["--add-seccomp-fd", &fd.to_string()]);
        }
    }

    fn system(&mut self) {
        self.add(["--ro-bind", "/usr", "/usr"]);
        for beside in beside_usr() {
            match beside {
                Beside::Link(target, path) => self.add([OsStr::new("--symlink"), target.as_os_str(), path.as_os_str()]),
                Beside::Mount(path) => self.add([OsStr::new("--ro-bind"), path.as_os_str(), path.as_os_str()]),
            }
        }
        // The first process is bubblewrap's own: it has the lock, and our standard input.
        self.add(["--proc", "/proc", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1"]);
    }

    fn memory(&mut self) {
        self.add(["--dev", "/dev"]);
        self.tmpfs("1777", SHM_SIZE, "/dev/shm");
        self.add(["--remount-ro", "/dev"]);
        self.tmpfs("1777", TMP_SIZE, "/tmp");
        self.add(["--dir", "/var", "--symlink", "../tmp", "/var/tmp"]);
        self.tmpfs("0755", HOME_SIZE, HOME);
    }

    fn tmpfs(&mut self, mode: &str, size: u64, target: &str) {
        self.add(["--perms", mode, "--size", &size.to_string(), "--tmpfs", target]);
    }

    fn etc(&mut self) {
        for path in bound_etc() {
            self.add([OsStr::new("--ro-bind-try"), path.as_os_str(), path.as_os_str()]);
        }
        for (path, made) in copied_etc() {
            match made {
                Made::Link(target) => self.add([OsStr::new("--symlink"), target.as_os_str(), path.as_os_str()]),
                Made::File(bytes) => self.file(&path, bytes),
            }
        }
        for (path, text) in made_up() {
            self.file(Path::new(path), text.into_bytes());
        }
    }

    fn file(&mut self, path: &Path, bytes: Vec<u8>) {
        let fd = FIRST_FILE_FD + i32::try_from(self.files.len()).unwrap_or(i32::MAX);
        self.add(["--perms", "0644", "--file", &fd.to_string()]);
        self.add([path]);
        self.files.push(bytes);
    }

    fn mount(&mut self, mount: &Mount) {
        let word = match mount.access {
            Access::ReadOnly => "--ro-bind",
            Access::ReadWrite => "--bind",
        };
        self.add([OsStr::new(word), mount.source.as_os_str(), mount.target.as_os_str()]);
    }
}
