use super::*;

fn credentials(given: &[(&str, &str)]) -> Credentials {
    Credentials(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn upstream(given: &[(&str, &str)]) -> Upstream {
    Upstream::of(credentials(given)).unwrap()
}

fn refusal(given: &[(&str, &str)]) -> String {
    Upstream::of(credentials(given)).err().unwrap().to_string()
}

const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-secret-key");
const TOKEN: (&str, &str) = ("ANTHROPIC_AUTH_TOKEN", "auth-token-1");
const OAUTH: (&str, &str) = ("CLAUDE_CODE_OAUTH_TOKEN", "oauth-token-1");
const AWS: (&str, &str) = ("AWS_BEARER_TOKEN_BEDROCK", "aws-token-1");
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");

/// The headers of a request that came with `betas`.
fn proven(upstream: &Upstream, betas: &str) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    if !betas.is_empty() {
        headers.insert(BETA, HeaderValue::from_str(betas).unwrap());
    }
    upstream.prove(&mut headers);
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn each_credential_is_sent_its_own_way_and_a_key_goes_first() {
    let key = upstream(&[AWS, REGION, OAUTH, TOKEN, KEY]);
    assert_eq!(proven(&key, "a"), pairs(&[("anthropic-beta", "a"), ("x-api-key", "sk-secret-key")]));
    assert_eq!(proven(&upstream(&[OAUTH, TOKEN]), ""), pairs(&[("authorization", "Bearer auth-token-1")]));
    let oauth = upstream(&[OAUTH, AWS, REGION]);
    for (asked, sent) in
        [("", "oauth-2025-04-20"), ("a,b", "a,b,oauth-2025-04-20"), ("a, oauth-2025-04-20,b", "a,oauth-2025-04-20,b")]
    {
        let expected = [("anthropic-beta", sent), ("authorization", "Bearer oauth-token-1")];
        assert_eq!(proven(&oauth, asked), pairs(&expected));
    }
    assert_eq!(proven(&upstream(&[AWS, REGION]), ""), pairs(&[("authorization", "Bearer aws-token-1")]));
}

#[test]
fn the_client_gets_the_token_under_the_name_of_the_credential_and_no_secret() {
    let (address, token) = ("127.0.0.1:4321".parse().unwrap(), Token::random().unwrap());
    for (given, name) in [
        (&[KEY][..], "ANTHROPIC_API_KEY"),
        (&[TOKEN], "ANTHROPIC_AUTH_TOKEN"),
        (&[OAUTH], "CLAUDE_CODE_OAUTH_TOKEN"),
        (&[AWS, REGION], "AWS_BEARER_TOKEN_BEDROCK"),
    ] {
        let upstream = upstream(given);
        let environment = upstream.environment(address, &token);
        assert!(environment.contains(&(name, token.text().to_owned())), "{name}");
        assert!(environment.iter().any(|(_, value)| value == "http://127.0.0.1:4321"));
        assert!(!environment.iter().any(|(_, value)| upstream.is_told_by(value.as_bytes())));
    }
}

#[test]
fn what_is_missing_or_wrong_is_said_by_its_name_and_not_shown() {
    assert!(refusal(&[]).starts_with("there is no credential for Claude"));
    assert!(refusal(&[("ANTHROPIC_API_KEY", "")]).starts_with("there is no credential for Claude"));
    assert_eq!(refusal(&[AWS]), "AWS_REGION is missing: Amazon Bedrock needs it");
    for (name, value) in [
        ("ANTHROPIC_API_KEY", "hunter2\nx"),
        ("ANTHROPIC_AUTH_TOKEN", "hunter2\0"),
        ("ANTHROPIC_BASE_URL", "hunter2"),
        ("ANTHROPIC_BASE_URL", "ftp://hunter2"),
        ("ANTHROPIC_BASE_URL", "https://u:hunter2@host"),
        ("ANTHROPIC_BASE_URL", "https://host/?hunter2"),
        ("HTTPS_PROXY", "http://"),
    ] {
        let mut given = vec![KEY];
        given.retain(|(known, _)| *known != name);
        given.push((name, value));
        let said = refusal(&given);
        assert!(said.starts_with(&format!("{name} is not ")) && !said.contains("hunter2"), "{said}");
    }
    assert!(refusal(&[AWS, ("AWS_REGION", "x.evil.example/")]).starts_with("AWS_REGION is not "));
}

#[test]
fn a_request_goes_to_the_given_host_and_no_other() {
    let to = |given: &[(&str, &str)], path: &str| upstream(given).url(path).map(String::from);
    let at = |url| ("ANTHROPIC_BASE_URL", url);
    let path = "/v1/messages?beta=true";
    for (given, expected) in [
        (&[KEY][..], "https://api.anthropic.com/v1/messages?beta=true"),
        (&[KEY, at("http://127.0.0.1:8080/")], "http://127.0.0.1:8080/v1/messages?beta=true"),
        (&[KEY, at("https://gw.example/claude")], "https://gw.example/claude/v1/messages?beta=true"),
        (&[AWS, REGION], "https://bedrock-runtime.eu-west-1.amazonaws.com/v1/messages?beta=true"),
        (&[AWS, REGION, at("http://b.example")], "http://b.example/v1/messages?beta=true"),
    ] {
        assert_eq!(to(given, path).as_deref(), Some(expected));
    }
    assert_eq!(to(&[KEY], ".evil.example/v1/messages"), None);
    assert_eq!(to(&[KEY], "@evil.example/v1/messages"), None);
}

#[test]
fn only_what_a_conversation_needs_is_served() {
    let (direct, bedrock) = (upstream(&[KEY]), upstream(&[AWS, REGION]));
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        assert!(direct.serves("POST", path) && !bedrock.serves("POST", path), "{path}");
    }
    for path in ["/model/eu.anthropic.x-v1:0/invoke", "/model/a%2Fb/invoke-with-response-stream"] {
        assert!(bedrock.serves("POST", path) && !direct.serves("POST", path), "{path}");
    }
    assert!(direct.serves("HEAD", "/api/hello"));
    let others = [
        "",
        "/",
        "v1/messages",
        "/v1/messages/",
        "/v1/messages/batches",
        "/v1/files",
        "/api/oauth/claude_cli/create_api_key",
        "/v1/organizations/x/api_keys",
        "/model/../invoke",
        "/model//invoke",
        "/model/a/b/invoke",
    ];
    for path in others {
        assert!(!direct.serves("POST", path) && !bedrock.serves("POST", path), "{path}");
    }
    assert!(!direct.serves("GET", "/v1/messages") && !direct.serves("DELETE", "/v1/messages"));
}
