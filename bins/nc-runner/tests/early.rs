//! A bubblewrap that ends while it builds a sandbox: the run ends too, and says why.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use house::House;
use house::session::Runner;
use nc_model::RunOutcome;

/// What the real one leaves behind where its outer process dies early: an inner one with every descriptor, which waits.
const INNER: &str = "(read -r word <FIFO) 2>&1 & ";

impl House {
    /// Starts a runner for `session` that finds `script` where bubblewrap lies.
    fn runs_with(&self, script: &str, session: &str) -> Runner {
        let fifo = self.kit.beside().join("fifo");
        if !fifo.exists() {
            nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::empty()).expect("a pipe");
            fs::set_permissions(&fifo, fs::Permissions::from_mode(0o666)).expect("everybody may open it");
        }
        let script = script.replace("FIFO", &fifo.display().to_string());
        let written = self.kit.beside().join("bwrap");
        fs::write(&written, format!("#!/bin/sh\n{script}\n")).expect("a script");
        let fake = self.kit.beside().join("fake");
        house::install(&written, &fake);
        let line = format!("run {session} message\n");
        Runner::start_as(self, over(&self.runner(), &fake), &line)
    }

    /// The end of a run that found `script` where bubblewrap lies.
    fn end_with(&self, script: &str) -> String {
        let session = self.session();
        let mut runner = self.runs_with(script, &session);
        let id = runner.started();
        assert_eq!((runner.answer().as_str(), runner.end()), ("ended failed", Some(0)), "{}", self.said());
        let run = self.run(&id);
        assert_eq!(run.outcome, Some(RunOutcome::Failed), "{run:?}");
        let error = run.error.expect("it says why");
        assert!(self.said().contains(&error), "the log says it, too: {}", self.said());
        error
    }
}

/// `command` where `fake` lies in the place of bubblewrap.
fn over(command: &Command, fake: &Path) -> Command {
    let real = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"].map(PathBuf::from);
    let real = real.into_iter().find(|path| path.is_file()).expect("bubblewrap is installed");
    let mut other = Command::new("unshare");
    other.args([
        "--mount",
        "--propagation=private",
        "/bin/sh",
        "-c",
        "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"",
    ]);
    other.arg("sh").arg(fake).arg(real).arg(command.get_program()).args(command.get_args());
    other.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other
}

fn house() -> Option<House> {
    if house::is_root() {
        return Some(House::own());
    }
    nc_testkit::skip("a bubblewrap that ends early", "only root can put another in its place");
    None
}

#[test]
fn a_run_ends_with_words_when_bubblewrap_ends_early() {
    let Some(house) = house() else { return };
    let cases = [
        ("exit 1", "it said nothing"),
        ("kill -KILL $$", "it said nothing, and was ended by signal 9"),
        ("echo 'bwrap: no room' >&2; exit 1", "bwrap: no room"),
        ("exec 5>&-; exec sleep 1000", "it said nothing, and was ended by signal 9"),
    ];
    for (script, said) in cases {
        assert_eq!(house.end_with(script), format!("bubblewrap could not build the sandbox: {said}"), "{script}");
    }
}

#[test]
fn a_run_ends_when_only_the_outer_bubblewrap_ends_and_the_inner_one_keeps_every_pipe() {
    let Some(house) = house() else { return };
    let cases = [
        (format!("{INNER} kill -KILL $$"), "it said nothing, and was ended by signal 9"),
        (format!("{INNER} echo 'bwrap: no right' >&2; exit 1"), "bwrap: no right"),
    ];
    for (script, said) in cases {
        assert_eq!(house.end_with(&script), format!("bubblewrap could not build the sandbox: {said}"), "{script}");
    }
}

#[test]
fn a_run_ends_when_bubblewrap_ends_after_it_has_named_its_first_process() {
    let Some(house) = house() else { return };
    let error = house.end_with(&format!("{INNER} echo \"{{ \\\"child-pid\\\": $! }}\" >&5; exit 1"));
    assert_eq!(error, "the sandbox could not be built: bubblewrap said nothing");
}

#[test]
fn nothing_of_an_early_end_keeps_the_session() {
    let Some(house) = house() else { return };
    let session = house.session();
    let mut runner = house.runs_with(&format!("{INNER} kill -KILL $$"), &session);
    let id = runner.started();
    assert_eq!((runner.answer().as_str(), runner.end()), ("ended failed", Some(0)), "{}", house.said());
    house.kit.store().collect_run(&id, nc_store::now()).expect("the run is collected");
    house.agent("exit 0");
    let mut next = Runner::start(&house, &format!("run {session} message\n"));
    next.started();
    assert_eq!(next.answer(), "ended completed", "{}", house.said());
}
