//! What a test gets.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::VARIABLE;

/// Before something is done to `what` of `place`: the process may be killed here, or be told that it failed.
///
/// # Errors
/// The one that a test has armed.
pub fn before(place: &str, what: &str) -> io::Result<()> {
    house().and_then(|house| house.reach(&format!("{place}.{what}.before"))).map_or(Ok(()), Err)
}

/// After something was done that others see at once: the process may be killed here.
pub fn after(place: &str, what: &str) {
    // What is done cannot fail any more.
    drop(house().and_then(|house| house.reach(&format!("{place}.{what}.after"))));
}

/// How many milliseconds a test has put the clock forward, or back where it is less than 0.
#[must_use]
pub fn clock_ms() -> i64 {
    let given = house().and_then(|house| fs::read_to_string(house.directory.join("clock")).ok());
    given.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The directory of the test, for whoever starts other programs.
#[must_use]
pub fn directory() -> Option<&'static Path> {
    house().map(|house| house.directory.as_path())
}

/// The test's directory, as this process has it.
struct House {
    directory: PathBuf,
    program: String,
    reached: Mutex<BTreeSet<String>>,
}

fn house() -> Option<&'static House> {
    static HOUSE: OnceLock<Option<House>> = OnceLock::new();
    let open = || {
        let directory = env::var_os(VARIABLE)?.into();
        Some(House { directory, program: program(env::args()), reached: Mutex::default() })
    };
    HOUSE.get_or_init(open).as_ref()
}

/// What a process is called: its file, and the first argument where that is a word.
fn program(mut arguments: impl Iterator<Item = String>) -> String {
    let own = arguments.next().unwrap_or_default();
    let file = Path::new(&own).file_name().unwrap_or_default().to_string_lossy().into_owned();
    match arguments.next().filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric())) {
        Some(word) => format!("{file}-{word}"),
        None => file,
    }
}

impl House {
    /// Notes that the point was reached, and does what is armed there; an error is for the caller.
    fn reach(&self, point: &str) -> Option<io::Error> {
        let point = format!("{}.{point}", self.program);
        if self.reached.lock().unwrap_or_else(PoisonError::into_inner).insert(point.clone()) {
            // Where it cannot be noted the test misses it.
            drop(File::create(self.directory.join("reached").join(&point)));
        }
        let armed = self.directory.join("armed").join(&point);
        let action = fs::read_to_string(&armed).ok()?;
        // Of several processes one gets it.
        fs::rename(&armed, self.directory.join("fired").join(&point)).ok()?;
        match action.trim().parse() {
            Ok(errno) => Some(io::Error::from_raw_os_error(errno)),
            Err(_) => die(),
        }
    }
}

fn die() -> ! {
    loop {
        // It comes at once; what is not dead yet does nothing more.
        kill(Pid::this(), Signal::SIGKILL).ok();
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_called_by_its_file_and_its_first_word() {
        let named = |words: &[&str]| program(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(named(&["/x/nanoclawctl", "talk", "--once"]), "nanoclawctl-talk");
        assert_eq!(named(&["nc-runner", "--buried"]), "nc-runner");
        assert_eq!(named(&["/app/nc-agent"]), "nc-agent");
    }

    #[test]
    fn what_is_armed_happens_once_and_is_noted() {
        let root = tempfile::tempdir().unwrap();
        for name in ["reached", "armed", "fired"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let house = House { directory: root.path().to_owned(), program: "me".to_owned(), reached: Mutex::default() };
        assert!(house.reach("a.b.before").is_none());
        assert!(root.path().join("reached/me.a.b.before").exists());
        fs::write(root.path().join("armed/me.a.b.before"), "28\n").unwrap();
        assert_eq!(house.reach("a.b.before").unwrap().kind(), io::ErrorKind::StorageFull);
        assert!(root.path().join("fired/me.a.b.before").exists());
        assert!(house.reach("a.b.before").is_none());
    }
}
