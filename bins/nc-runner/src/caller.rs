//! Whoever asked for the run, at the other end of the connection.

use std::time::Duration;

use nc_model::RunOutcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tracing::debug;

use crate::request::{Asked, LONGEST};

/// How long the caller may take with its line. It writes it in the same breath as it connects.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take to be taken: the caller's socket holds thousands of them.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// Whoever asked. That it goes away changes nothing: the run goes on.
#[derive(Debug)]
pub(crate) struct Caller {
    stream: UnixStream,
}

impl Caller {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// The request; none where the caller left without one. The error is what the caller is to be told.
    pub(crate) async fn request(&mut self) -> Result<Option<Asked>, String> {
        let mut line = Vec::new();
        let read = timeout(PATIENCE, self.read_line(&mut line)).await;
        match read {
            Err(_) => Err(format!("no request came within {} s", PATIENCE.as_secs())),
            Ok(false) if line.is_empty() => Ok(None),
            Ok(false) => Err(format!("the request has no end within {LONGEST} bytes")),
            Ok(true) => {
                let text = std::str::from_utf8(&line).map_err(|error| format!("the request is no text: {error}"))?;
                debug!(line = ?text, "a request for a run");
                Asked::parse(text).map(Some)
            }
        }
    }

    /// Reads up to the end of the line; false where there is none.
    async fn read_line(&mut self, line: &mut Vec<u8>) -> bool {
        while line.len() < LONGEST {
            match self.stream.read_u8().await {
                Ok(b'\n') => return true,
                Ok(byte) => line.push(byte),
                Err(_) => return false,
            }
        }
        false
    }

    /// Returns when the caller has gone away. What it still says is read and forgotten.
    pub(crate) async fn gone(&mut self) {
        let mut buffer = [0; 64];
        while let Ok(1..) = self.stream.read(&mut buffer).await {}
    }

    /// Says that the run has begun.
    pub(crate) async fn started(&mut self, run: &str) {
        self.say(&format!("started {run}")).await;
    }

    /// Says that the session has a run.
    pub(crate) async fn busy(&mut self) {
        self.say("busy").await;
    }

    /// Says that there is no run, and why.
    pub(crate) async fn refused(&mut self, why: &str) {
        self.say(&format!("refused {why}")).await;
    }

    /// Says a line of a proof.
    pub(crate) async fn proof(&mut self, line: &serde_json::Value) {
        self.say(&format!("proof {line}")).await;
    }

    /// Says that the run has ended.
    pub(crate) async fn ended(&mut self, outcome: RunOutcome) {
        self.say(&format!("ended {outcome}")).await;
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{}\n", line.replace(['\n', '\r'], " "));
        match timeout(ANSWER_PATIENCE, self.stream.write_all(line.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "nobody hears the answer"),
            Err(_) => debug!("nobody takes the answer"),
        }
    }
}
