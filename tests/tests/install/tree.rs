//! A copy of what install.sh needs of the tree, to be made older or newer, with stand-ins for the programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nc_testkit::finish_with;
use tempfile::TempDir;

/// What install.sh reads, beside the programs.
const READ: &[&str] =
    &["install.sh", "scripts/install", "systemd", "man", "README.md", "LICENSE", "nanoclaw.toml.example"];

/// How large a stand-in is, in bytes.
const SIZE: usize = 20_000;

/// How long a run may take, and a script of a dozen of them, on a host that is busy with other things.
const LONGEST: Duration = Duration::from_secs(300);

/// A tree, and `dest` beside it, where its packages go.
#[derive(Debug)]
pub(crate) struct Tree(TempDir);

/// What a run said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Its exit status is `code`, and where that is not 0 it says why, under its own name.
    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        assert!(code == 0 || self.stderr.lines().any(|line| line.starts_with("install.sh: ")), "{}", self.stderr);
        self
    }
}

impl Tree {
    pub(crate) fn new() -> Self {
        let place = tempfile::Builder::new().prefix("nc-install.").tempdir().expect("a temporary directory");
        // Ordinary users read it, too.
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("a mode");
        let tree = Self(place);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the tree");
        for dir in ["tree/scripts", "tree/bins", "built"] {
            fs::create_dir_all(tree.path(dir)).expect("a directory");
        }
        for name in READ {
            let to = tree.path("tree").join(name);
            let copied = Command::new("cp").arg("-R").arg(source.join(name)).arg(to).status().expect("cp starts");
            assert!(copied.success(), "{name}");
        }
        for program in nc_testkit::PROGRAMS {
            fs::create_dir(tree.path("tree/bins").join(program)).expect("a directory");
            tree.program(program, "1", "exit 1");
        }
        tree.write("man/nc-older.8", ".Dd $Mdocdate$\n");
        tree.write("systemd/nc-older.timer", "[Timer]\n");
        tree.write("systemd/nc-older.timer.d/50-older.conf", "[Timer]\n");
        tree
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where its packages are put.
    pub(crate) fn dest(&self) -> PathBuf {
        self.path("dest")
    }

    /// Writes a file of the tree.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path("tree").join(name);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Writes the stand-in of a program, which tells its version and does `what` when it is started otherwise.
    pub(crate) fn program(&self, name: &str, version: &str, what: &str) {
        let first = format!(
            "#!/bin/sh\ncase $1 in --version) echo {version} ;; completions) echo {version} $2 ;; *) {what} ;; esac\nexit\n"
        );
        let path = self.path("built").join(name);
        fs::write(&path, first + &"#".repeat(SIZE)).expect("a program");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("a mode");
    }

    /// A newer version of everything: each program, a page and a unit changed, a page, a unit and a drop-in gone and new ones there.
    pub(crate) fn newer(&self) {
        for program in nc_testkit::PROGRAMS {
            self.program(program, "2", "exit 1");
        }
        for gone in ["man/nc-older.8", "systemd/nc-older.timer", "systemd/nc-older.timer.d/50-older.conf"] {
            fs::remove_file(self.path("tree").join(gone)).expect("it is there");
        }
        self.write("man/nc-newer.8", ".Dd $Mdocdate$\n");
        self.write("man/nanoclaw.7", "changed\n");
        self.write("systemd/nc-newer.timer", "[Timer]\n");
        self.write("systemd/nc-newer.timer.d/50-newer.conf", "[Timer]\n");
        self.write("systemd/nc-router.service", "[Service]\n");
    }

    /// install.sh as it is called in the tree, without `--built` and `--destdir`.
    pub(crate) fn bare(&self) -> Command {
        let mut command = Command::new(self.path("tree/install.sh"));
        command.stdin(Stdio::null()).current_dir("/");
        command
    }

    /// install.sh that makes a package in [`Tree::dest`].
    pub(crate) fn package(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare();
        command.arg(format!("--built={}", self.path("built").display()));
        command.arg(format!("--destdir={}", self.dest().display())).args(arguments);
        command
    }

    /// Runs [`Tree::package`].
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        ran(&mut self.package(arguments))
    }
}

pub(crate) fn ran(command: &mut Command) -> Said {
    let output = finish_with(command, &[], LONGEST);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// A shell in a mount namespace of its own, as root of a user namespace where this is an ordinary user; `None` where the host
/// gives none.
pub(crate) fn shell_that_mounts(script: &str) -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private"]).stdin(Stdio::null());
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
    };
    let tried = unshare().args(["mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success()).then(|| {
        let mut command = unshare();
        command.args(["sh", "-euc", script, "sh"]);
        command
    })
}
