//! From the start of a program to its READY=1.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nc_testkit::{Signal, Toolkit, processes};

use crate::figures::Report;
use crate::house;

pub(crate) fn measure(report: &mut Report, turns: usize) {
    let mut kit = house();
    let up = (0..turns.min(20)).map(|_| {
        let begun = Instant::now();
        kit.up();
        let took = begun.elapsed();
        assert_eq!(kit.stop(Signal::SIGTERM), Some(0));
        took
    });
    report.add("nanoclawctl up: start to ready (all programs)", "30 ms", up.collect());
    for (program, what) in [("nc-router", "nc-router: start to ready"), ("nc-ipcd", "nc-ipcd: start to ready")] {
        let samples = (0..turns.min(30)).map(|_| start_to_ready(&kit, program)).collect();
        report.add(what, "30 ms", samples);
    }
}

fn start_to_ready(kit: &Toolkit, program: &str) -> Duration {
    let path = kit.beside().join("bench-notify.sock");
    // The one of the turn before.
    std::fs::remove_file(&path).ok();
    let notify = UnixDatagram::bind(&path).expect("the notification socket is bound");
    notify.set_read_timeout(Some(Duration::from_secs(20))).expect("it has a deadline");
    let mut command = kit.program(program);
    command.env("NOTIFY_SOCKET", &path).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let mut buffer = [0; 4096];
    loop {
        let length = notify.recv(&mut buffer).expect("the program says that it is ready");
        if buffer[..length].split(|&byte| byte == b'\n').any(|line| line == b"READY=1") {
            break;
        }
    }
    let took = begun.elapsed();
    processes::send(i32::try_from(child.id()).expect("a process id is small"), Signal::SIGTERM);
    child.wait().expect("the program ends");
    took
}
