//! What an agent can reach, tried from inside of its sandbox, in root's installation and in an ordinary user's.
//!
//! Each test also makes its try where it must succeed, so that it would notice if a wall were gone.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use house::{House, text};
use nc_testkit::finish;

/// What stands in every file that no sandbox may see, and a pattern for it that does not find itself in a command line.
const SECRET: &str = "secret-4f1c8e";
const PATTERN: &str = "secret-4f1c[8]e";

/// Files of the host with [`SECRET`] in them: of the house, and beside it where other users keep theirs.
fn plant(house: &House) -> Vec<PathBuf> {
    let installation = house.kit.installation();
    let (sessions, data) = (installation.data_dir().join("sessions"), installation.data_dir());
    let files = vec![
        installation.store_dir().join("planted"),
        installation.dir().join("nanoclaw.toml.d/planted"),
        house.group("family").join("planted"),
        sessions.join(house.family.to_string()).join(".claude/planted"),
        sessions.join(house.main.to_string()).join("another-session/work/planted"),
        sessions.join(house.main.to_string()).join("another-session/in/planted"),
        data.join("media/in/1/planted"),
        data.join("logs/planted"),
        house.kit.beside().join("home/planted"),
        house.kit.beside().join("planted"),
    ];
    for file in &files {
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory is made");
        fs::write(file, SECRET).expect("a file is planted");
    }
    house.settle();
    files
}

#[test]
fn no_file_of_the_host_is_found_by_any_path() {
    for house in House::each() {
        let planted = plant(&house);
        fs::write(house.group("main").join("own"), SECRET).expect("the group's own file");
        house.settle();
        let paths = planted.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        let said = house.script(&format!(
            "grep -rsl '{PATTERN}' /workspace /home /app /etc /tmp /var /dev/shm /opt /root /run /srv /mnt /media /sys;\
             for path in {paths}; do \
               for root in '' /proc/1/root /proc/2/root /proc/self/root /proc/self/cwd/../../../../.. /proc/$$/root/..; do \
                 cat \"$root$path\" 2>/dev/null && echo \"read $root$path\"; done; done;\
             for fd in /proc/[0-9]*/fd/*; do [ -d \"$fd\" ] && ls \"$fd/..\" && echo \"through $fd\"; done; true"
        ));
        // Its own file proves that the search finds what is there.
        assert_eq!(said, "/workspace/agent/own\n", "in {} installation", house.whose);
    }
}

#[test]
fn nothing_lies_at_the_root_but_what_belongs_there() {
    for house in House::each() {
        let said = house.script("ls -A / | grep -v '^lib' | tr '\\n' ' '; ls -A /home /app /var");
        let expected =
            "app bin dev etc home proc sbin tmp usr var workspace /app:\nnc-agent\n\n/home:\nnode\n\n/var:\ntmp\n";
        assert_eq!(said, expected, "in {} installation", house.whose);
        let etc = house.script("ls -A /etc; wc -l < /etc/passwd");
        for name in ["shadow", "machine-id", "ssh", "sudoers", "gitconfig", "npmrc"] {
            assert!(!etc.lines().any(|line| line == name), "{name} is in /etc");
        }
        assert!(etc.ends_with("\n3\n") && etc.contains("resolv.conf"), "{etc}");
        assert_eq!(house.script("hostname; id -u; id -G; cat /proc/self/uid_map | wc -l"), "nanoclaw\n1000\n1000\n1\n");
    }
}

#[test]
fn no_process_of_the_host_is_seen() {
    let _stranger = Stranger(Command::new("sleep").arg("86400.4711").spawn().expect("a process of the host"));
    let find = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -F 86400.'4711'; done; ls -d /proc/[0-9]* | wc -l";
    let outside = Command::new("/bin/sh").args(["-c", find]).output().expect("the same search outside");
    assert!(text(&outside.stdout).starts_with("sleep 86400.4711"), "the search finds it on the host");
    for house in House::each() {
        // The sandbox's first process (hidden), the shell, and what the search itself starts.
        let said = house.script(find);
        let count: u32 = said.trim().parse().expect("nothing but the number of processes");
        assert!(count <= 6, "{count} processes in {} installation", house.whose);
    }
}

/// A process of the host that ends with the test, however that ends.
struct Stranger(std::process::Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it is gone");
    }
}

