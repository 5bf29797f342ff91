//! An installation whose agents are hostile once, and honest after that.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nc_model::{FolderName, Timestamp};
use nc_store::{SessionFilter, SessionRecord};
use nc_testkit::hostile::{Attack, copy_program, hostile_programs};
use nc_testkit::{Toolkit, programs, wait_for};
use rusqlite::Connection;
use tempfile::TempDir;

/// A user that no machine knows by name.
const NOBODY_BY_NAME: u32 = 61_996;

/// How long an answer may take: one agent keeps a lock for 30 s, another does not leave for 10 s more, and the machine is busy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(240);

/// What stands in every file of the host that no agent may see.
pub(crate) const SECRET: &str = "secret-92d1f0a7";

/// What a hostile agent prints when its attack is made.
const MADE: &[u8] = b"attacked\n";

/// What a run has printed.
#[derive(Debug)]
#[expect(dead_code, reason = "the end is for whoever reads why a test failed")]
pub(crate) struct Printed {
    /// Whether an attack was made in it.
    pub(crate) made: bool,
    /// How much was kept.
    pub(crate) bytes: u64,
    /// The last of it.
    end: String,
}

/// The installation, with the toolkit running in it.
pub(crate) struct House {
    pub(crate) kit: Toolkit,
    /// The programs, with the hostile agent in the place of the real one.
    _programs: TempDir,
    victims: PathBuf,
}

impl House {
    /// An installation of an ordinary user, with the main group of an honest agent.
    pub(crate) fn new() -> Self {
        let programs = hostile_programs();
        let mut kit = if nix::unistd::geteuid().is_root() {
            Toolkit::as_user_with_programs(NOBODY_BY_NAME, programs.path())
        } else {
            Toolkit::with_programs(programs.path())
        };
        kit.set("max_runs=12").set("idle_timeout=2s");
        kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
        let victims = kit.beside().join("victims");
        let house = Self { kit, _programs: programs, victims };
        house.plant();
        house
    }

    /// The honest agent, and the files of the host that nobody may read or change.
    fn plant(&self) {
        let global = self.kit.installation().global_dir();
        fs::create_dir_all(&global).expect("the shared folder");
        copy_program(&programs().join("nc-agent"), &global.join("honest"));
        let credentials = self.kit.dir().join("planted-credentials");
        for directory in [&self.victims, &credentials, &self.kit.dir().join("groups/bystander")] {
            fs::create_dir_all(directory).expect("a directory");
            fs::write(directory.join("victim"), SECRET).expect("a victim");
            self.give(directory);
            self.give(&directory.join("victim"));
        }
        self.give(&global);
        self.give(&global.join("honest"));
    }

    fn give(&self, path: &Path) {
        if let Some(uid) = self.kit.user() {
            chown(path, Some(uid), Some(uid)).expect("it is given to the user");
        }
    }

    /// Makes a group whose agent makes this attack.
    pub(crate) fn invite(&self, attack: &Attack) {
        let name = attack.name;
        self.kit.ctl_ok(["group", "add", name, "--folder", name, "--memory", "512MiB", "--processes", "100"]);
        let folder = self.kit.dir().join("groups").join(attack.name);
        let victim = self.victims.join("victim").display().to_string();
        for (name, text) in [("attack", attack.name), ("victim", &victim)] {
            fs::write(folder.join(name), text).expect("written");
            self.give(&folder.join(name));
        }
    }

