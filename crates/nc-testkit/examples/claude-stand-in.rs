//! Stands in for the Claude Code binary where that is to be old, broken or another one: it is an ELF program, as that is.
//!
//! What it does is written behind its own end, since it may be run anywhere and with any environment: a line `stand-in`,
//! then what to do, then the path of a file that gets a line each time that it is started (or nothing).
//!
//! ```text
//! version V     says that it is V, when it is asked for its version and when a session begins, and then nothing, for ever
//! hang          does nothing, for ever
//! rubbish       says what nobody understands, and then nothing more; asked for its version it ends
//! status N      says why and ends with this status
//! ```
#![expect(clippy::expect_used, reason = "a stand-in stops at the first surprise")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};

/// What precedes what it does; in two parts, since it also lies in the program itself.
const MARK: [&str; 2] = ["\nstand", "-in\n"];

fn main() {
    let own = fs::read("/proc/self/exe").expect("a program can be read");
    let mark = MARK.concat().into_bytes();
    let at = own.windows(mark.len()).rposition(|part| part == mark).expect("it was told what to do");
    let told = String::from_utf8(own[at + mark.len()..].to_vec()).expect("text");
    let mut lines = told.lines();
    let what = lines.next().unwrap_or_default();
    if let Some(path) = lines.next().filter(|path| !path.is_empty()) {
        let mut file = File::options().create(true).append(true).open(path).expect("a file for its starts");
        writeln!(file, "{what}").expect("written");
    }
    let asked = std::env::args().any(|argument| argument == "--version");
    match what.split_once(' ').unwrap_or((what, "")) {
        ("version", version) if asked => println!("{version} (Claude Code)"),
        ("version", version) => {
            println!(
                r#"{{"type":"system","subtype":"init","session_id":"s","claude_code_version":"{version}","tools":[]}}"#
            );
            wait();
        }
        ("hang", _) => wait(),
        ("rubbish", _) => {
            println!("\u{1b}[2Jno JSON {{\n{{\"type\":\n\u{0}");
            if !asked {
                wait();
            }
        }
        ("status", status) => {
            eprintln!("it does not work");
            std::process::exit(status.parse().expect("a status"));
        }
        _ => panic!("a stand-in that does: version V, hang, rubbish, status N"),
    }
}

/// Reads what there is to read, so that nobody who writes is stopped, and stays.
fn wait() -> ! {
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).ok();
    loop {
        std::thread::park();
    }
}
