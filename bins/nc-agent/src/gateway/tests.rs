//! A client that comes as Claude Code does, and an API that does what a test says.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nc_testkit::messages_api::{MessagesApi, Reply};
use nc_wire::start::Credentials;
use reqwest::{Client, Response};
use serde_json::json;

use super::*;

const KEY: &str = "sk-secret-key";
const PATIENCE: Duration = Duration::from_secs(60);

async fn gateway(url: &str, silence: Duration) -> Gateway {
    let given = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url)];
    let credentials = Credentials(given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
    Gateway::open(Upstream::of(credentials).unwrap(), silence).await.unwrap()
}

fn url(gateway: &Gateway, path: &str) -> String {
    format!("http://{}{path}", gateway.address)
}

fn client() -> Client {
    _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// A turn that is asked for with the right token.
async fn turn(gateway: &Gateway) -> reqwest::Result<Response> {
    let body = json!({"model": "m", "stream": true, "tools": [{"name": "t"}], "messages": []}).to_string();
    let request =
        client().post(url(gateway, "/v1/messages?beta=true")).header("x-api-key", gateway.shared.token.text());
    request.header("anthropic-beta", "a").header("te", "trailers").body(body).send().await
}

fn says(response: &Response, header: &str) -> Option<String> {
    response.headers().get(header).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_turn_goes_through_with_the_credential_in_the_tokens_place() {
    let api = MessagesApi::scripted([Reply::text("hello")]).unwrap();
    let gateway = gateway(&api.url(), PATIENCE).await;
    let answer = turn(&gateway).await.unwrap();
    assert_eq!(says(&answer, "content-type").as_deref(), Some("text/event-stream"));
    let answer = answer.text().await.unwrap();
    assert!(answer.contains("hello") && answer.contains("message_stop"), "{answer}");
    let requests = api.requests();
    let sent = &requests[0];
    assert_eq!(sent.path, "/v1/messages?beta=true");
    assert_eq!((sent.header("x-api-key"), sent.header("anthropic-beta")), (Some(KEY), Some("a")));
    assert_eq!(
        (sent.header("te"), sent.header("authorization"), sent.header("accept-encoding")),
        (None, None, Some("identity"))
    );
    assert!(sent.is_turn() && gateway.first_byte().is_some() && gateway.trouble().is_none() && gateway.is_idle());
    assert!(!format!("{:?}", sent.headers).contains(gateway.shared.token.text()));
}

#[tokio::test]
async fn without_the_token_nothing_is_served_and_with_it_not_everything() {
    let api = MessagesApi::scripted([]).unwrap();
    let gateway = gateway(&api.url(), PATIENCE).await;
    let post = |path| client().post(url(&gateway, path)).body("{}");
    let token = gateway.shared.token.text();
    for (request, status) in [
        (post("/v1/messages"), 401),
        (post("/v1/messages").header("x-api-key", KEY), 401),
        (post("/v1/messages").header("authorization", format!("Bearer {}", &token[1..])), 401),
        (post("/v1/messages").header("authorization", token), 401),
        (post("/v1/files").header("x-api-key", token), 403),
        (post("/api/oauth/claude_cli/create_api_key").header("authorization", format!("Bearer {token}")), 403),
        (post("//v1/messages").header("x-api-key", token), 403),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(says(&answer, "x-should-retry").as_deref(), Some("false"));
    }
    assert!(api.requests().is_empty());
    let hello = client().head(url(&gateway, "/api/hello")).header("x-api-key", token).send().await.unwrap();
    assert_eq!(hello.status(), 200);
}

#[tokio::test]
async fn an_error_is_passed_on_and_remembered_until_something_goes_well() {
    let codes = [401, 402, 403, 404, 429, 529];
    let api = MessagesApi::scripted(codes.iter().map(|code| Reply::error(*code))).unwrap();
    let gateway = gateway(&api.url(), PATIENCE).await;
    for code in codes {
        let answer = turn(&gateway).await.unwrap();
        assert_eq!(answer.status(), code);
        assert_eq!(says(&answer, "x-should-retry").is_none(), code == 429 || code == 529, "{code}");
        let Some(Trouble::Status { code: known, message, wait: None }) = gateway.trouble() else { panic!("{code}") };
        assert_eq!(known, code);
        assert!(answer.text().await.unwrap().contains(&message) && !message.is_empty());
    }
    turn(&gateway).await.unwrap().text().await.unwrap();
    assert_eq!(gateway.trouble(), None);
}

#[tokio::test]
async fn an_answer_that_repeats_the_credential_is_not_passed_on() {
    let message = format!("bad key {KEY}");
    let api = MessagesApi::scripted([Reply::Status { code: 400, kind: "invalid_request_error", message }]).unwrap();
    let gateway = gateway(&api.url(), PATIENCE).await;
    let answer = turn(&gateway).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(!answer.text().await.unwrap().contains(KEY));
    assert!(!format!("{:?}", gateway.trouble()).contains(KEY));
}

#[tokio::test]
async fn a_broken_and_a_silent_answer_break_the_clients_connection() {
    let api = MessagesApi::scripted([Reply::Cut("half".into()), Reply::Hang]).unwrap();
    // Long enough for the headers on a busy machine; then nothing follows.
    let patience = Duration::from_secs(2);
    let gateway = gateway(&api.url(), patience).await;
    let broken = turn(&gateway).await.unwrap();
    broken.text().await.unwrap_err();
    assert_eq!(gateway.trouble(), Some(Trouble::Cut));
    gateway.begin();
    assert_eq!(gateway.trouble(), None);
    let silent = turn(&gateway).await.unwrap();
    assert!(!gateway.is_idle());
    silent.text().await.unwrap_err();
    assert_eq!(gateway.trouble(), Some(Trouble::Silent(patience)));
    assert!(gateway.is_idle());
    // The time is over, and nothing more is asked of the API until somebody waits anew.
    let asked = api.requests().len();
    let answer = turn(&gateway).await.unwrap();
    assert_eq!((answer.status().as_u16(), says(&answer, "x-should-retry").as_deref()), (504, Some("false")));
    assert_eq!(api.requests().len(), asked);
    gateway.begin();
    assert_eq!(turn(&gateway).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_api_that_is_not_there_is_named() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = gateway(&format!("http://{nobody}"), PATIENCE).await;
    assert_eq!(turn(&gateway).await.unwrap().status(), 502);
    let Some(Trouble::Unreachable { host, reason }) = gateway.trouble() else { panic!("{:?}", gateway.trouble()) };
    assert_eq!(host, nobody.to_string());
    assert!(reason.contains("refused"), "{reason}");
}

/// What another process reads that shows the right token: nothing, where it is not let in.
async fn asked_by(command: &mut Command, gateway: &Gateway) -> String {
    let (address, token) = (gateway.address, gateway.shared.token.text());
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}; printf 'HEAD /api/hello HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\nx-api-key: {token}\\r\\n\\r\\n' >&3; cat <&3",
        address.ip(),
        address.port()
    );
    let mut command = std::mem::replace(command, Command::new("true"));
    command.args(["-c", &script]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn another_user_is_not_served_whatever_it_shows() {
    let api = MessagesApi::scripted([]).unwrap();
    let gateway = gateway(&api.url(), PATIENCE).await;
    assert!(asked_by(&mut Command::new("bash"), &gateway).await.starts_with("HTTP/1.1 200"));
    if nix::unistd::geteuid().is_root() {
        assert_eq!(asked_by(Command::new("bash").uid(65534), &gateway).await, "");
    } else {
        nc_testkit::skip("another user at the gateway's port", "only root can be somebody else");
    }
}
