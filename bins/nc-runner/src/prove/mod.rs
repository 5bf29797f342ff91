//! A proof of the walls: every known way out of the sandbox of a group's agent is tried from inside of it, and outside of any, where
//! the same try has to succeed or proves nothing.

mod again;
mod bait;
mod report;
mod verdict;

use std::io::{Write as _, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, ExitCode, Stdio};

use anyhow::Context as _;
use nc_config::Loaded;
use nc_daemon::Failure;
use nc_model::{FolderName, RunOutcome};
use nc_sandbox::escape::{Targets, Tried, try_all};
use nc_sandbox::{Mount, Spec, Streams};
use tokio::io::AsyncWriteExt as _;

pub(crate) use self::again::proved_here;
use self::bait::{Bait, Decoy};
use self::report::{FLOOD, Report};
use self::verdict::Verdicts;
use crate::caller::Caller;
use crate::driver::Driver;
use crate::plan::Plan;
use crate::shell::{Place, find, sandbox_failed, target};
use crate::workplace::Workplace;

/// Where this program lies in the sandbox that it makes its tries in: the only difference to an agent's.
const INSIDE: &str = "/app/nc-runner";

/// What of a sandbox lies in memory.
const IN_MEMORY: &[&str] = &["/tmp", "/dev/shm", "/home/node"];

/// Where the tries may write inside: the session's own directory.
const SCRATCH: &str = "/workspace";

/// What of the system is tried for writing besides the mounts.
const OF_THE_SYSTEM: &[&str] = &["/", "/usr", "/etc", "/app", "/dev", "/proc/1"];

/// Makes the tries and tells the caller what came of them.
pub(crate) async fn serve(loaded: &Loaded, folder: &FolderName, caller: &mut Caller) -> Result<(), Failure> {
    let prepared = match Prepared::new(loaded, folder) {
        Ok(prepared) => prepared,
        Err(failure) => {
            caller.refused(&format!("{:#}", failure.error())).await;
            return Err(failure);
        }
    };
    caller.started("proof").await;
    let verdicts = prepared.tried().await?;
    for line in verdicts.lines() {
        caller.proof(&line).await;
    }
    caller.ended(RunOutcome::Completed).await;
    Ok(())
}

/// Makes the tries that standard input names, and prints what came of each; then as much as is asked for, to no purpose.
pub(crate) fn make_tries() -> ExitCode {
    match tries() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::hand::say(&format!("the tries cannot be made: {error:#}"));
            ExitCode::from(Failure::USAGE)
        }
    }
}

fn tries() -> anyhow::Result<()> {
    let order = std::io::read_to_string(stdin().lock()).context("read the order")?;
    let (flood, targets) = order.split_once('\n').context("read the order: it has one line")?;
    let (flood, targets) = (flood.parse::<usize>()?, serde_json::from_str::<Targets>(targets)?);
    let mut out = stdout().lock();
    let mut written = Ok(());
    try_all(&targets, |tried| {
        let line = serde_json::to_string(&tried).unwrap_or_default();
        written = std::mem::replace(&mut written, Ok(())).and_then(|()| writeln!(out, "{line}"));
    });
    written?;
    let block = [b'x'; 4096];
    for _ in 0..flood / block.len() {
        out.write_all(&block)?;
    }
    Ok(out.flush()?)
}

/// Everything that the tries need.
struct Prepared {
    place: Place,
    spec: Spec,
    targets: Targets,
    bait: Bait,
}

impl Prepared {
    fn new(loaded: &Loaded, folder: &FolderName) -> Result<Self, Failure> {
        if let Some(missing) = nc_sandbox::missing() {
            return Err(Failure::config(missing));
        }
        let installation = &loaded.installation;
        let group = find(loaded, folder.as_str())?;
        let (name, place) = Place::of_a_shell(installation, group.id).map_err(Failure::of_system)?;
        let plan = Plan::new(target(&group, &name), &loaded.config);
        let plan = plan.map_err(|why| Failure::config(anyhow::anyhow!(why)))?;
        let whose = (group.id, &group.folder, group.is_main);
        let workplace = Workplace::new(installation, place.session.clone(), whose)?;
        workplace.prepare(&name).map_err(Failure::of_system)?;
        let driver = Driver::for_shell(plan.provider, loaded);
        let mut spec = workplace.spec(&name, plan.limits, &plan.timezone, &driver.choice)?;
        spec.command = vec![INSIDE.into(), "--tries".into()];
        let bait = Bait::lay(installation, &group.folder, &place.session.root, spec.identity)?;
        let mounts = spec.mounts.iter().map(|mount| mount.target.clone());
        let targets = Targets {
            mounts: mounts.chain(OF_THE_SYSTEM.iter().map(PathBuf::from)).collect(),
            scratch: SCRATCH.into(),
            memory: IN_MEMORY.iter().map(PathBuf::from).collect(),
            processes: spec.limits.processes,
            first: 1,
            ..bait.targets()
        };
        Ok(Self { place, spec, targets, bait })
    }