#[test]
fn the_agent_has_no_privilege_and_can_get_none() {
    let names = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid"];
    for house in House::each() {
        let status = house.script("cat /proc/self/status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
            line.expect("the kernel says it").split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let none = "0000000000000000";
        let expected = [none, none, none, none, none, "1", "2", "1000 1000 1000 1000"];
        assert_eq!(names.map(field), expected, "in {} installation", house.whose);
        assert_eq!(
            house.script(
                "for n in user pid ipc uts cgroup mnt; do readlink /proc/self/ns/$n; done | sort | uniq | wc -l"
            ),
            "6\n"
        );
    }
    for name in ["user", "pid", "ipc", "uts", "cgroup", "mnt"] {
        let house = House::own();
        let link = format!("/proc/self/ns/{name}");
        let outside = fs::read_link(&link).expect("a namespace").display().to_string();
        assert_ne!(house.script(&format!("readlink {link}")).trim(), outside, "the {name} namespace is the host's");
    }
}

#[test]
fn only_the_mounts_for_it_are_writable() {
    for house in House::each() {
        let closed = ["/usr", "/usr/bin", "/etc", "/", "/app", "/dev", "/proc/1", "/workspace/inbox", "/var"];
        let open = [
            "/workspace",
            "/workspace/agent",
            "/workspace/global",
            "/home/node",
            "/home/node/.claude",
            "/tmp",
            "/dev/shm",
        ];
        let try_all = format!(
            "for d in {} {}; do touch $d/new 2>/dev/null && echo $d; done; echo x >> /workspace/inbound.db; echo x >> /etc/passwd",
            closed.join(" "),
            open.join(" ")
        );
        let output = house.try_script(&try_all);
        assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), open, "in {} installation", house.whose);
        assert_eq!(text(&output.stderr).matches("Read-only file system").count(), 2, "{}", text(&output.stderr));
        let made = fs::metadata(house.group("main").join("new")).expect("what the agent made is on the host");
        let owner = fs::metadata(house.group("main")).expect("the folder").uid();
        assert_eq!(made.uid(), owner, "and belongs to whom the folder belongs to");
        assert!(owner != 0, "which is not root");
    }
}

#[test]
fn a_mount_is_read_only_unless_it_is_the_agents_own() {
    let own =
        ["/workspace", "/workspace/agent", "/workspace/global", "/home/node", "/home/node/.claude", "/tmp", "/dev/shm"];
    // The kernel's own: files in them have owners of their own, and devices hold nothing.
    let kernels = |target: &str| target == "/proc" || (target.starts_with("/dev/") && target != "/dev/shm");
    for house in House::each() {
        let mounts = house.script("cat /proc/self/mountinfo");
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let writable =
            fields.filter(|fields| fields[5].split(',').any(|option| option == "rw")).map(|fields| fields[4]);
        let writable: Vec<_> = writable.filter(|target| !kernels(target)).collect();
        let missing: Vec<_> = own.iter().filter(|target| !writable.contains(target)).collect();
        assert!(missing.is_empty(), "the look would not notice {missing:?} in {mounts}");
        assert_eq!(writable.len(), own.len(), "{writable:?} in {} installation", house.whose);
        assert!(mounts.lines().any(|line| line.split(' ').nth(4) == Some("/usr")));
    }
}

#[test]
fn another_group_reads_the_global_folder_and_does_not_write_it() {
    for house in House::each() {
        fs::write(house.group("global").join("CLAUDE.md"), "for all").expect("the global file");
        house.settle();
        let mut command = house.kit.program("nc-runner");
        command.args([
            "--shell",
            "family",
            "--",
            "/bin/sh",
            "-c",
            "cat /workspace/global/CLAUDE.md; touch /workspace/global/x",
        ]);
        let output = finish(&mut command);
        assert_eq!(text(&output.stdout), "for all", "in {} installation: {}", house.whose, text(&output.stderr));
        assert_eq!(output.status.code(), Some(1));
        assert!(!house.group("global").join("x").exists());
    }
}

#[test]
fn every_dangerous_call_is_refused() {
    for house in House::each() {
        let said = text(&house.probed(&["calls"]).stdout);
        assert!(said.lines().count() > 70, "{said}");
        for line in said.lines() {
            let (name, answer) = line.rsplit_once(": ").expect("a name and an answer");
            let expected = match name {
                "clone3" => "ENOSYS",
                name if name.starts_with("allowed: ") => "ok",
                _ => "EPERM",
            };
            assert_eq!(answer, expected, "{name} in {} installation", house.whose);
        }
        if cfg!(target_arch = "x86_64") {
            const SIGSYS: i32 = 31;
            assert_eq!(house.probed(&["architecture"]).status.code(), Some(128 + SIGSYS));
        }
    }
}

