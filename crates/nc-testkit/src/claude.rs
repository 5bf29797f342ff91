//! The Claude Code binary for tests: the real one where this machine has it, and stand-ins for broken ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the real binary.
const VARIABLE: &str = "NC_TEST_CLAUDE";

/// Where `make test` puts it.
const FETCHED: &str = "../../target/tools/claude";

/// The real binary, where there is one: named by `NC_TEST_CLAUDE`, fetched by `make test`, or in `PATH`. Where there is none
/// the caller's test is noted as skipped.
#[must_use]
pub fn real_claude(what: &str) -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join(FETCHED);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|dir| dir.join("claude"));
    let found = named.into_iter().chain([fetched]).chain(in_path).filter_map(|path| fs::canonicalize(path).ok());
    let real = found.into_iter().find(|path| is_elf(path));
    if real.is_none() {
        crate::skip(
            what,
            "there is no Claude Code binary: scripts/claude-binary fetches it, or NC_TEST_CLAUDE names one",
        );
    }
    real
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF"
}

/// Makes the program `to`, which does `what` (see `examples/claude-stand-in.rs`) and adds a line to `starts` each time.
///
/// # Panics
/// Where it cannot be made.
pub fn claude_stand_in(to: &Path, what: &str, starts: Option<&Path>) {
    let mut program = fs::read(crate::example("nc-testkit", "claude-stand-in")).expect("the stand-in is read");
    let starts = starts.map(|path| path.display().to_string()).unwrap_or_default();
    program.extend_from_slice(format!("\nstand-in\n{what}\n{starts}\n").as_bytes());
    let written = to.with_extension("part");
    fs::write(&written, program).expect("the stand-in is written");
    // By another process: a descriptor of ours that writes it could live on in a child of another test, and nobody could
    // start it meanwhile.
    let installed = Command::new("install").args(["-m", "755"]).args([&written, to]).status();
    assert!(installed.expect("install starts").success(), "{} is made", to.display());
    fs::remove_file(&written).expect("removed");
}
