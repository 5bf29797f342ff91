//! Files to send that are none of the agent's, or none at all.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use crate::{Named, Then, open};

pub(crate) const ATTACKS: &[Named] = &[
    ("file-links", links),
    ("file-names", |at| {
        let names = ["../outbound.db", "../../in/lock", "/etc/passwd", "..", ".", "", "a/b", "a\nb", "a\0b"];
        names.iter().enumerate().for_each(|(n, name)| send(at, &format!("names-{n}"), &[name]));
        Then::Leave
    }),
    ("file-kinds", kinds),
    ("file-sizes", sizes),
    ("file-twice", |at| {
        fs::write(outbox(at, "twice").join("a"), "x").expect("a file");
        send(at, "twice", &["a", "a"]);
        Then::Leave
    }),
    ("file-row-id", |at| {
        for id in ["..", ".", "../../victim", "/etc"] {
            send(at, id, &["passwd"]);
        }
        Then::Leave
    }),
];

fn outbox(workspace: &Path, row: &str) -> PathBuf {
    let directory = workspace.join("outbox").join(row);
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

/// Sends files of these names with a row.
fn send(workspace: &Path, row: &str, names: &[&str]) {
    let content = json!({ "text": "with a file", "files": names }).to_string();
    let sql = "INSERT INTO messages_out (id, seq, timestamp, kind, content)
               SELECT ?1, ifnull(max(seq), -1) + 2, datetime('now'), 'chat', ?2 FROM messages_out";
    open(workspace).execute(sql, [row, &content]).expect("a row");
}

/// The path of a file of the host that has a secret in it, as the test has left it.
fn victim() -> String {
    fs::read_to_string("/workspace/agent/victim").expect("a victim")
}

fn links(workspace: &Path) -> Then {
    let victim = victim();
    symlink(&victim, outbox(workspace, "to-file").join("a")).expect("a link");
    symlink("../../../in/inbound.db", outbox(workspace, "to-in").join("a")).expect("a link");
    let parent = Path::new(&victim).parent().expect("a directory");
    symlink(parent, workspace.join("outbox/to-directory")).expect("a link");
    symlink("/proc/self/root", workspace.join("outbox/to-root")).expect("a link");
    fs::write(workspace.join("outbox/no-directory"), "x").expect("a file");
    for row in ["to-file", "to-in", "to-root", "no-directory"] {
        send(workspace, row, &["a"]);
    }
    send(workspace, "to-directory", &["victim"]);
    Then::Leave
}

fn kinds(workspace: &Path) -> Then {
    let at = |row| outbox(workspace, row).join("it");
    mkfifo(&at("pipe"), Mode::S_IRWXU).expect("a pipe");
    fs::create_dir(at("directory")).expect("a directory");
    drop(UnixListener::bind(at("socket")).expect("a socket"));
    fs::write(at("names"), "x").expect("a file");
    fs::hard_link(at("names"), at("names").with_extension("second")).expect("a second name");
    for row in ["pipe", "directory", "socket", "names", "nothing"] {
        send(workspace, row, &["it"]);
    }
    Then::Leave
}

fn sizes(workspace: &Path) -> Then {
    let at = outbox(workspace, "sizes");
    File::create(at.join("sparse")).and_then(|file| file.set_len(1 << 40)).expect("a length");
    send(workspace, "sizes", &["sparse"]);
    let names: Vec<String> = (0..21).map(|n| format!("f{n}")).collect();
    for name in &names {
        fs::write(outbox(workspace, "many").join(name), "x").expect("a file");
    }
    send(workspace, "many", &names.iter().map(String::as_str).collect::<Vec<_>>());
    Then::Leave
}
