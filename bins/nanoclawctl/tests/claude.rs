//! Fetching the Claude Code binary with an npm that the test says what to do: only what was published is unpacked or run,
//! and whatever happens, what lies in its place is whole.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use nc_testkit::{PATIENCE, Signal, claude_stand_in, processes, wait_until};
use sha2::{Digest as _, Sha512};
use support::{House, Ran};

/// A version that the program knows nothing of.
const OTHER: &str = "2.9.9";

/// An installation, and an npm that brings `package.tgz` of the directory `npm`.
struct Fetching {
    house: House,
}

impl Fetching {
    fn new() -> Self {
        let fetching = Self { house: House::new() };
        fs::create_dir_all(fetching.npm("bin")).expect("a directory");
        let script = "#!/bin/sh\nhere=$(dirname \"$(dirname \"$0\")\")\necho \"$@\" >>\"$here/calls\"\n\
            [ -z \"$ANTHROPIC_API_KEY\" ] || echo leaked >>\"$here/calls\"\n\
            [ ! -e \"$here/fails\" ] || { cat \"$here/fails\" >&2; exit 1; }\n\
            [ \"$1\" != view ] || exec cat \"$here/integrity\"\n\
            while [ \"$1\" != --pack-destination ]; do shift; done\n\
            [ ! -e \"$here/blocks\" ] || { : >\"$here/blocked\"; exec cat \"$here/blocks\"; }\n\
            exec cp \"$here/package.tgz\" \"$2/the-package.tgz\"\n";
        fs::write(fetching.npm("bin/npm"), script).expect("a script");
        fs::set_permissions(fetching.npm("bin/npm"), fs::Permissions::from_mode(0o755)).expect("a mode");
        fetching
    }

    /// A file of npm's.
    fn npm(&self, name: &str) -> PathBuf {
        self.house.path().join("npm").join(name)
    }

    /// Where fetched binaries lie.
    fn claude(&self, name: &str) -> PathBuf {
        self.house.path().join("data/claude").join(name)
    }

    /// Has npm bring a stand-in that does `what`, and say the right checksum of it.
    fn publishes(&self, what: &str) {
        let program = self.npm("program");
        claude_stand_in(&program, what, Some(&self.npm("starts")));
        self.brings(&packed("package/claude", &fs::read(program).expect("the program")));
    }

