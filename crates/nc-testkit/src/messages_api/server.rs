//! HTTP around the script.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode, header};
use axum::routing::{any, post};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde_json::{Value, json};

use super::reply::{Reply, TOKENS, closing, events, opening, piece};
use super::{Request, Shared, bedrock};

/// The largest request that is read; a client sends images inside.
const MAX_BODY: usize = 64 << 20;

/// A number that this process has not given before.
pub(super) fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Serves until `stopped` is sent to or dropped.
pub(super) fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: tokio::sync::oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let router = Router::new()
            .route("/v1/messages", post(messages))
            .route("/v1/messages/count_tokens", post(count_tokens))
            .route("/model/{id}/invoke-with-response-stream", post(messages))
            .fallback(any(hello))
            .with_state(shared);
        // Not a graceful end: a connection that hangs on purpose would hold it for ever.
        tokio::select! {
            served = async { axum::serve(listener, router).await } => drop(served),
            over = stopped => drop(over),
        }
    });
}

async fn hello() -> StatusCode {
    StatusCode::OK
}

async fn count_tokens() -> Response<Body> {
    json_response(StatusCode::OK, &json!({"input_tokens": 11}))
}

async fn messages(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let bytes = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let path = head.uri.to_string();
    let headers = head.headers.iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
    let request = Request {
        headers: headers.collect(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        at: Instant::now(),
        path: path.clone(),
    };
    let framing = if path.starts_with("/model/") { Framing::Bedrock } else { Framing::Events };
    let model = request.body["model"].as_str().unwrap_or("a-model").to_owned();
    let streaming = matches!(framing, Framing::Bedrock) || request.body["stream"] == true;
    let reply = shared.take(request);
    match reply {
        Reply::Status { code, kind, message } => {
            let error = json!({"type": "error", "error": {"type": kind, "message": message}});
            json_response(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &error)
        }
        Reply::Blocks(blocks) if !streaming => json_response(StatusCode::OK, &whole(&model, &blocks)),
        Reply::Blocks(blocks) => framing.response(stream::iter(events(&model, &blocks, TOKENS).into_iter().map(Ok))),
        Reply::Full(text, tokens) => {
            let events = events(&model, &[super::Block::Text(text)], tokens);
            framing.response(stream::iter(events.into_iter().map(Ok)))
        }
        Reply::Cut(text) => {
            let begun = opening(&model).into_iter().chain([piece(&text)]).map(Ok);
            let broken = stream::once(async {
                // What came before is sent first.
                tokio::task::yield_now().await;
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
            });
            framing.response(stream::iter(begun).chain(broken))
        }
        Reply::Hang => framing.response(stream::pending()),
        Reply::Slow(text, pause) => framing.response(slowly(&model, &text, pause)),
    }
}

fn slowly(model: &str, text: &str, pause: Duration) -> impl Stream<Item = std::io::Result<Value>> + Send + use<> {
    let pieces = text.chars().map(|c| piece(&c.to_string())).collect::<Vec<_>>();
    let slow = stream::iter(pieces).then(move |event| async move {
        tokio::time::sleep(pause).await;
        event
    });
    stream::iter(opening(model)).chain(slow).chain(stream::iter(closing())).map(Ok)
}

/// The turn as one object, for a client that did not ask for a stream.
fn whole(model: &str, blocks: &[super::Block]) -> Value {
    let content = blocks.iter().map(|b| match b {
        super::Block::Text(text) => json!({"type": "text", "text": text}),
        super::Block::Tool { name, input } => {
            json!({"type": "tool_use", "id": format!("toolu_{:014x}", serial()), "name": name, "input": input})
        }
    });
    json!({"id": format!("msg_{:016x}", serial()), "type": "message", "role": "assistant", "model": model,
        "content": content.collect::<Vec<_>>(), "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 11, "output_tokens": 7}})
}

#[derive(Clone, Copy)]
enum Framing {
    Events,
    Bedrock,
}

impl Framing {
    fn response(self, events: impl Stream<Item = std::io::Result<Value>> + Send + 'static) -> Response<Body> {
        let kind = match self {
            Self::Events => "text/event-stream",
            Self::Bedrock => "application/vnd.amazon.eventstream",
        };
        let bytes = events.map(move |event| event.map(|event| self.bytes(&event)));
        with_type(StatusCode::OK, kind, Body::from_stream(bytes))
    }

    fn bytes(self, event: &Value) -> Bytes {
        match self {
            Self::Events => format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("ping")).into(),
            Self::Bedrock => bedrock::frame(event).into(),
        }
    }
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    with_type(status, "application/json", Body::from(value.to_string()))
}

fn with_type(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(body);
    response.unwrap_or_else(|_: axum::http::Error| Response::new(Body::empty()))
}
