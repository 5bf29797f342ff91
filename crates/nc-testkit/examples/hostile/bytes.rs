//! Anything in the place of `outbound.db` and of its journal.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::{Named, Then, bare, database, journal, open};

pub(crate) const ATTACKS: &[Named] = &[
    ("noise", |at| put(at, &noise(70_000))),
    ("three-bytes", |at| put(at, b"SQL")),
    ("head-of-zeros", |at| put(at, &[b"SQLite format 3\0".as_slice(), &[0; 4080]].concat())),
    ("wal", |at| wal(at, false)),
    ("wal-with-shm", |at| wal(at, true)),
    ("wal-head", |at| edit(at, |bytes| bytes[18..20].fill(2))),
    ("noise-after-head", |at| {
        edit(at, |bytes| {
            let rest = noise(bytes.len() - 100);
            bytes[100..].copy_from_slice(&rest);
        })
    }),
    ("cut-short", |at| edit(at, |bytes| bytes.truncate(5000))),
    ("page-of-itself", |at| edit(at, |bytes| page_of_itself(bytes))),
    ("pipe", |at| {
        mkfifo(&database(at), Mode::S_IRWXU).expect("a pipe");
        nudge(at)
    }),
    ("socket", |at| {
        drop(UnixListener::bind(database(at)).expect("a socket"));
        nudge(at)
    }),
    ("directory", |at| {
        fs::create_dir(database(at)).expect("a directory");
        nudge(at)
    }),
    ("directory-locked", locked_directory),
    ("directory-deep", deep_directory),
    ("link-to-host", |at| link(at, "/etc/passwd")),
    ("link-to-nothing", |at| link(at, "/nowhere/at/all")),
    ("link-to-own", |at| {
        drop(open(at));
        fs::rename(database(at), at.join("other.db")).expect("a rename");
        link(at, "other.db")
    }),
    ("two-names", |at| {
        drop(open(at));
        fs::hard_link(database(at), at.join("second.db")).expect("a second name");
        nudge(at)
    }),
    ("sparse", |at| {
        drop(open(at));
        let file = OpenOptions::new().write(true).open(database(at)).expect("the file");
        file.set_len(1 << 40).expect("a length");
        nudge(at)
    }),
    ("large", |at| edit(at, |bytes| bytes.resize(65 << 20, b'x'))),
    ("empty", |at| {
        File::create(database(at)).expect("a file");
        nudge(at);
        Then::Leave
    }),
    ("swapped", swapped),
    ("shrinks", shrinks),
    ("removed", removed),
    ("mode-0", |at| {
        drop(open(at));
        fs::set_permissions(database(at), Permissions::from_mode(0o000)).expect("a mode");
        Then::Leave
    }),
    ("stubborn", |at| {
        put(at, &noise(5000));
        Then::Never
    }),
    ("journal-pipe", |at| {
        drop(open(at));
        mkfifo(&journal(at), Mode::S_IRWXU).expect("a pipe");
        Then::Leave
    }),
    ("journal-link", |at| {
        drop(open(at));
        symlink("/etc/passwd", journal(at)).expect("a link");
        Then::Leave
    }),
    ("journal-directory", |at| {
        drop(open(at));
        fs::create_dir(journal(at)).expect("a directory");
        Then::Leave
    }),
    ("journal-sparse", |at| {
        drop(open(at));
        File::create(journal(at)).and_then(|file| file.set_len(1 << 40)).expect("a length");
        Then::Leave
    }),
    ("journal-of-huge", |at| plant(at, &head(u32::MAX))),
    ("journal-noise", |at| plant(at, &noise(9000))),
    ("journal-hot", |at| {
        hot(at);
        Then::Leave
    }),
    ("journal-super", names_a_victim),
    ("journal-flickers", flickers),
];

/// As many bytes as nobody would guess.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Has the host look: it wakes when a journal is over.
pub(crate) fn nudge(workspace: &Path) -> Then {
    let other = workspace.join("nudge");
    fs::write(&other, "").expect("a file");
    fs::rename(&other, journal(workspace)).expect("a journal");
    fs::remove_file(journal(workspace)).expect("its end");
    Then::Stay
}

fn put(workspace: &Path, bytes: &[u8]) -> Then {
    fs::write(database(workspace), bytes).expect("a file");
    nudge(workspace)
}

/// Changes the bytes of a file that was in order.
fn edit(workspace: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Then {
    drop(open(workspace));
    let mut bytes = fs::read(database(workspace)).expect("the file");
    change(&mut bytes);
    put(workspace, &bytes)
}

fn link(workspace: &Path, to: &str) -> Then {
    symlink(to, database(workspace)).expect("a link");
    nudge(workspace)
}

/// Makes the table's root an inner page whose only child is itself.
fn page_of_itself(bytes: &mut [u8]) {
    let size_of_page = [bytes[16], bytes[17]];
    let size = usize::from(u16::from_be_bytes(size_of_page));
    for page in (size..bytes.len()).step_by(size) {
        let number = u32::try_from(page / size + 1).expect("few pages");
        bytes[page..page + size].fill(0);
        bytes[page] = 5;
        bytes[page + 5..page + 7].copy_from_slice(&size_of_page);
        bytes[page + 8..page + 12].copy_from_slice(&number.to_be_bytes());
    }
}

fn wal(workspace: &Path, with_shm: bool) -> Then {
    let conn = bare(workspace);
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).expect("a mode");
    conn.execute_batch(nc_wire::mailbox::schema::OUTBOUND).expect("the tables");
    if with_shm {
        let shm = OpenOptions::new().write(true).open(workspace.join("outbound.db-shm")).expect("shared memory");
        shm.set_len(1).expect("cut");
    }
    std::mem::forget(conn);
    nudge(workspace)
}

