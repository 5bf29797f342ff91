//! Opening the store: what is made, and what is said of a file that cannot be used.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use nc_store::{Exit, NewChat, NewMessage, Store, StoreError, Trouble, Verdict};
use rusqlite::Connection;
use tempfile::TempDir;

const CHILD: &str = "NC_STORE_TEST_CHILD";
const NOBODY: u32 = 65_534;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store/messages.db");
    (dir, path)
}

fn refusal(path: &Path) -> StoreError {
    Store::open(path).expect_err("the store opened")
}

fn with_cause(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What another process says when it opens (and fills) the store at `path`; `None` where it could not be started so.
fn told_by_child(mut command: Command, path: &Path, fill: bool) -> Option<String> {
    command.env(CHILD, path).env("NC_STORE_TEST_FILL", if fill { "1" } else { "" });
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.split_once("SAID ").map(|(_, said)| said.to_owned()))
}

fn this_test() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "the_child_of_other_tests", "--nocapture", "--test-threads=1"]);
    command
}

#[test]
fn the_child_of_other_tests() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let fill = std::env::var_os("NC_STORE_TEST_FILL").is_some_and(|fill| !fill.is_empty());
    let said = Store::open(Path::new(&path)).and_then(|mut store| if fill { fill_up(&mut store) } else { Ok(()) });
    match said {
        Ok(()) => println!("SAID opened"),
        Err(e) => println!("SAID {} [{:?} {:?}]", with_cause(&e), e.verdict(), e.exit()),
    }
}

/// Writes until the disk is full.
fn fill_up(store: &mut Store) -> Result<(), StoreError> {
    let chat = store.ensure_chat(&NewChat { channel: "terminal", platform_id: "ana", name: None, is_group: false })?;
    for n in 0..10_000 {
        store.record(&NewMessage::new(chat, n.to_string(), "x".repeat(1000)))?;
    }
    Ok(())
}

#[test]
fn a_new_store_belongs_to_its_owner_alone() {
    let (_dir, path) = place();
    let store = Store::open(&path).expect("a new store");
    assert_eq!(store.path(), path);
    assert_eq!(fs::metadata(&path).expect("the file").mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().expect("its directory")).expect("it").mode() & 0o777, 0o700);
    let log = path.with_extension("db-wal");
    assert_eq!(fs::metadata(log).expect("the log").mode() & 0o777, 0o600);
    drop(store);
    Store::open(&path).expect("the same store again");
}

#[test]
fn a_new_store_in_a_shared_directory_is_shared() {
    let (_dir, path) = place();
    let parent = path.parent().expect("its directory");
    fs::create_dir(parent).expect("the directory");
    fs::set_permissions(parent, Permissions::from_mode(0o2770)).expect("its mode");
    let _store = Store::open(&path).expect("a new store");
    for file in [path.clone(), path.with_extension("db-wal"), path.with_extension("db-shm")] {
        assert_eq!(fs::metadata(&file).expect("the file").mode() & 0o777, 0o660, "{file:?}");
    }
}

#[test]
fn programs_that_open_a_new_store_at_once_all_succeed() {
    for _ in 0..5 {
        let (_dir, path) = place();
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for n in 0..8 {
                let (start, path) = (&start, &path);
                scope.spawn(move || {
                    start.wait();
                    let mut store = Store::open(path).expect("the store");
                    store.upsert_user(&format!("test:{n}"), None).expect("a row");
                });
            }
        });
        assert_eq!(Store::open(&path).expect("the store").users_page("", 100).expect("users").len(), 8);
    }
}

