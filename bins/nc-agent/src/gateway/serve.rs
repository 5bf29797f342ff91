//! Connections and requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error, warn};

use super::peer;
use super::relay::Relay;
use super::shared::{Open, Shared};
use super::trouble::{MAX_MESSAGE, Trouble};
use crate::parts::beginning;

/// How many connections there may be. A guess: a client has one for each request in flight, and a few agents of its own.
const MAX_CONNECTIONS: usize = 64;

/// The largest request, in bytes: the API takes 32 MB ("Errors" in its documentation, November 2026), Bedrock 20.
const MAX_REQUEST: usize = 32 * 1024 * 1024;

/// How much is read of an answer that is an error. A guess, far above what the API writes.
const MAX_ERROR: usize = 64 * 1024;

/// How large the head of a request may be: hyper's least that holds a long list of betas many times over.
const MAX_HEAD: usize = 64 * 1024;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A longer wait than this is not worth trying again within the time that somebody waits.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// What belongs to one connection and is not passed on (RFC 9110, section 7.6.1), and what is this side's own to say.
const OF_A_CONNECTION: [HeaderName; 10] = [
    header::CONNECTION,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a request says that is not passed on: whom it is for and what proves it is said anew, its length comes with its body,
/// and what is compressed could not be looked through for secrets.
const OF_A_REQUEST: [HeaderName; 6] = [
    header::HOST,
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
    header::COOKIE,
];

/// Tells Anthropic's clients whether trying again may help.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

type Answer = Response<Either<Full<Bytes>, Relay>>;

/// Takes connections, for ever.
pub(super) async fn serve(listener: TcpListener, own: SocketAddr, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let client = Arc::new(OnceCell::new());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("a connection to the model's API could not be taken, going on: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            warn!("a connection to the model's API is refused: there are {MAX_CONNECTIONS} already");
            continue;
        };
        let door = Door { shared: Arc::clone(&shared), client: Arc::clone(&client) };
        tokio::spawn(async move {
            door.connection(stream, peer, own).await;
            drop(place);
        });
    }
}

struct Door {
    shared: Arc<Shared>,
    /// Made when the first request goes on: it reads the system's certificates.
    client: Arc<OnceCell<Client>>,
}

