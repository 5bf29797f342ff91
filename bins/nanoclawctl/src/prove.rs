//! `nanoclawctl prove`: what the agent of a group can read, write and reach, as tries from inside of its sandbox show it.
//!
//! nc-runner makes them, below whoever holds its socket, as it would start a run of the group's agent.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use nc_config::Options;
use serde::{Deserialize, Serialize};

use crate::cli;
use crate::ending::Refusal;
use crate::group;
use crate::installed::Installed;
use crate::output::{self, Colour, harmless, line};

/// What nc-runner says, a line each: nc-run(5).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Try(Attempt),
    Mount(Mount),
    Sandbox { uid: u32, limits: String },
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It was refused inside, and succeeds outside.
    Pass,
    /// It succeeds as the documentation says, or is refused outside as well.
    Warn,
    /// It succeeds inside.
    Fail,
}

/// One try.
#[derive(Debug, Deserialize, Serialize)]
struct Attempt {
    #[serde(rename = "try")]
    name: String,
    state: State,
    inside: String,
    outside: Option<String>,
}

/// Something that is mounted in the sandbox.
#[derive(Debug, Deserialize, Serialize)]
struct Mount {
    #[serde(rename = "mount")]
    inside: PathBuf,
    from: PathBuf,
    access: String,
}

/// Everything that was said.
#[derive(Debug, Default, Serialize)]
struct Proof {
    group: String,
    uid: u32,
    limits: String,
    mounts: Vec<Mount>,
    tries: Vec<Attempt>,
    passed: usize,
    warnings: usize,
    failed: usize,
}

pub(crate) fn run(options: &Options, prove: &cli::Prove) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let group = group::find(&installed.existing_store()?, &prove.group)?;
    let proof = Proof::read(group.folder.to_string(), &ask(options, &installed, group.folder.as_str())?)?;
    if prove.json.json {
        output::json(&proof)?;
    } else {
        proof.print()?;
    }
    Ok(if proof.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has nc-runner make the tries, which says itself why it cannot.
fn ask(options: &Options, installed: &Installed, folder: &str) -> anyhow::Result<String> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("nc-runner")).filter(|path| path.is_file());
    let runner = beside.unwrap_or_else(|| installed.paths().libexec_dir().join("nc-runner"));
    let mut command = Command::new(&runner);
    command.arg("--dir").arg(installed.paths().dir());
    for set in &options.set {
        command.arg("--set").arg(set);
    }
    let output = command.args(["--prove", folder]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("failed to start {}", output::quoted(&runner)))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).context("failed to read what nc-runner says");
    }
    let status = output.status.code().and_then(|status| u8::try_from(status).ok()).unwrap_or(1);
    Err(Refusal::with(status, "nothing is proved: nc-runner says why"))
}

impl Proof {
    fn read(group: String, text: &str) -> anyhow::Result<Self> {
        let mut proof = Self { group, ..Self::default() };
        for line in text.lines() {
            match serde_json::from_str(line).context("failed to read what nc-runner says")? {
                Said::Try(one) => proof.tries.push(one),
                Said::Mount(one) => proof.mounts.push(one),
                Said::Sandbox { uid, limits } => (proof.uid, proof.limits) = (uid, limits),
            }
        }
        let count = |state| proof.tries.iter().filter(|one| one.state == state).count();
        (proof.passed, proof.warnings, proof.failed) = (count(State::Pass), count(State::Warn), count(State::Fail));
        if proof.tries.is_empty() {
            return Err(Refusal::again("nothing is proved: no try was made"));
        }
        Ok(proof)
    }

    fn print(&self) -> anyhow::Result<()> {
        let colour = Colour::of_stdout();
        line(format!("group {}, as uid {} of the host; {}", self.group, self.uid, self.limits))?;
        for access in ["read", "write"] {
            for mount in self.mounts.iter().filter(|mount| mount.access == access) {
                let (inside, host) = (mount.inside.display().to_string(), mount.from.display().to_string());
                line(format!("{:5} {} ({})", access.to_uppercase(), harmless(&inside), harmless(&host)))?;
            }
        }
        for one in &self.tries {
            let word = match one.state {
                State::Pass => colour.green("PASS "),
                State::Warn => colour.yellow("WARN "),
                State::Fail => colour.red("FAIL "),
            };
            line(format!("{word} {}: {}", colour.bold(&harmless(&one.name)), harmless(&one.inside)))?;
            if let Some(outside) = &one.outside {
                line(format!("      outside: {}", harmless(outside)))?;
            }
        }
        let (all, passed, warnings) = (self.tries.len(), self.passed, self.warnings);
        line(format!("tries: {all}, passed: {passed}, warnings: {warnings}, failures: {}", self.failed))
    }
}
