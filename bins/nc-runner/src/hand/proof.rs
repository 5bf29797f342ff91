//! A proof of the walls, asked for by hand: nc-run(5), the caller's side.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use anyhow::anyhow;
use nc_config::{Loaded, Options};
use nc_daemon::Failure;
use serde_json::Value;

use super::connection::{Answer, Connection};
use super::others::Others;
use super::say;
use crate::prove::proved_here;

/// Has the tries made by whoever holds the runner's socket, where nobody does by a child of ours, and prints what came of each.
pub(crate) fn prove(options: &Options, folder: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failure::again).and_then(|runtime| {
        let loaded = nc_config::load(options).map_err(Failure::config)?;
        let group = crate::shell::find(&loaded, folder)?;
        runtime.block_on(async {
            let mut others = Others::new(&loaded, options);
            let asked = asked(&loaded, group.folder.as_str(), &mut others).await;
            others.stop().await;
            for line in proved_here(asked?, &loaded.installation, &group.folder).await {
                writeln!(stdout(), "{line}").map_err(Failure::again)?;
            }
            Ok(())
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("{:#}", failure.error()));
            ExitCode::from(&failure)
        }
    }
}

async fn asked(loaded: &Loaded, folder: &str, others: &mut Others<'_>) -> Result<Vec<Value>, Failure> {
    let mut connection = Connection::open(loaded, others, false).await?;
    match connection.ask(&format!("prove {folder}")).await? {
        Answer::Started => {}
        Answer::Busy => return Err(Failure::again(anyhow!("nothing is proved: the runner is busy"))),
        Answer::Refused(why) => return Err(Failure::config(anyhow!("nothing is proved: {why}"))),
        Answer::Gone(why) => return Err(Failure::again(anyhow!("nothing is proved: {why}"))),
    }
    let mut lines = Vec::new();
    while let Some(line) = connection.next().await {
        match line.split_once(' ') {
            Some(("proof", proof)) => lines.push(serde_json::from_str(proof).map_err(Failure::again)?),
            Some(("ended", _)) => return Ok(lines),
            _ => break,
        }
    }
    Err(Failure::again(anyhow!("the proof has no end: the runner's log says why")))
}
