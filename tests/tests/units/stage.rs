//! A root directory with what `install.sh` puts there, and what the units lean on.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nc_testkit::PROGRAMS;
use tempfile::TempDir;

use crate::{files_below, root};

/// Programs that have units and may be left unbuilt.
pub(crate) const OPTIONAL: &[&str] = &["nc-scheduler", "nc-slack", "nc-whatsapp"];

/// Where units are installed, for the system and for a user whose home is `home`.
const UNITS: &str = "usr/local/lib/systemd/system";
const UNITS_OF_USER: &str = "home/.local/share/systemd/user";

/// A root directory of its own; a user's installation lies in a home below it.
pub(crate) struct Stage {
    dir: TempDir,
    units: &'static str,
}

/// What a command of systemd's did.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    /// Both outputs.
    pub(crate) text: String,
}

/// Whether systemd's tools are here; says so where they are not.
pub(crate) fn is_possible(what: &str) -> bool {
    let there = |tool: &&str| run(Command::new(tool).arg("--version")).is_some_and(|said| said.success);
    let missing =
        ["systemd-analyze", "systemctl", "systemd-sysusers", "systemd-tmpfiles"].into_iter().find(|t| !there(t));
    if let Some(tool) = missing {
        nc_testkit::skip(what, &format!("there is no {tool}(1)"));
    }
    missing.is_none()
}

/// Runs a command to its end; none where there is no such program.
fn run(command: &mut Command) -> Option<Said> {
    let output = command.stdin(Stdio::null()).env("SYSTEMD_COLORS", "0").env("LC_ALL", "C").output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(Said { success: output.status.success(), text: String::from_utf8_lossy(&text).trim().to_owned() })
}

impl Stage {
    /// The system's installation with every program that has units.
    pub(crate) fn complete() -> Self {
        Self::with(OPTIONAL)
    }

    /// The system's installation with the programs that are always there, and these.
    pub(crate) fn with(optional: &[&str]) -> Self {
        let stage = Self { dir: tempfile::tempdir().expect("a directory"), units: UNITS };
        stage.install(optional, |install| install.arg(format!("--destdir={}", stage.root().display())));
        stage.lean();
        stage
    }

    /// A user's installation with every program that has units.
    pub(crate) fn of_user() -> Self {
        let stage = Self { dir: tempfile::tempdir().expect("a directory"), units: UNITS_OF_USER };
        fs::create_dir(stage.path("run")).expect("a directory");
        // Where it will live is where it is made: what a package would hold, and nobody's manager is touched.
        symlink("/", stage.path("slash")).expect("a link");
        let destdir = format!("--destdir={}", stage.path("slash").display());
        stage.install(OPTIONAL, |install| stage.as_user(install.arg("--user").arg(destdir)));
        stage
    }

    /// Runs `install.sh` of a tree in which these programs have a crate.
    fn install(&self, optional: &[&str], options: impl FnOnce(&mut Command) -> &mut Command) {
        let (built, tree) = (self.path("built"), self.path("tree"));
        for program in PROGRAMS.iter().chain(optional) {
            program_at(&built.join(program));
            fs::create_dir_all(tree.join("bins").join(program)).expect("a directory");
        }
        let parts = ["install.sh", "scripts", "systemd", "man", "nanoclaw.toml.example", "README.md", "LICENSE"];
        let copied = run(Command::new("cp").arg("-a").args(parts.map(|part| root().join(part))).arg(&tree));
        assert!(copied.as_ref().is_some_and(|said| said.success), "{copied:?}");
        let mut install = Command::new(tree.join("install.sh"));
        install.arg(format!("--built={}", built.display()));
        let said = run(options(&mut install)).expect("install.sh runs");
        assert!(said.success, "{}", said.text);
    }

    /// Gives a command the user's environment.
    fn as_user<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS"] {
            command.env_remove(variable);
        }
        command.env("HOME", self.path("home")).env("XDG_RUNTIME_DIR", self.path("run"))
    }

    /// What the units name besides, and the units of systemd itself, as they are on this machine.
    fn lean(&self) {
        for program in ["bin/true", "bin/kill", "bin/sh"] {
            program_at(&self.path(program));
        }
        let theirs = ["/usr/lib/systemd/system", "/lib/systemd/system"].map(Path::new);
        let from = theirs.into_iter().find(|dir| dir.is_dir()).expect("systemd's own units");
        let to = self.path("usr/lib/systemd");
        fs::create_dir_all(&to).expect("a directory");
        let copied = run(Command::new("cp").arg("-a").arg(from).arg(to.join("system"))).expect("cp runs");
        assert!(copied.success, "{}", copied.text);
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root().join(below)
    }

    /// The files of units and drop-ins.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        files_below(&self.path(self.units))
    }

    /// The units, of a template an instance.
    pub(crate) fn units(&self) -> Vec<String> {
        let is_unit = |path: &&PathBuf| path.parent() == Some(&self.path(self.units));
        let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().replace("@.", "@x.");
        self.files().iter().filter(is_unit).map(name).collect()
    }

    /// The units that have a certain end, such as `.service`.
    pub(crate) fn units_of_kind(&self, kind: &str) -> Vec<String> {
        self.units().into_iter().filter(|unit| unit.ends_with(kind)).collect()
    }

    /// Where a file of a unit is, such as `nc-router.service` or `nc-.service.d/10-common.conf`.
    pub(crate) fn unit_file(&self, name: &str) -> PathBuf {
        self.path(self.units).join(name)
    }

    /// Changes the text of such a file, which must change it.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&str) -> String) {
        let path = self.unit_file(name);
        let text = fs::read_to_string(&path).expect("a file of the stage");
        let changed = change(&text);
        assert_ne!(text, changed, "{name}: nothing was changed");
        fs::write(&path, changed).expect("it is written");
    }

    /// What a tool of systemd's says of this root, or to this user.
    pub(crate) fn ask(&self, tool: &str, words: &[&str]) -> Said {
        let mut command = Command::new(tool);
        if self.units == UNITS {
            command.arg(format!("--root={}", self.root().display()));
        } else {
            self.as_user(command.arg("--user"));
        }
        let said = run(command.args(words)).expect("it runs");
        Said { text: said.text.replace(&format!("{}/", self.root().display()), "/"), ..said }
    }

    /// What `systemd-analyze verify` has to complain of in all units, and in the instances that have drop-ins of their own.
    pub(crate) fn complaints(&self) -> Said {
        let units = self.units();
        let instances = self.files().into_iter().filter_map(|path| {
            let directory = path.parent()?.file_name()?.to_str()?.strip_suffix(".d")?.to_owned();
            let (_, instance) = directory.split_once('@')?;
            (!instance.starts_with('.')).then_some(directory)
        });
        let all: Vec<String> = units.into_iter().chain(instances).collect();
        let words = ["verify", "--man=no", "--recursive-errors=yes"];
        let words: Vec<&str> = words.into_iter().chain(all.iter().map(String::as_str)).collect();
        self.ask("systemd-analyze", &words)
    }
}

/// A program that only has to be there.
fn program_at(path: &Path) {
    fs::create_dir_all(path.parent().expect("it lies in a directory")).expect("a directory");
    fs::write(path, "#!/bin/sh\n").expect("it is written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode is set");
}
