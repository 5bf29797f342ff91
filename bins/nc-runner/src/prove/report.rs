//! What whoever makes the tries says: lines of JSON, and then noise.

use std::time::Duration;

use nc_sandbox::cgroup::Enforcement;
use nc_sandbox::escape::Tried;
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdout;
use tokio::time::timeout;

/// How much of it is kept, in bytes: some sixty tries of some hundred bytes each.
pub(super) const MAX_REPORT: usize = 1024 * 1024;

/// How much is printed inside to no purpose, in bytes.
pub(super) const FLOOD: usize = 4 * MAX_REPORT;

/// How long the tries may take. They take a second.
const LONGEST: Duration = Duration::from_secs(120);

/// The name of the try whose success shows outside of the sandbox.
const SIGNAL: &str = "a signal to a process of the host";

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What came of each try.
    pub(super) tried: Vec<Tried>,
    /// How many bytes came.
    pub(super) came: usize,
    /// How many of them were kept.
    pub(super) kept: usize,
    /// How the sandbox's limits are held.
    pub(super) enforcement: Option<Enforcement>,
}

impl Report {
    /// Reads to the end, or as long as there is patience.
    pub(super) async fn read(mut stdout: ChildStdout) -> Self {
        let (mut kept, mut came) = (Vec::new(), 0);
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = stdout.read(&mut buffer).await {
                came += count;
                let room = MAX_REPORT.saturating_sub(kept.len()).min(count);
                kept.extend_from_slice(&buffer[..room]);
            }
        };
        // What came in time counts; what is missing is said.
        drop(timeout(LONGEST, reading).await);
        let tried = kept.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect();
        Self { tried, came, kept: kept.len(), enforcement: None }
    }

    /// Takes in whether the process that was to be signalled has ended by it, whatever the try says.
    pub(super) fn signalled(&mut self, ended: bool) {
        for tried in self.tried.iter_mut().filter(|tried| ended && tried.name == SIGNAL) {
            tried.reached = true;
            "the process ended by it".clone_into(&mut tried.found);
        }
    }
}