#[test]
fn the_first_process_keeps_its_descriptors_and_the_lock_to_itself() {
    for house in House::each() {
        let mut command = house.inside(&["/bin/sh", "-c", "/workspace/agent/probe lock; echo end; cat"]);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let said = read_until(&mut shell, "end\n");
        let expected = [
            "own: 3",
            "/proc/1/fd: entity not found",
            "/proc/1/environ: entity not found",
            "/proc/1/cmdline: entity not found",
            "/proc/1/root: entity not found",
            "/proc/1/cwd: entity not found",
            "/proc/1/mem: entity not found",
            "pidfd_open of the first process: ok",
            "descriptors taken: 0",
            "kill the first process: ok",
            "stop the first process: ok",
            "still here",
        ];
        assert_eq!(said.lines().take(expected.len()).collect::<Vec<_>>(), expected, "in {} installation", house.whose);
        let sessions = house.kit.installation().data_dir().join("sessions").join(house.main.to_string());
        let shells = fs::read_dir(&sessions).expect("sessions").flatten().map(|entry| entry.path());
        let session = shells.filter(|path| path.join("in/lock").exists()).last().expect("the shell's session");
        let lock = fs::File::open(session.join("in/lock")).expect("its lock");
        assert!(lock.try_lock().is_err(), "the lock is held while the sandbox lives");
        drop(shell.stdin.take());
        assert!(shell.wait().expect("the shell ends").success());
        assert!(lock.try_lock().is_ok(), "and free afterwards");
        assert!(!session.exists(), "the shell's session is gone");
    }
}

#[test]
fn what_the_router_puts_into_the_mailbox_is_read_while_the_agent_lives() {
    for house in House::each() {
        let script =
            "echo ready; read -r x; cat /workspace/inbox/7/photo; head -c 15 /workspace/inbound.db; echo; echo end";
        let mut command = house.inside(&["/bin/sh", "-c", script]);
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        read_until(&mut shell, "ready\n");
        let sessions = house.kit.installation().data_dir().join("sessions").join(house.main.to_string());
        let shells = fs::read_dir(&sessions).expect("sessions").flatten().map(|entry| entry.path());
        let inbox = shells.map(|path| path.join("in/inbox")).find(|path| path.exists()).expect("the shell's inbox");
        // As the router does it: as the installation's user, with a umask that leaves nothing to others.
        let mut router = Command::new("/bin/sh");
        router.args(["-c", "umask 077; mkdir $0/7; echo photo > $0/7/photo"]).arg(&inbox);
        if let Some(uid) = house.kit.user() {
            std::os::unix::process::CommandExt::uid(&mut router, uid);
        }
        assert!(router.status().expect("the router writes").success());
        std::io::Write::write_all(shell.stdin.as_mut().expect("a pipe"), b"go\n").expect("it is told");
        let said = read_until(&mut shell, "end\n");
        assert_eq!(said, "photo\nSQLite format 3\nend\n", "in {} installation", house.whose);
        shell.wait().expect("the shell ends");
    }
}

/// Without the measures the same probe gets at what it is after: it would notice.
#[test]
fn the_probe_reaches_the_first_process_of_a_plain_bubblewrap() {
    let probe = nc_testkit::example("nc-testkit", "probe");
    let mut bubblewrap = Command::new("bwrap");
    bubblewrap.args(["--unshare-pid", "--dev-bind", "/", "/", "--proc", "/proc", "--"]).arg(probe).arg("lock");
    let said = text(&finish(&mut bubblewrap).stdout);
    assert!(said.contains("/proc/1/fd: there") && said.contains("/proc/1/cmdline: there"), "{said}");
    let taken = said.lines().find_map(|line| line.strip_prefix("descriptors taken: ")).expect("a count");
    assert_ne!(taken, "0", "{said}");
}

fn read_until(shell: &mut std::process::Child, end: &str) -> String {
    use std::io::Read;
    let mut said = String::new();
    let mut byte = [0];
    let stdout = shell.stdout.as_mut().expect("a pipe");
    while !said.ends_with(end) && stdout.read(&mut byte).expect("the pipe is read") == 1 {
        said.push(char::from(byte[0]));
    }
    said
}

