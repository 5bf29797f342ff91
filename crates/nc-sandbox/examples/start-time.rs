//! How long it takes from the call of `start` to the first byte of a command in the sandbox, with every measure on.
//!
//! `start-time [TIMES]` prints one line: engine, limits, p50 and p95 in microseconds. As root the sandbox is an unnamed uid's.
#![expect(clippy::expect_used, reason = "a measurement stops at the first surprise")]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nc_sandbox::{Identity, Limits, Mount, Spec, Streams, start};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("one") => println!("{}", one()),
        times => many(times.map_or(50, |times| times.parse().expect("a number of times"))),
    }
}

/// Measures in a process for each sandbox, as a runner is one: a mount namespace in another would be measured otherwise.
fn many(times: usize) {
    let own = std::env::current_exe().expect("this program");
    let run = || Command::new(&own).arg("one").stderr(Stdio::inherit()).output().expect("a measurement").stdout;
    let spans = (0..times).map(|_| String::from_utf8(run()).expect("text"));
    let mut spans: Vec<(u128, String)> = spans
        .filter_map(|said| said.trim().split_once(' ').map(|(span, limits)| (span.parse().expect("µs"), limits.into())))
        .collect();
    spans.sort();
    let at = |percent: usize| spans[(spans.len() - 1) * percent / 100].0;
    println!("bubblewrap, limits {}: p50 {} µs, p95 {} µs of {}", spans[0].1, at(50), at(95), spans.len());
}

fn one() -> String {
    let place = tempfile::tempdir().expect("a directory");
    let spec = spec(place.path());
    let lock = File::create(place.path().join("lock")).expect("a lock");
    let streams = Streams { stdin: Stdio::null(), stdout: Stdio::piped(), stderr: Stdio::inherit() };
    let began = Instant::now();
    let mut sandbox = start(&spec, streams, lock.into()).expect("the sandbox starts");
    let mut stdout = sandbox.take_stdout().expect("a pipe");
    stdout.read_exact(&mut [0]).expect("the command writes a byte");
    let span = began.elapsed();
    let limits = sandbox.enforcement();
    sandbox.wait().expect("the sandbox ends");
    format!("{} {limits:?}", span.as_micros())
}

fn spec(place: &Path) -> Spec {
    let mounts = ["workspace", "workspace/inbox", "group", "global", "provider", "agent"].map(|name| {
        let directory = place.join(name);
        std::fs::create_dir(&directory).expect("a directory");
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).expect("open to all");
        Mount::read_write(directory, Path::new("/").join(name))
    });
    Spec {
        name: "measure".to_owned(),
        identity: Identity::for_installation(place).expect("an identity"),
        mounts: mounts.to_vec(),
        env: vec![("PATH".to_owned(), "/usr/bin".into())],
        limits: Limits::default(),
        workdir: "/workspace".into(),
        command: ["/usr/bin/printf", "x"].map(Into::into).to_vec(),
    }
}
