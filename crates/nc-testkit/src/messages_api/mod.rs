//! A Messages API on loopback that says what a test tells it to, streaming and failing as the real one does.
//!
//! It serves what Claude Code asks for: `POST /v1/messages` (server-sent events), `POST /v1/messages/count_tokens`, `HEAD
//! /api/hello`, and Bedrock's `POST /model/<id>/invoke-with-response-stream`. Every request is kept for the test to look at.

mod bedrock;
mod reply;
mod server;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use reply::{Block, Reply};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path with its query.
    pub path: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body as JSON, null where it is none.
    pub body: Value,
    /// When the last byte of the body had come.
    pub at: Instant,
}

impl Request {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether this is a turn of the conversation: the client's own questions (a title, a count) carry no tools.
    #[must_use]
    pub fn is_turn(&self) -> bool {
        self.body["tools"].as_array().is_some_and(|tools| !tools.is_empty())
    }

    /// The text of the newest message of the user, its parts joined.
    #[must_use]
    pub fn newest_text(&self) -> String {
        let newest = self.body["messages"].as_array().and_then(|m| m.iter().rev().find(|m| m["role"] == "user"));
        newest.map(|m| text_of(&m["content"])).unwrap_or_default()
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(|p| text_of(&p["text"])).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    requests: Mutex<Vec<Request>>,
    arrived: Condvar,
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, request: Request) -> Reply {
        let reply = (self.answer)(&request);
        self.requests().push(request);
        self.arrived.notify_all();
        reply
    }
}

/// A running server; it ends when dropped.
pub struct MessagesApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MessagesApi {
    /// Starts a server on a free port of 127.0.0.1 that answers each request with what `answer` says.
    ///
    /// # Errors
    /// Where no port or thread can be had.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { answer: Box::new(answer), requests: Mutex::default(), arrived: Condvar::new() });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let state = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("messages-api".to_owned())
            .spawn(move || server::serve(listener, state, stopped))?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Starts a server that gives the turns of the conversation `replies` in order, and a plain text to all else.
    ///
    /// # Errors
    /// As for [`MessagesApi::start`].
    pub fn scripted(replies: impl IntoIterator<Item = Reply>) -> std::io::Result<Self> {
        let script = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |request| {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            let next = if request.is_turn() { script.pop_front() } else { None };
            next.unwrap_or_else(|| Reply::text("There is nothing more in the script."))
        })
    }

    /// The base URL, as `ANTHROPIC_BASE_URL` wants it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }

    /// Waits until a request that `wanted` accepts has come, and returns it; `None` once `deadline` is over.
    #[must_use]
    pub fn wait_for(&self, deadline: Duration, wanted: impl Fn(&Request) -> bool) -> Option<Request> {
        let end = Instant::now() + deadline;
        let mut requests = self.shared.requests();
        loop {
            if let Some(request) = requests.iter().find(|r| wanted(r)) {
                return Some(request.clone());
            }
            let left = end.checked_duration_since(Instant::now())?;
            let woken = self.shared.arrived.wait_timeout(requests, left);
            requests = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for MessagesApi {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread hears that the sender is gone.
            drop(stop);
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
