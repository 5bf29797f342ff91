//! `nanoclawctl run` with the real programs: what it leaves behind, and what it says where it cannot start.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nc_testkit::{PATIENCE, Signal, Toolkit, finish, processes, programs, wait_until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_was_started_for_a_talk_ends_with_it_even_where_it_is_killed() {
    let kit = Toolkit::new();
    let mut command = kit.program("nanoclawctl");
    let mut running =
        command.arg("run").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    writeln!(running.stdin.as_mut().expect("an input"), "hello").expect("written");
    let mut reply = String::new();
    BufReader::new(running.stdout.take().expect("an output")).read_line(&mut reply).expect("read");
    assert_eq!(reply, "You said: hello\n");
    let ours = format!("NANOCLAW_DIR={}", kit.dir().display());
    assert!(processes::all_with(&ours).len() > 3, "the programs are seen");
    processes::send(i32::try_from(running.id()).expect("a number"), Signal::SIGKILL);
    running.wait().expect("ended");
    wait_until(PATIENCE, "everything ended with it", || processes::all_with(&ours).is_empty());
    assert!(kit.ctl(["ledger", "--check"]).status.success());
}

#[test]
fn where_it_cannot_start_the_last_lines_and_the_status_are_those_of_up() {
    let kit = Toolkit::new();
    let alone = kit.beside().join("bin");
    fs::create_dir(&alone).expect("made");
    fs::copy(programs().join("nanoclawctl"), alone.join("nanoclawctl")).expect("copied");
    let mut command = Command::new(alone.join("nanoclawctl"));
    command
        .env_clear()
        .arg("--dir")
        .arg(kit.dir())
        .arg("--set")
        .arg("libexec_dir=nowhere")
        .arg("run")
        .stdin(Stdio::null());
    let output = finish(&mut command);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(78), ""), "{said}");
    assert!(said.contains("its last lines in") && said.contains("logs/up.log"), "{said}");
    assert!(said.contains("nc-ipcd") || said.contains("nc-router"), "{said}");
}

#[test]
fn whoever_may_not_talk_is_told_before_anything_is_started() {
    let kit = Toolkit::new();
    kit.ctl_ok(["group", "add", "Andy", "--main"]);
    let user = kit.store().owners().expect("owners")[0].clone();
    kit.ctl_ok(["unwire", &user, "main"]);
    let output = finish(kit.program("nanoclawctl").arg("run"));
    assert_eq!(output.status.code(), Some(78), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no agent listens to your terminal"), "{}", text(&output.stderr));
    assert!(!kit.dir().join("data/logs/up.log").exists());
}

#[test]
fn the_log_is_for_its_owner_and_the_one_before_is_kept() {
    let kit = Toolkit::new();
    for expected in [1, 2] {
        let output = finish(kit.program("nanoclawctl").arg("run"));
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ""), "{}", text(&output.stderr));
        let logs: Vec<_> = fs::read_dir(kit.dir().join("data/logs"))
            .expect("logs")
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("up.log"))
            .collect();
        assert_eq!(logs.len(), expected);
        assert!(logs.iter().all(|log| log.metadata().expect("a log").permissions().mode() & 0o777 == 0o600));
    }
}

/// Makes something of an installation that nobody can start.
type Spoil = fn(&Path) -> io::Result<()>;

#[test]
fn what_cannot_be_used_is_said_before_anything_is_made() {
    let spoils: [(Spoil, &str); 4] = [
        (|dir| fs::write(dir.join("store/messages.db"), "Dear Ana"), "is not a database"),
        (|dir| fs::write(dir.join("data"), ""), "data\" is not a directory"),
        (
            |dir| fs::remove_dir_all(dir.join("groups")).and_then(|()| fs::write(dir.join("groups"), "")),
            "groups\" is not",
        ),
        (
            |dir| {
                fs::remove_file(dir.join("store/messages.db"))
                    .and_then(|()| symlink("/nowhere", dir.join("store/messages.db")))
            },
            "is not a regular file",
        ),
    ];
    for (spoil, says) in spoils {
        let kit = Toolkit::new();
        kit.ctl_ok(["group", "add", "Andy", "--main"]);
        spoil(&kit.dir()).expect("spoilt");
        let before = names_below(&kit.dir());
        for command in ["up", "run"] {
            let output = finish(kit.program("nanoclawctl").arg(command));
            assert_eq!(output.status.code(), Some(78), "{command}: {}", text(&output.stderr));
            assert!(text(&output.stderr).contains(says), "{command}: {}", text(&output.stderr));
            assert_eq!(names_below(&kit.dir()), before, "{command}");
        }
    }
}

#[test]
fn without_the_programs_of_a_sandbox_it_says_what_to_install() {
    let kit = Toolkit::new();
    let places = ["/usr/local/bin/bwrap", "/usr/bin/bwrap", "/bin/bwrap"];
    let hide: Vec<_> = places.iter().filter(|place| Path::new(place).exists()).collect();
    for command in ["up", "run"] {
        let mut hidden = Command::new("unshare");
        hidden.env("NANOCLAW_DIR", kit.dir()).stdin(Stdio::null());
        let script = "program=$1 command=$2; shift 2; for file; do mount --bind /dev/null \"$file\" || exit 99; done; \
                      exec \"$program\" \"$command\"";
        hidden.args(["-rm", "sh", "-c", script, "sh"]).arg(programs().join("nanoclawctl")).arg(command).args(&hide);
        let Ok(output) = hidden.output() else { return nc_testkit::skip("a missing bwrap", "unshare is not there") };
        if matches!(output.status.code(), Some(1 | 99)) {
            return nc_testkit::skip("a missing bwrap", "no file can be hidden here");
        }
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{command}: {said}");
        assert!(said.contains("bubblewrap is not installed: install the package bubblewrap"), "{said}");
        assert_eq!(names_below(&kit.dir()), Vec::<PathBuf>::new(), "{command}");
    }
}

/// The names of everything below a directory, in order.
fn names_below(dir: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        names.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.extend(names_below(&entry.path()));
        }
    }
    names.sort();
    names
}