impl Door {
    async fn connection(self, stream: TcpStream, peer: SocketAddr, own: SocketAddr) {
        match peer::check(peer, own) {
            Ok(Ok(())) => {}
            Ok(Err(stranger)) => {
                warn!("a connection to the model's API is closed: {stranger}");
                return;
            }
            Err(error) => debug!("the token alone keeps others out: {error}"),
        }
        let service = service_fn(|request| async { Ok::<_, Infallible>(self.answer(request).await) });
        let served = http1::Builder::new().max_buf_size(MAX_HEAD).serve_connection(TokioIo::new(stream), service).await;
        if let Err(error) = served {
            debug!("a connection to the model's API ended: {error}");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if !shows(request.headers(), &self.shared) {
            warn!("a request to the model's API is refused: it does not show this run's token");
            return refuse(StatusCode::UNAUTHORIZED, "authentication_error", "the token of this run is missing");
        }
        let (method, path) = (request.method().as_str(), request.uri().path());
        if !self.shared.upstream.serves(method, path) {
            warn!("a request to the model's API is refused: {method} {:?} is not served", beginning(path, 100));
            return refuse(StatusCode::FORBIDDEN, "permission_error", "this is not served here");
        }
        if request.body().size_hint().lower() > MAX_REQUEST as u64 {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", "the request is too large");
        }
        // Asking whether somebody is there proves nothing, and says nothing of how a conversation goes.
        if request.method() == Method::POST { self.pass_on(request).await } else { self.ask(request).await }
    }

    async fn ask(&self, request: Request<Incoming>) -> Answer {
        let asked = timeout(CONNECT_WITHIN, self.send(request)).await;
        let status = asked.ok().and_then(Result::ok).map_or(StatusCode::BAD_GATEWAY, |response| response.status());
        let mut answer = Response::new(Either::Left(Full::default()));
        *answer.status_mut() = status;
        answer
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Answer {
        let begun = Instant::now();
        let Some(patience) = self.shared.patience() else {
            return refuse(StatusCode::GATEWAY_TIMEOUT, "timeout_error", "the API did not answer in time");
        };
        let open = Open::new(&self.shared);
        let sent = match timeout(patience, self.send(request)).await {
            Ok(Ok(response)) => hyper::Response::from(response),
            Ok(Err(unsent)) => {
                let host = self.shared.upstream.host();
                warn!("a request to the model's API at {host} had no answer: {}", unsent.reason);
                let Unsent { reason, connected } = unsent;
                let trouble = if connected { Trouble::Cut } else { Trouble::Unreachable { host, reason } };
                self.shared.failed(begun, trouble);
                return refuse(StatusCode::BAD_GATEWAY, "api_error", "the API gave no answer");
            }
            Err(_elapsed) => {
                warn!("the model's API sent nothing for {} s", patience.as_secs());
                self.shared.failed(begun, Trouble::Silent(patience));
                return refuse(StatusCode::GATEWAY_TIMEOUT, "timeout_error", "the API did not answer in time");
            }
        };
        if sent.status().is_success() { self.relay(sent, open) } else { self.error(sent, begun, patience).await }
    }

    /// Sends a request to the API, with what proves it.
    async fn send(&self, request: Request<Incoming>) -> Result<reqwest::Response, Unsent> {
        let client = self.client.get_or_try_init(|| async { make_client(&self.shared) }).await?;
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = self.shared.upstream.url(path).ok_or_else(|| Unsent::before("its address cannot be made"))?;
        let mut headers = passed_on(&head.headers, &OF_A_REQUEST);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if head.method == Method::POST {
            self.shared.upstream.prove(&mut headers);
        }
        let body = reqwest::Body::wrap(Limited::new(body, MAX_REQUEST));
        let sent = client.request(head.method, url).headers(headers).body(body).send().await;
        sent.map_err(|error| Unsent { connected: !error.is_connect(), reason: reason(&error.without_url()) })
    }

    fn relay(&self, response: Response<reqwest::Body>, open: Open) -> Answer {
        let (head, body) = response.into_parts();
        self.shared.sign_of_life(Instant::now());
        let relay = Relay::new(body, Arc::clone(&self.shared), open);
        let mut answer = Response::new(Either::Right(relay));
        *answer.status_mut() = head.status;
        *answer.headers_mut() = self.harmless(&head.headers);
        answer
    }

    /// An answer that is an error: small, kept in mind, and without anything secret that it may repeat.
    async fn error(&self, response: Response<reqwest::Body>, begun: Instant, patience: Duration) -> Answer {
        let (head, body) = response.into_parts();
        let read = timeout(patience, Limited::new(body, MAX_ERROR).collect()).await;
        let bytes = read.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let code = head.status.as_u16();
        let bytes = if self.shared.upstream.is_told_by(&bytes) {
            error!("an answer of the model's API ({code}) repeats the credential, and is not passed on");
            Bytes::from(error_json("api_error", "the answer repeats what is secret"))
        } else {
            bytes
        };
        let wait = wait_of(&head.headers);
        let message = message_of(&bytes);
        debug!("the model's API answered {code}: {message}");
        self.shared.failed(begun, Trouble::Status { code, message, wait });
        let mut answer = Response::new(Either::Left(Full::new(bytes)));
        // What redirects would send the credential elsewhere, and is passed on as no redirect either.
        *answer.status_mut() = if head.status.is_redirection() { StatusCode::BAD_GATEWAY } else { head.status };
        *answer.headers_mut() = self.harmless(&head.headers);
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        if !may_pass(code) || wait.is_some_and(|wait| wait > LONGEST_WAIT) || self.shared.patience().is_none() {
            answer.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        answer
    }

    fn harmless(&self, headers: &HeaderMap) -> HeaderMap {
        let mut kept = passed_on(headers, &[header::SET_COOKIE]);
        let telling = |value: &HeaderValue| self.shared.upstream.is_told_by(value.as_bytes());
        let names: Vec<HeaderName> =
            kept.iter().filter(|(_, value)| telling(value)).map(|(name, _)| name.clone()).collect();
        for name in names {
            kept.remove(name);
        }
        kept
    }
}

/// A request that had no answer at all.
struct Unsent {
    reason: String,
    /// The API was there.
    connected: bool,
}

impl Unsent {
    fn before(reason: &str) -> Self {
        Self { reason: reason.to_owned(), connected: false }
    }
}

fn make_client(shared: &Shared) -> Result<Client, Unsent> {
    // Twice is no error: a provider that is there already is this one.
    _ = rustls::crypto::ring::default_provider().install_default();
    let builder = shared.upstream.client().connect_timeout(CONNECT_WITHIN);
    builder.build().map_err(|error| Unsent::before(&reason(&error.without_url())))
}

/// Whether a request shows the run's token, as a key or as a bearer's.
fn shows(headers: &HeaderMap, shared: &Shared) -> bool {
    let key = headers.get("x-api-key").map(HeaderValue::as_bytes);
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    [key, bearer].into_iter().flatten().any(|shown| shared.token.is(shown))
}

/// The headers without those of the connection, those that it names for its own, and `others`.
fn passed_on(headers: &HeaderMap, others: &[HeaderName]) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let stays = |name: &HeaderName| !OF_A_CONNECTION.contains(name) && !others.contains(name) && !named.contains(name);
    headers.iter().filter(|(name, _)| stays(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The causes of an error, the last of which says most.
fn reason(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    beginning(&cause.to_string(), MAX_MESSAGE).to_owned()
}

/// Whether the same request may be answered well a moment later. What is not wrong with the request or the credential passes.
fn may_pass(code: u16) -> bool {
    matches!(code, 408 | 409 | 429 | 500..)
}

fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What the API says of an error in its own form, or Bedrock in its; without control characters.
fn message_of(bytes: &[u8]) -> String {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let message = value["error"]["message"].as_str().or(value["message"].as_str()).unwrap_or_default();
    beginning(message, MAX_MESSAGE).replace(char::is_control, " ")
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(error_json(kind, message)))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status != StatusCode::BAD_GATEWAY {
        answer.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    answer
}

fn error_json(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
}
