//! An installation with groups, as root's and as an ordinary user's, and what is tried in the sandboxes of it.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod session;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nc_model::{FolderName, GroupId};
use nc_store::{NewChat, NewGroup, NewMainGroup};
use nc_testkit::{Toolkit, finish};

/// An ordinary user without a name, which is not the one that root's sandboxes get.
pub(crate) const ORDINARY: u32 = 61_100;

/// An installation with the groups `main` and `family`.
pub(crate) struct House {
    pub(crate) kit: Toolkit,
    /// What it is called where a test fails.
    pub(crate) whose: &'static str,
    pub(crate) main: GroupId,
    pub(crate) family: GroupId,
}

impl House {
    /// An installation of whoever runs the test, and where that is root another of an ordinary user.
    pub(crate) fn each() -> Vec<Self> {
        let own = Self::new(Toolkit::new(), if is_root() { "root's" } else { "an ordinary user's" });
        if is_root() {
            return vec![own, Self::new(Toolkit::as_user(ORDINARY), "an ordinary user's")];
        }
        println!("skipped: root's installation; run the test as root for it");
        vec![own]
    }

    /// An installation of whoever runs the test.
    pub(crate) fn own() -> Self {
        Self::new(Toolkit::new(), "the test's")
    }

    fn new(kit: Toolkit, whose: &'static str) -> Self {
        let installation = kit.installation();
        for directory in [installation.store_dir(), installation.data_dir(), installation.groups_dir()] {
            fs::create_dir_all(directory).expect("a directory is made");
        }
        let mut store = kit.store();
        let chat = NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false };
        let group = NewGroup::new("Main", folder("main"));
        let main = NewMainGroup { group, owner: "terminal:ana", owner_name: None, chat };
        let main = store.create_main_group(&main).expect("a main group").group.id;
        let family = store.create_group(&NewGroup::new("Family", folder("family"))).expect("a group").id;
        for name in ["main", "family", "global"] {
            fs::create_dir_all(installation.groups_dir().join(name)).expect("a folder");
        }
        let house = Self { kit, whose, main, family };
        house.probe();
        house.settle();
        house
    }

    /// Gives everything in the installation to its user: the test made some of it as root.
    pub(crate) fn settle(&self) {
        if let Some(uid) = self.kit.user() {
            let whose = format!("{uid}:{uid}");
            let given = Command::new("chown").arg("-R").arg(whose).arg(self.kit.dir()).status();
            assert!(given.expect("chown starts").success());
        }
    }

    /// The probe, where the group `main` sees it.
    fn probe(&self) {
        let probe = nc_testkit::example("nc-testkit", "probe");
        install(&probe, &self.group("main").join("probe"));
    }

    pub(crate) fn group(&self, folder: &str) -> PathBuf {
        self.kit.installation().groups_dir().join(folder)
    }

    /// The command that runs `words` in the sandbox of `main`.
    pub(crate) fn inside(&self, words: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.kit.program("nc-runner");
        command.args(["--shell", "main", "--"]).args(words);
        command
    }

    /// Runs a script in the sandbox of `main`, and returns what it wrote; it must succeed.
    pub(crate) fn script(&self, script: &str) -> String {
        let output = self.try_script(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "in {} installation: {script}\n{}\n{said}", self.whose, output.status);
        String::from_utf8(output.stdout).expect("the script writes text")
    }

    /// Runs a script in the sandbox of `main`.
    pub(crate) fn try_script(&self, script: &str) -> Output {
        finish(&mut self.inside(&["/bin/sh", "-c", script]))
    }

    /// Runs the probe in the sandbox of `main`.
    pub(crate) fn probed(&self, words: &[&str]) -> Output {
        finish(&mut self.inside(&[&["/workspace/agent/probe"], words].concat()))
    }

    /// Sets what the group `main` says about its sandbox.
    pub(crate) fn limits(&self, processes: u32, memory: u64) {
        let mut store = self.kit.store();
        let mut container = nc_model::ContainerConfig::default();
        let limits = nc_model::container_config::SandboxLimits { processes: Some(processes), memory: Some(memory) };
        container.limits = Some(limits);
        let edit = nc_store::GroupEdit { container: Some(container), ..Default::default() };
        store.edit_group(self.main, &edit).expect("the group takes its limits");
        self.settle();
    }
}

pub(crate) fn folder(name: &str) -> FolderName {
    FolderName::parse(name).expect("a folder's name")
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Lets everybody read and enter.
pub(crate) fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the mode is changed");
}

/// Copies a program by another process: a descriptor of ours that writes it could live on in a child of another test, and
/// nobody could start it meanwhile.
pub(crate) fn install(from: &Path, to: &Path) {
    let copied = Command::new("install").args(["-m", "755"]).args([from, to]).status();
    assert!(copied.expect("install starts").success(), "{} is copied", from.display());
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
