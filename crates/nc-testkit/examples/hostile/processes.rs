//! Output without end, memory, processes, and those that do not go.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Named, Then};

pub(crate) const ATTACKS: &[Named] = &[
    ("output-flood", |_| print(b"flood flood flood flood flood flood flood flood flood flood flood\n", 40 << 20)),
    ("output-one-line", |_| print(&[0xff, 0, b'\r', 0x1b, b'[', b'2', b'J'], 20 << 20)),
    ("forks", |_| {
        let held: Vec<_> = std::iter::from_fn(|| sleeper().ok()).take(5000).collect();
        assert!(held.len() < 1000, "{} processes were to be had", held.len());
        Then::Leave
    }),
    ("memory", |_| {
        // A child of its own: where the kernel ends what is largest, that is not this one.
        let hog = Command::new("/usr/bin/tail").arg("/dev/zero").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(!hog.expect("tail starts").success(), "there was memory without end");
        Then::Leave
    }),
    ("tmp-full", |_| {
        for place in ["/tmp", "/dev/shm", "/home/node"] {
            let mut file = fs::File::create(format!("{place}/fill")).expect("a file");
            let block = vec![0_u8; 1 << 20];
            let blocks = (0..4096).take_while(|_| file.write_all(&block).is_ok()).count();
            assert!(blocks < 4096, "{place} takes 4 GiB");
        }
        Then::Leave
    }),
    ("tmp-inodes", |_| {
        // Where no control group counts the kernel's memory there are millions; these show that nothing minds.
        let made = (0..100_000).take_while(|n| fs::File::create(format!("/tmp/{n}")).is_ok()).count();
        assert!(made > 0, "not a file could be made");
        Then::Leave
    }),
    ("kill-all", |_| {
        // Everybody whom it can see, the first process among them.
        kill(Pid::from_raw(1), Signal::SIGKILL).ok();
        kill(Pid::from_raw(-1), Signal::SIGKILL).ok();
        Then::Leave
    }),
    ("left-behind", |_| {
        // With our standard output open, in a session of its own.
        for _ in 0..5 {
            let mut left = Command::new("/usr/bin/setsid");
            left.args(["/bin/sh", "-c", "trap '' TERM HUP; while :; do sleep 1000; done"]);
            // Nobody ever waits for it.
            std::mem::forget(left.spawn().expect("it starts"));
        }
        Then::Leave
    }),
    ("deaf", |_| Then::Never),
];

fn sleeper() -> std::io::Result<std::process::Child> {
    Command::new("/bin/sleep").arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn print(line: &[u8], bytes: usize) -> Then {
    let block = line.repeat((1 << 16) / line.len());
    let mut out = std::io::stdout().lock();
    // What comes after is cut.
    writeln!(out, "attacked").expect("standard output takes it");
    for _ in 0..bytes / block.len() {
        out.write_all(&block).expect("standard output takes it");
    }
    Then::Leave
}