fn locked_directory(workspace: &Path) -> Then {
    let inner = database(workspace).join("inner/innermost");
    fs::create_dir_all(&inner).expect("directories");
    for shut in [inner.as_path(), &database(workspace).join("inner"), &database(workspace)] {
        fs::set_permissions(shut, Permissions::from_mode(0o000)).expect("a mode");
    }
    nudge(workspace)
}

/// Deeper than there are descriptors, and than a path may be long.
fn deep_directory(workspace: &Path) -> Then {
    fs::create_dir(database(workspace)).expect("a directory");
    std::env::set_current_dir(database(workspace)).expect("it is entered");
    for _ in 0..3000 {
        fs::create_dir("deeper").expect("a directory");
        std::env::set_current_dir("deeper").expect("it is entered");
    }
    nudge(workspace)
}

/// Is a file, a link and nothing by turns, faster than anybody looks.
fn swapped(workspace: &Path) -> Then {
    drop(open(workspace));
    let (good, bad) = (workspace.join("good.db"), workspace.join("bad.db"));
    for _ in 0..300 {
        fs::rename(database(workspace), &good).expect("a rename");
        symlink("/etc/passwd", &bad).expect("a link");
        fs::rename(&bad, database(workspace)).expect("a rename");
        fs::rename(&good, database(workspace)).expect("a rename");
        nudge(workspace);
    }
    Then::Leave
}

fn shrinks(workspace: &Path) -> Then {
    drop(open(workspace));
    let bytes = fs::read(database(workspace)).expect("the file");
    let file = OpenOptions::new().write(true).open(database(workspace)).expect("the file");
    for _ in 0..300 {
        file.set_len(1000).expect("cut");
        file.write_all_at(&bytes, 0).expect("written");
        nudge(workspace);
    }
    Then::Leave
}

fn removed(workspace: &Path) -> Then {
    for _ in 0..300 {
        fs::write(database(workspace), "").expect("a file");
        nudge(workspace);
        fs::remove_file(database(workspace)).expect("its end");
    }
    Then::Leave
}

/// The head of a journal, sqlite.org/fileformat2.html section 3, of a file of so many pages.
fn head(pages: u32) -> Vec<u8> {
    let mut bytes = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for number in [0_u32, 7, pages, 512, 4096] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.resize(512, 0);
    bytes
}

/// A journal that no living writer owns.
fn plant(workspace: &Path, bytes: &[u8]) -> Then {
    drop(open(workspace));
    fs::write(journal(workspace), bytes).expect("a journal");
    // No word of it reaches the host, which looks when the run is over.
    Then::Leave
}

/// What a writer leaves that dies in the middle: pages that were not committed in the file, and its journal.
fn hot(workspace: &Path) {
    let conn = open(workspace);
    conn.execute_batch("PRAGMA cache_size = 5; PRAGMA cache_spill = 1; BEGIN IMMEDIATE").expect("a transaction");
    for n in 0..400 {
        let sql =
            "INSERT INTO messages_out (id, seq, timestamp, kind, content) VALUES (?1, ?2, datetime('now'), 'chat', ?3)";
        let text = serde_json::json!({ "text": "never committed ".repeat(20) }).to_string();
        conn.execute(sql, rusqlite::params![format!("never-{n}"), 2 * n + 1, text]).expect("a row");
    }
    let (left, journal_left) = (fs::read(database(workspace)), fs::read(journal(workspace)));
    conn.execute_batch("ROLLBACK").expect("an end");
    drop(conn);
    fs::write(journal(workspace), journal_left.expect("the journal")).expect("it is back");
    fs::write(database(workspace), left.expect("the file")).expect("it is back");
}

/// A hot journal that names a super-journal: SQLite would read that and remove it.
fn names_a_victim(workspace: &Path) -> Then {
    hot(workspace);
    let name = fs::read_to_string(workspace.join("agent/victim")).expect("a victim");
    let sum: u32 = name.bytes().map(u32::from).sum();
    let mut file = OpenOptions::new().append(true).open(journal(workspace)).expect("the journal");
    let parts: [&[u8]; 5] = [
        &0x4000_0000_u32.div_ceil(4096).to_be_bytes(),
        name.as_bytes(),
        &u32::try_from(name.len()).expect("short").to_be_bytes(),
        &sum.to_be_bytes(),
        &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7],
    ];
    file.write_all(&parts.concat()).expect("a name");
    Then::Leave
}

/// A journal that comes and goes.
fn flickers(workspace: &Path) -> Then {
    drop(open(workspace));
    for _ in 0..2000 {
        nudge(workspace);
    }
    Then::Leave
}
