//! From the start of a program to its READY=1.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nc_testkit::{Signal, Toolkit, processes};

use crate::figures::Figures;
use crate::house;

pub(crate) fn measure(figures: &mut Figures, turns: usize) {
    measure_in(figures, &mut house(), "", turns);
}

/// Measures in `kit`; `whose` stands behind the name of each figure.
pub(crate) fn measure_in(figures: &mut Figures, kit: &mut Toolkit, whose: &str, turns: usize) {
    let up: Vec<_> = (0..turns.min(20)).map(|_| up_to_ready(kit)).collect();
    figures.spans(format!("nanoclawctl up: start to ready (all programs){whose}"), "30 ms", &up);
    for program in ["nc-router", "nc-ipcd"] {
        let samples: Vec<_> = (0..turns.min(30)).map(|_| start_to_ready(kit, program)).collect();
        figures.spans(format!("{program}: start to ready{whose}"), "30 ms", &samples);
    }
}

fn up_to_ready(kit: &mut Toolkit) -> Duration {
    let begun = Instant::now();
    kit.up();
    let took = begun.elapsed();
    assert_eq!(kit.stop(Signal::SIGTERM), Some(0));
    took
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