    fn brings(&self, package: &[u8]) {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha512::digest(package));
        fs::write(self.npm("package.tgz"), package).expect("a package");
        fs::write(self.npm("integrity"), format!("sha512-{hash}\n")).expect("a checksum");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.house.command(arguments);
        command.env("PATH", format!("{}:/usr/bin:/bin", self.npm("bin").display()));
        command.env("ANTHROPIC_API_KEY", "hunter2");
        command
    }

    fn fetch(&self, version: &[&str]) -> Ran {
        let arguments = [&["claude", "fetch"], version].concat();
        Ran::of(&nc_testkit::finish(&mut self.command(&arguments)))
    }

    fn fetch_other(&self) -> Ran {
        self.fetch(&["--version", OTHER])
    }

    /// A fetch that waits in the middle of npm's work.
    fn blocked(&self) -> Child {
        nix::unistd::mkfifo(&self.npm("blocks"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let mut command = self.command(&["claude", "fetch", "--version", OTHER]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        wait_until(PATIENCE, "npm is at work", || self.npm("blocked").exists());
        fs::remove_file(self.npm("blocked")).expect("removed");
        child
    }

    /// What lies where binaries are, but for the lock.
    fn there(&self) -> Vec<String> {
        let entries = fs::read_dir(self.claude("")).expect("a directory").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }

    /// How often a binary was started.
    fn starts(&self) -> usize {
        lines(&self.npm("starts"))
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

fn packed(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, name, content).expect("packed");
    builder.into_inner().expect("packed").finish().expect("packed")
}

#[test]
fn a_wrong_checksum_is_not_run_nor_unpacked_and_it_is_said_why() {
    let fetching = Fetching::new();
    // npm itself says that this is right: the program knows better, since the version is the one that it was made with.
    fetching.publishes("version 2.1.331");
    let ran = fetching.fetch(&[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the package that came is not the one that was published: it was removed"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("published was sha512-"), "{}", ran.stderr);
    assert_eq!((fetching.there(), fetching.starts()), (vec![], 0));
    // Of another version npm's word counts.
    fs::write(fetching.npm("integrity"), format!("sha512-{}==\n", "A".repeat(86))).expect("a checksum");
    let ran = fetching.fetch_other();
    assert_eq!(ran.status, 78, "{}", ran.stderr);
    assert!(ran.stderr.contains("is not the one that was published"), "{}", ran.stderr);
    assert_eq!((fetching.there(), fetching.starts()), (vec![], 0));
}

#[test]
fn what_was_published_is_unpacked_asked_for_its_version_and_used() {
    let fetching = Fetching::new();
    fetching.publishes(&format!("version {OTHER}"));
    let ran = fetching.fetch_other();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let path = fetching.claude(OTHER).join("claude");
    let said = format!("Claude Code {OTHER} was fetched and checked: \"{}\"\n", path.display());
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (said.as_str(), ""));
    assert_eq!((fetching.there(), fetching.starts()), (vec![OTHER.to_owned()], 1));
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o755);
    let calls = fs::read_to_string(fetching.npm("calls")).expect("calls");
    assert!(calls.lines().count() == 2 && !calls.contains("leaked"), "{calls}");
    // A second time nothing is asked of npm.
    let ran = fetching.fetch_other();
    assert!(ran.stdout.contains("is there already"), "{}", ran.stdout);
    assert_eq!(lines(&fetching.npm("calls")), 2);
    let status = fetching.house.ctl(&["claude", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    if std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).all(|dir| !dir.join("claude").exists()) {
        assert_eq!((status["version"].as_str(), status["from"].as_str()), (Some(OTHER), Some("fetched")), "{status}");
    }
}

#[test]
fn what_is_no_such_binary_is_removed_again() {
    let fetching = Fetching::new();
    let cases: [(&dyn Fn(), &str); 5] = [
        (&|| fetching.publishes("version 2.9.8"), "what came as version 2.9.9 says that it is 2.9.8; it was removed"),
        (&|| fetching.publishes("status 3"), "ended with exit status: 3 when it was asked for its version"),
        (&|| fetching.brings(&packed("package/other", b"x")), "there is no package/claude in it"),
        (&|| fetching.brings(&packed("package/claude", b"no program")), "cannot be started"),
        (&|| fetching.brings(b"no package"), "the package cannot be unpacked"),
    ];
    for (publish, why) in cases {
        publish();
        let ran = fetching.fetch_other();
        assert_eq!((ran.status, ran.stdout.as_str()), (78, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!(fetching.there(), Vec::<String>::new());
    }
}

#[test]
fn a_version_is_three_numbers_and_not_too_old() {
    let fetching = Fetching::new();
    for wrong in ["latest", "2.1", "../../x", "2.1.3-beta", ""] {
        assert_eq!(fetching.fetch(&["--version", wrong]).status, 64, "{wrong:?}");
    }
    let ran = fetching.fetch(&["--version", "2.1.273"]);
    assert_eq!((ran.status, ran.stderr.contains("it must be 2.1.274 or newer")), (78, true), "{}", ran.stderr);
    assert_eq!(lines(&fetching.npm("calls")), 0);
}

#[test]
fn where_npm_is_missing_or_fails_it_is_said_what_to_do() {
    let fetching = Fetching::new();
    let ran = Ran::of(&nc_testkit::finish(fetching.command(&["claude", "fetch"]).env("PATH", "/nonexistent")));
    assert_eq!(ran.status, 78, "{}", ran.stderr);
    assert!(ran.stderr.contains("`apt-get install npm`") && ran.stderr.contains("claude_path"), "{}", ran.stderr);
    fetching.publishes("version 2.9.9");
    fs::write(fetching.npm("integrity"), "\n").expect("nothing");
    let ran = fetching.fetch_other();
    assert_eq!((ran.status, ran.stderr.contains("npm knows no version 2.9.9")), (1, true), "{}", ran.stderr);
    fs::write(fetching.npm("fails"), "npm error network\nnpm error no route\n").expect("a failure");
    let ran = fetching.fetch(&[]);
    assert_eq!(ran.status, 75, "{}", ran.stderr);
    assert!(ran.stderr.contains("npm pack ended with exit status: 1:\n  npm error network"), "{}", ran.stderr);
    assert_eq!(fetching.there(), Vec::<String>::new());
}

#[test]
fn one_at_a_time_and_what_is_interrupted_leaves_nothing() {
    let fetching = Fetching::new();
    fetching.publishes("version 2.9.9");
    let first = fetching.blocked();
    let ran = fetching.fetch_other();
    assert_eq!(ran.status, 75, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("process {} is fetching the binary", first.id())), "{}", ran.stderr);
    let pid = i32::try_from(first.id()).expect("a number");
    let below = processes::below(pid);
    assert!(!below.is_empty(), "npm is at work");
    processes::send(pid, Signal::SIGINT);
    let ran = Ran::of(&first.wait_with_output().expect("it ends"));
    assert_eq!(ran.status, 75, "{}", ran.stderr);
    assert!(ran.stderr.contains("interrupted: nothing of it stays"), "{}", ran.stderr);
    assert_eq!(fetching.there(), Vec::<String>::new());
    wait_until(PATIENCE, "npm ended with it", || !below.iter().any(processes::lives));
}

#[test]
fn what_a_killed_fetch_left_is_removed_by_the_next() {
    let fetching = Fetching::new();
    fetching.publishes("version 2.9.9");
    let mut first = fetching.blocked();
    processes::kill_all(i32::try_from(first.id()).expect("a number"));
    first.wait().expect("it ended");
    assert_eq!(fetching.there(), [".fetching"]);
    fs::remove_file(fetching.npm("blocks")).expect("removed");
    // A half binary under its own name, as no fetch of ours leaves it, is replaced as well.
    fs::create_dir(fetching.claude(OTHER)).expect("a directory");
    fs::write(fetching.claude(OTHER).join("claude"), b"\x7fELF").expect("half a binary");
    let ran = fetching.fetch_other();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(fetching.there(), [OTHER]);
}

#[test]
fn where_there_is_no_room_nothing_is_begun() {
    if !nix::unistd::geteuid().is_root() {
        return nc_testkit::skip("a full disk", "only root mounts a small one");
    }
    let fetching = Fetching::new();
    let data = fetching.house.path().join("data");
    fs::create_dir(&data).expect("a directory");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&data).status();
    if !mounted.expect("mount starts").success() {
        return nc_testkit::skip("a full disk", "this machine does not let root mount");
    }
    let ran = fetching.fetch(&[]);
    let unmounted = Command::new("umount").arg("-l").arg(&data).status();
    assert!(unmounted.expect("umount starts").success());
    assert_eq!(ran.status, 75, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("there is no room for the binary") && ran.stderr.contains("MiB are free"),
        "{}",
        ran.stderr
    );
    assert_eq!(lines(&fetching.npm("calls")), 0);
}
