//! The installation itself: its store, its programs, who runs, and what was left behind.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nc_config::Doorbell;
use nc_store::Store;

use super::Check;
use super::units::how_to_start;
use crate::installed::Installed;
use crate::units::Units;

/// The programs that an installation needs.
const PROGRAMS: &[&str] = &["nc-router", "nc-runner", "nc-ipcd", "nc-agent"];

/// The store, its main group and its owners.
pub(super) fn store(installed: &Installed) -> Vec<Check> {
    const NAME: &str = "store";
    let file = installed.paths().store_file();
    match fs::symlink_metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mend = "`nanoclawctl group add NAME --main` or `nanoclawctl run` makes it";
            return vec![Check::warn(NAME, format!("there is no {} yet", file.display()), mend)];
        }
        _ => {}
    }
    match Store::open(&file) {
        Ok(store) => [vec![integrity(&store, &file)], vec![main_group(&store), owners(&store)]].concat(),
        Err(error) => {
            let mend = "the sentence says what to do; nothing of the store was changed";
            vec![Check::fail(NAME, format!("failed to {:#}", anyhow::Error::new(error)), mend)]
        }
    }
}

fn integrity(store: &Store, file: &Path) -> Check {
    const NAME: &str = "store";
    let put_back = "stop everything, keep a copy of the file, and put the last backup in its place";
    match store.integrity() {
        Ok(faults) if faults.is_empty() => {
            Check::ok(NAME, format!("{} opens, its schema is ours, and it is whole", file.display()))
        }
        Ok(faults) => Check::fail(NAME, format!("{} is damaged: {}", file.display(), faults.join("; ")), put_back),
        Err(error) => Check::fail(NAME, format!("failed to {:#}", anyhow::Error::new(error)), put_back),
    }
}

fn main_group(store: &Store) -> Check {
    const NAME: &str = "main group";
    match store.main_group() {
        Ok(Some(main)) => Check::ok(NAME, format!("{:?} in the folder \"{}\"", main.name, main.folder)),
        Ok(None) => Check::warn(NAME, "there is none", "make it: `nanoclawctl group add NAME --main`"),
        Err(error) => {
            Check::fail(NAME, format!("failed to {:#}", anyhow::Error::new(error)), "look at the store first")
        }
    }
}

fn owners(store: &Store) -> Check {
    const NAME: &str = "owner";
    match store.owners() {
        Ok(owners) if owners.is_empty() => {
            let mend = match store.main_group() {
                Ok(None) => "whoever makes the main group becomes it: `nanoclawctl group add NAME --main`",
                _ => "`nanoclawctl role grant USER owner`; `nanoclawctl user list` shows the users",
            };
            Check::warn(NAME, "nobody owns the installation: nobody is told when something fails", mend)
        }
        Ok(owners) => Check::ok(NAME, owners.join(", ")),
        Err(error) => {
            Check::fail(NAME, format!("failed to {:#}", anyhow::Error::new(error)), "look at the store first")
        }
    }
}

/// Whether every program is there and of our version.
pub(super) fn programs(installed: &Installed) -> Check {
    const NAME: &str = "programs";
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
    let places: Vec<PathBuf> = beside.into_iter().chain([installed.paths().libexec_dir().to_owned()]).collect();
    let find = |name: &str| places.iter().map(|dir| dir.join(name)).find(|path| is_program(path));
    let missing: Vec<&str> = PROGRAMS.iter().copied().filter(|name| find(name).is_none()).collect();
    let shown = places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" and ");
    if !missing.is_empty() {
        let mend = "`make build` in a checkout, `make install`, or the key libexec_dir";
        return Check::fail(NAME, format!("not found in {shown}: {}", missing.join(", ")), mend);
    }
    let ours = env!("CARGO_PKG_VERSION");
    let others: Vec<String> = PROGRAMS
        .iter()
        .filter_map(|name| Some((name, version(&find(name)?)?)))
        .filter(|(_, version)| version != ours)
        .map(|(name, version)| format!("{name} is {version}"))
        .collect();
    if others.is_empty() {
        return Check::ok(NAME, format!("{} are there, version {ours}", PROGRAMS.join(", ")));
    }
    Check::warn(
        NAME,
        format!("this is version {ours}, but {}", others.join(", ")),
        "install all programs of one version",
    )
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What the program says after `--version`; none where it says nothing of the kind.
fn version(path: &Path) -> Option<String> {
    let said =
        Command::new(path).arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let name = path.file_name()?.to_str()?;
    Some(said.strip_prefix(name)?.trim().to_owned())
}

/// Whether anything would answer.
pub(crate) fn who_runs(installed: &Installed, units: Option<Units>) -> Check {
    const NAME: &str = "running";
    let hears = |bell| nc_daemon::hears(&installed.paths().doorbell(bell));
    let runner = installed.paths().runner_socket().exists();
    match (hears(Doorbell::Router), hears(Doorbell::Ipcd) && runner) {
        (true, true) if units.is_some() => Check::ok(NAME, "the doorbells have owners, and the init system holds them"),
        (true, true) => {
            let pid = fs::read_to_string(installed.paths().lock_file("up")).unwrap_or_default();
            Check::ok(NAME, format!("the doorbells have owners (the last `up` was process {})", pid.trim()))
        }
        (false, false) => Check::warn(NAME, "nothing runs", how_to_start(units)),
        _ => Check::fail(
            NAME,
            "only a part of it runs: some doorbells have owners and others have not",
            format!("stop what runs (see its log) and start all of it; {}", how_to_start(units)),
        ),
    }
}

/// Sockets that nobody listens at.
pub(super) fn left_behind(installed: &Installed) -> Check {
    const NAME: &str = "sockets";
    let run = installed.paths().run_dir();
    let dirs = [run.to_owned(), run.join("talk"), run.join("runs"), run.join("channel")];
    let runner = installed.paths().runner_socket();
    let stale: Vec<String> = dirs
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(Iterator::flatten)
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_socket()))
        .map(|entry| entry.path())
        // To connect to the runner's is to ask for a run.
        .filter(|path| *path != runner && !nc_daemon::hears(path))
        .map(|path| path.display().to_string())
        .collect();
    if stale.is_empty() {
        return Check::ok(NAME, "none was left behind");
    }
    let mend = "they do no harm and are replaced at the next start; `rm` takes them away";
    Check::warn(NAME, format!("left behind by programs that were killed: {}", stale.join(", ")), mend)
}