    /// Says something to a group, and waits for the answer.
    pub(crate) fn say(&self, group: &str, text: &str) -> Output {
        let mut command = self.kit.program("nanoclawctl");
        command.args(["talk", group, "--once", text]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("talk starts");
        if wait_for(ANSWERED_WITHIN, || child.try_wait().expect("a child can be waited for")).is_none() {
            child.kill().expect("it can be killed");
        }
        child.wait_with_output().expect("talk ends")
    }

    /// The one session of a group.
    pub(crate) fn session(&self, folder: &str) -> SessionRecord {
        let store = self.kit.store();
        let group = store.group_by_folder(&FolderName::parse(folder).expect("a folder")).expect("the store is read");
        let filter = SessionFilter { group: Some(group.expect("a group").id), ..SessionFilter::default() };
        let mut sessions = store.sessions_listed(&filter, 9).expect("the store is read");
        assert_eq!(sessions.len(), 1, "{folder} has one session");
        sessions.remove(0)
    }

    /// Everything that was to be sent to the chat of a session.
    pub(crate) fn said_to(&self, session: &SessionRecord) -> Vec<String> {
        let chat = self.kit.store().find_chat("terminal", &session.chat.as_ref().expect("a chat").platform_id);
        let chat = chat.expect("the store is read").expect("a chat").id;
        let deliveries = self.kit.store().deliveries_of_chat(chat, Timestamp(0)).expect("the store is read");
        deliveries.into_iter().map(|(leased, _)| leased.content).collect()
    }

    /// What the agent of a session was told by the host.
    pub(crate) fn told_to(&self, session: &SessionRecord) -> Vec<String> {
        let conn = Connection::open(self.kit.installation().store_file()).expect("the store opens");
        let sql = "SELECT content FROM session_inbox WHERE session_id = ?1 AND kind = 'notice'";
        let mut query = conn.prepare(sql).expect("a question");
        query.query_map([&session.id], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("texts")
    }

    /// Why things of a group were refused.
    pub(crate) fn reasons(&self, folder: &str) -> Vec<String> {
        let place = self.kit.dir().join("data/rejected").join(folder);
        let files = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
        let reasons = files.filter(|path| path.extension().is_some_and(|kind| kind == "reason"));
        reasons.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
    }

    /// What the runs of a group have printed.
    pub(crate) fn printed(&self, folder: &str) -> Vec<Printed> {
        let logs = fs::read_dir(self.kit.installation().groups_dir().join(folder).join("logs"))
            .into_iter()
            .flatten()
            .flatten();
        let read = |entry: fs::DirEntry| {
            let bytes = fs::read(entry.path()).expect("a log is read");
            let made = bytes.windows(MADE.len()).any(|part| part == MADE);
            Printed {
                made,
                bytes: bytes.len() as u64,
                end: String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(400)..]).into_owned(),
            }
        };
        logs.map(read).collect()
    }

    /// The files that no agent may change, and what of them can be seen from outside.
    pub(crate) fn outside(&self) -> BTreeMap<PathBuf, String> {
        let places = [
            self.victims.clone(),
            self.kit.dir().join("planted-credentials"),
            self.kit.dir().join("groups/bystander"),
            self.kit.dir().join("groups/global"),
        ];
        let mut found = BTreeMap::new();
        for place in &places {
            look_at(place, &mut found);
        }
        for file in ["/etc/passwd", "/etc/hosts", "/etc/hostname"] {
            look_at(Path::new(file), &mut found);
        }
        found
    }

    /// The files below `data/` and the deliveries that have a secret of the host in them.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let mut find = Command::new("find");
        find.arg(self.kit.dir().join("data")).arg(self.kit.dir().join("store"));
        // Some have a length of a TiB and nothing in it.
        find.args(["-type", "f", "-size", "-200M", "-exec", "grep", "-laF", SECRET, "{}", "+"]);
        let output = find.output().expect("find starts");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

/// What can be seen of a file or directory, and of all below it.
fn look_at(path: &Path, found: &mut BTreeMap<PathBuf, String>) {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(seen) = fs::symlink_metadata(path) else { return };
    let content = if seen.is_file() { hash(&fs::read(path).expect("it is read")) } else { 0 };
    let (mode, uid, ino, mtime) = (seen.mode(), seen.uid(), seen.ino(), seen.mtime_nsec());
    found.insert(path.to_owned(), format!("{mode:o} of {uid}, inode {ino}, changed at {mtime}, {content:x}"));
    if seen.is_dir() {
        fs::read_dir(path).expect("it lists").flatten().for_each(|entry| look_at(&entry.path(), found));
    }
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