#[test]
fn a_newer_store_is_refused_with_both_versions_and_left_alone() {
    let (_dir, path) = place();
    drop(Store::open(&path).expect("a new store"));
    let raw = Connection::open(&path).expect("the file");
    raw.pragma_update(None, "user_version", 99).expect("a newer version");
    let error = refusal(&path);
    assert!(matches!(error, StoreError::Newer { found: 99, known: 2, .. }), "{error:?}");
    let expected = format!(
        "open the store {path:?}: it has schema 99, and this program knows schemas up to 2; start the newer programs, or \
         put the backup from before the upgrade back"
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!((error.verdict(), error.exit()), (Verdict::Keep, Exit::Look));
}

#[test]
fn the_store_of_an_older_nanoclaw_is_refused_and_left_alone() {
    let (_dir, path) = place();
    fs::create_dir(path.parent().expect("its directory")).expect("the directory");
    let raw = Connection::open(&path).expect("the file");
    raw.execute_batch("CREATE TABLE messages (id TEXT, chat_jid TEXT); CREATE TABLE chats (jid TEXT)").expect("tables");
    let before = fs::read(&path).expect("the bytes");
    let error = refusal(&path);
    assert!(matches!(&error, StoreError::Foreign { table, .. } if table == "chats"), "{error:?}");
    assert_eq!(error.exit(), Exit::Look);
    assert_eq!(fs::read(&path).expect("the bytes"), before);
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let (_dir, path) = place();
    fs::create_dir(path.parent().expect("its directory")).expect("the directory");
    fs::write(&path, "Dear Ana,\n".repeat(1000)).expect("a letter");
    let error = refusal(&path);
    assert!(matches!(error, StoreError::Database { trouble: Trouble::NotADatabase, .. }), "{error:?}");
    let says =
        format!("use the store {path:?}: the file is not a database; move it away and put a backup in its place");
    assert_eq!(error.to_string(), says);
    assert_eq!((error.verdict(), error.exit()), (Verdict::Keep, Exit::Look));
    assert_eq!(fs::read(&path).expect("the letter").len(), 10_000);
}

#[test]
fn a_damaged_store_is_named_and_doctor_sees_it() {
    let (_dir, path) = place();
    let store = Store::open(&path).expect("a new store");
    store.checkpoint_truncate().expect("one file");
    assert_eq!(store.integrity().expect("a check"), Vec::<String>::new());
    drop(store);
    let mut bytes = fs::read(&path).expect("the bytes");
    let page = 4096;
    assert!(bytes.len() > 8 * page);
    bytes[page..].fill(0xa5);
    fs::write(&path, bytes).expect("the damage");
    let error = Store::open(&path).and_then(|store| store.main_group()).expect_err("damage");
    assert!(matches!(error, StoreError::Database { trouble: Trouble::Corrupt, .. }), "{error:?}");
    assert_eq!(error.exit(), Exit::Look);
}

#[test]
fn a_link_to_nothing_in_its_place_is_for_a_person() {
    let (_dir, path) = place();
    fs::create_dir(path.parent().expect("its directory")).expect("the directory");
    std::os::unix::fs::symlink("/nowhere/messages.db", &path).expect("a link");
    let error = refusal(&path);
    assert!(matches!(error, StoreError::NotAFile { .. }), "{error:?}");
    assert_eq!(error.exit(), Exit::Look);
}

#[test]
fn a_directory_in_its_place_and_a_file_in_place_of_its_directory_are_named() {
    let (dir, path) = place();
    fs::create_dir_all(&path).expect("a directory in its place");
    let error = refusal(&path);
    assert!(matches!(error, StoreError::NotAFile { .. }), "{error:?}");
    assert_eq!(error.exit(), Exit::Look);
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    let error = refusal(&file.join("messages.db"));
    assert!(error.to_string().contains(&format!("{:?}", file.join("messages.db"))), "{error}");
    assert_eq!(error.exit(), Exit::Look);
}

#[test]
fn a_store_that_this_user_may_not_use_is_named() {
    let (dir, path) = place();
    drop(Store::open(&path).expect("a new store"));
    let parent = path.parent().expect("its directory");
    let open = |file: u32, directory: u32| {
        for beside in ["db-wal", "db-shm"] {
            drop(fs::remove_file(path.with_extension(beside)));
        }
        fs::set_permissions(&path, Permissions::from_mode(file)).expect("the file's mode");
        fs::set_permissions(parent, Permissions::from_mode(directory)).expect("the directory's mode");
        told_by_child(as_nobody(), &path, false)
    };
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("a way to it");
    if open(0o666, 0o777).as_deref() != Some("opened") {
        println!("skipped: an ordinary user cannot start this test's program here");
        return;
    }
    let no_permission =
        "this user may not use the file or its directory; look at mode and owner of both and of what lies above";
    let unreadable = open(0o000, 0o777).expect("the child's word");
    assert!(unreadable.starts_with(&format!("use the store {path:?}: {no_permission}")), "{unreadable}");
    assert!(unreadable.ends_with("[Keep Look]"), "{unreadable}");
    let read_only = open(0o444, 0o777).expect("the child's word");
    assert!(read_only.contains("it is read-only; look at the file's mode and owner"), "{read_only}");
    assert!(read_only.ends_with("[Keep Look]"), "{read_only}");
    let no_journal = open(0o666, 0o555).expect("the child's word");
    assert!(no_journal.contains(no_permission), "{no_journal}");
    assert!(no_journal.ends_with("[Keep Look]"), "{no_journal}");
    let no_way = open(0o666, 0o000).expect("the child's word");
    assert!(no_way.starts_with(&format!("look at {path:?}: Permission denied")), "{no_way}");
    assert!(no_way.ends_with("[Keep Look]"), "{no_way}");
    fs::set_permissions(parent, Permissions::from_mode(0o700)).expect("the directory's mode");
}

/// This test as an ordinary user, who is not above modes as root is.
fn as_nobody() -> Command {
    let mut command = this_test();
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

#[test]
fn a_full_disk_is_named_and_what_was_acknowledged_stays() {
    for size in ["8k", "12k", "24k", "64k", "200k", "400k", "900k"] {
        let (_dir, path) = place();
        let mount = path.parent().expect("its directory");
        fs::create_dir(mount).expect("the directory");
        let mut command = Command::new("unshare");
        let script = format!("mount -t tmpfs -o size={size} tmpfs \"$1\" && shift && exec \"$@\"");
        command.args(["-rm", "sh", "-c", &script, "sh"]).arg(mount);
        let this = this_test();
        command.arg(this.get_program()).args(this.get_args());
        let Some(said) = told_by_child(command, &path, true) else {
            println!("skipped: no file system of our own can be mounted here");
            return;
        };
        assert!(said.contains("no space is left on its disk; make room, then try again"), "{size}: {said}");
        assert!(said.ends_with("[Keep Again]"), "{size}: {said}");
    }
}
