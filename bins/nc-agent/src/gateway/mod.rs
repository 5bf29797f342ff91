//! The model's API on a loopback port of this run: from here requests go on with the real credential.
//!
//! ```text
//! who connects     what becomes of it
//! this sandbox     asked for the token of the run, then served what a conversation needs
//! another sandbox, another user of the host
//!                  the connection is closed, whatever it shows
//! ```
//!
//! The credential is in the memory of this process and in what it sends to the API, and nowhere else. The token is in the
//! environment of the client, where whatever runs in this sandbox can read it: it can talk to the model with it while the
//! run lives, as the agent itself can.

mod given;
mod peer;
mod relay;
mod serve;
mod shared;
mod token;
mod trouble;
mod upstream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::shared::Shared;
use self::token::Token;
pub(crate) use self::trouble::Trouble;
pub(crate) use self::upstream::Upstream;

/// A running gateway; it ends when dropped.
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Gateway {
    /// Opens a port of 127.0.0.1 that nobody knows yet. The API may send nothing for `silence`, and requests that fail one
    /// after another may go on as long.
    pub(crate) async fn open(upstream: Upstream, silence: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(upstream, Token::random()?, silence));
        let server = tokio::spawn(serve::serve(listener, address, Arc::clone(&shared)));
        Ok(Self { shared, address, server })
    }

    /// What the client needs in its environment to come here.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        self.shared.upstream.environment(self.address, &self.shared.token)
    }

    /// The model that came with the credential.
    pub(crate) fn model(&self) -> Option<&str> {
        self.shared.upstream.model.as_deref()
    }

    /// Somebody waits for an answer from now on: what went wrong before does not count.
    pub(crate) fn begin(&self) {
        self.shared.begin();
    }

    /// What went wrong last, where nothing went well since.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.shared.trouble()
    }

    /// When the first byte of an answer came.
    pub(crate) fn first_byte(&self) -> Option<Instant> {
        self.shared.first_byte()
    }

    /// Whether no request is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.shared.is_idle()
    }

    /// Waits until something came from the API. It is told once a second at most.
    pub(crate) async fn sign_of_life(&self) {
        self.shared.signs.notified().await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[cfg(test)]
mod tests;