#[test]
fn a_descriptor_that_somebody_left_open_does_not_reach_the_agent() {
    // Above every number that the runner itself gives to bubblewrap.
    const LEFT_OPEN: i32 = 77;
    let with_a_directory = |command: &mut Command| -> String {
        let parent_fd = fs::File::open("/etc").expect("a directory of the host").into();
        command.fd_mappings(vec![FdMapping { parent_fd, child_fd: LEFT_OPEN }]).expect("it gets its number");
        text(&finish(command).stdout)
    };
    let list = "ls /proc/self/fd | tr '\\n' ' '";
    let mut plain = Command::new("bwrap");
    let handed_on = with_a_directory(plain.args(["--dev-bind", "/", "/", "--", "/bin/sh", "-c", list]));
    assert!(handed_on.ends_with(" 77 "), "bubblewrap hands on what it inherits: {handed_on}");
    for house in House::each() {
        let seen = with_a_directory(&mut house.inside(&["/bin/sh", "-c", list]));
        assert_eq!(seen, "0 1 2 3 ", "3 is the look itself; in {} installation", house.whose);
    }
}

#[test]
fn a_secret_on_standard_input_is_nowhere_else() {
    // The agent reads standard input to its end before it starts anything, and keeps what it read in its own memory: here
    // in a variable of the shell that is not exported.
    let search = format!(
        "for f in /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/fd/* /proc/[0-9]*/task/*/environ; do \
           case $f in */fd/[12]) continue;; esac; timeout 1 cat $f 2>/dev/null | grep -qa '{PATTERN}' && echo $f; done;\
         grep -rsl '{PATTERN}' /workspace /home /tmp /dev/shm /var /etc"
    );
    for house in House::each() {
        let run = |before: &str| {
            let script = format!("read -r kept; {before}; {search}; true");
            let mut child = house.inside(&["/bin/sh", "-c", &script]);
            let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
            std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), format!("{SECRET}\n").as_bytes())
                .expect("it is told");
            text(&child.wait_with_output().expect("it ends").stdout)
        };
        assert_eq!(run("true"), "", "in {} installation", house.whose);
        let found = run("export kept; (read -r x < /dev/null; sleep 100) & echo $kept > /tmp/kept");
        assert!(
            found.contains("/environ\n") && found.ends_with("/tmp/kept\n"),
            "the search finds what is there: {found:?}"
        );
    }
}

#[test]
fn the_status_of_the_command_is_the_runners() {
    let house = House::own();
    assert_eq!(house.try_script("exit 0").status.code(), Some(0));
    assert_eq!(house.try_script("exit 7").status.code(), Some(7));
    assert_eq!(house.try_script("kill -9 $$").status.code(), Some(137));
    let mut command = house.kit.program("nc-runner");
    let output = finish(command.args(["--shell", "nobody"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "nc-runner: there is no group nobody: see nanoclawctl group list\n");
    let output = finish(house.kit.program("nc-runner").args(["--shell", "../x"]));
    assert_eq!(output.status.code(), Some(78));
    assert!(
        text(&output.stderr).starts_with("nc-runner: folder name \"../x\" is not allowed"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn an_agent_reads_what_its_runs_printed_and_changes_nothing_of_it() {
    for house in House::each() {
        let (logs, elsewhere) = (house.group("main").join("logs"), house.kit.beside().join("elsewhere"));
        fs::create_dir(&elsewhere).expect("a directory");
        // As an agent may have left it before runs had logs there.
        std::os::unix::fs::symlink(&elsewhere, &logs).expect("a link");
        house.settle();
        let script = "cd /workspace/agent; touch own; for try in 'touch logs/x' 'mv logs away' 'rmdir logs' 'ln -s / logs/l' \
            'mount -o remount,rw logs' 'umount logs' 'chmod 777 logs'; do $try 2>/dev/null && echo \"$try\"; done; ls -d own logs";
        let said = house.script(script);
        assert_eq!(said, "logs\nown\n", "in {} installation", house.whose);
        let found = fs::symlink_metadata(&logs).expect("the directory");
        assert!(found.is_dir(), "the link was moved away");
        assert_eq!(fs::read_dir(&elsewhere).expect("a directory").count(), 0);
    }
}