    /// Makes the tries outside and inside, and judges them.
    async fn tried(mut self) -> Result<Verdicts, Failure> {
        let outside = self.outside().await;
        let mut decoy = self.bait.decoy()?;
        let mut report = self.inside(&decoy).await?;
        report.signalled(decoy.has_ended());
        drop(decoy);
        let mounts = self.spec.mounts.split_off(0);
        // The one that is there for the tries alone.
        let mounts = mounts.into_iter().filter(|mount| mount.target != Path::new(INSIDE)).collect();
        Ok(Verdicts { uid: self.spec.identity.uid(), mounts, inside: report, outside })
    }

    /// The same tries as ourselves, with nothing around them; none where they cannot be made.
    async fn outside(&self) -> Vec<Tried> {
        match try_outside(&self.bait, &self.place.session.root, self.targets.processes).await {
            Ok(report) => report.tried,
            Err(failure) => {
                tracing::warn!(
                    "the tries cannot be made outside of a sandbox, and prove nothing: {:#}",
                    failure.error()
                );
                Vec::new()
            }
        }
    }

    async fn inside(&mut self, decoy: &Decoy) -> Result<Report, Failure> {
        let own = std::env::current_exe().context("find this program's own file")?;
        self.spec.mounts.push(Mount::read_only(own, INSIDE));
        let targets = Targets { process: decoy.pid(), ..self.targets.clone() };
        let streams = Streams { stdin: Stdio::piped(), stdout: Stdio::piped(), stderr: Stdio::inherit() };
        let lock = self.place.lock.share().map_err(Failure::again)?;
        let mut sandbox = nc_sandbox::start(&self.spec, streams, lock).map_err(sandbox_failed)?;
        let streams = (sandbox.take_stdin(), sandbox.take_stdout());
        let mut report = exchange(streams, &order(&targets, FLOOD)).await;
        report.enforcement = Some(sandbox.enforcement());
        sandbox.kill().map_err(sandbox_failed)?;
        sandbox.wait().map_err(sandbox_failed)?;
        Ok(report)
    }
}

/// Makes the tries with nothing around them, as far as we are not held ourselves. `scratch` is the directory of the bait.
async fn try_outside(bait: &Bait, scratch: &Path, processes: u32) -> Result<Report, Failure> {
    let decoy = bait.decoy()?;
    let targets = Targets {
        process: decoy.pid(),
        first: decoy.pid(),
        memory: vec![scratch.to_owned()],
        scratch: scratch.to_owned(),
        processes,
        ..bait.targets()
    };
    let _left_open = bait.open_descriptor()?;
    let own = std::env::current_exe().context("find this program's own file")?;
    let mut command = std::process::Command::new(own);
    command.arg("--tries").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = Decoy::start(&mut command)?;
    let streams = child.streams();
    Ok(exchange(streams, &order(&targets, 0)).await)
}

fn order(targets: &Targets, flood: usize) -> String {
    format!("{flood}\n{}", serde_json::to_string(targets).unwrap_or_default())
}

/// Tells whoever makes the tries what to try, and hears what came of it.
async fn exchange(streams: (Option<ChildStdin>, Option<ChildStdout>), order: &str) -> Report {
    let stdin = streams.0.and_then(|pipe| tokio::process::ChildStdin::from_std(pipe).ok());
    let stdout = streams.1.and_then(|pipe| tokio::process::ChildStdout::from_std(pipe).ok());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Report::default() };
    let told = async move {
        // Whoever does not listen has no answers, and that is said.
        drop(stdin.write_all(order.as_bytes()).await);
    };
    tokio::join!(told, Report::read(stdout)).1
}
