//! The tries once more outside, by whoever asks: below a unit the runner is held itself, so that some of them succeed there no more
//! than in a sandbox, and prove little.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use nc_config::Installation;
use nc_daemon::Failure;
use nc_model::FolderName;
use nc_sandbox::escape::Tried;
use nc_sandbox::{Identity, Limits};
use nc_store::new_id;
use serde_json::Value;

use super::bait::Bait;
use super::try_outside;
use super::verdict::{UNPROVED, shown};
use crate::refusal::at;

/// The lines of a proof, those that proved little with what the tries find here.
pub(crate) async fn proved_here(mut lines: Vec<Value>, installation: &Installation, folder: &FolderName) -> Vec<Value> {
    if lines.iter().any(|line| refused_inside(line).is_some()) {
        match here(installation, folder).await {
            Ok(tried) => {
                for line in &mut lines {
                    prove(line, &tried);
                }
            }
            Err(failure) => {
                crate::hand::say(&format!("the tries cannot be made here, and prove no more: {:#}", failure.error()));
            }
        }
    }
    lines
}

/// What refused the try of `line`, where that proves little so far.
fn refused_inside(line: &Value) -> Option<String> {
    line["inside"].as_str()?.strip_suffix(UNPROVED).map(str::to_owned)
}

fn prove(line: &mut Value, tried: &[Tried]) {
    let Some(inside) = refused_inside(line) else { return };
    let here = tried.iter().find(|one| one.reached && line["try"] == one.name.as_str());
    if let Some(one) = here {
        line["state"] = "pass".into();
        line["inside"] = inside.into();
        line["outside"] = shown(&format!("outside of the runner's unit: {}", one.found)).into();
    }
}

async fn here(installation: &Installation, folder: &FolderName) -> Result<Vec<Tried>, Failure> {
    let place = Place::make()?;
    let bait = Bait::lay(installation, folder, &place.0, Identity::Own)?;
    Ok(try_outside(&bait, &place.0, Limits::default().processes).await?.tried)
}

/// A directory that goes with this value.
struct Place(PathBuf);

impl Place {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("nc-prove-{}", new_id()));
        DirBuilder::new().mode(0o700).create(&path).with_context(|| at("make", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_succeeds_here_makes_a_proof_of_what_proved_little() {
        let tried = |name: &str, reached| Tried { name: name.to_owned(), reached, found: "it is open".to_owned() };
        let here = [tried("door", true), tried("window", false), tried("loopback", true)];
        let little = |name: &str| json!({ "try": name, "state": "warn", "inside": format!("shut{UNPROVED}"), "outside": "shut" });
        let by_design = json!({ "try": "loopback", "state": "warn", "inside": "it was reached", "outside": "x" });
        let mut lines = [little("door"), little("window"), by_design.clone()];
        for line in &mut lines {
            prove(line, &here);
        }
        let expected = "outside of the runner's unit: it is open";
        assert_eq!(lines[0], json!({ "try": "door", "state": "pass", "inside": "shut", "outside": expected }));
        assert_eq!((&lines[1], &lines[2]), (&little("window"), &by_design));
    }
}
