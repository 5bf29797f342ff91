//! Where requests go, and what proves that they may.

use std::net::SocketAddr;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use nc_wire::start::Credentials;
use reqwest::{NoProxy, Proxy, Url};

use super::given::Given;
use super::token::Token;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// What a token of a subscription needs besides itself, as Claude Code sends it.
const OAUTH_BETA: &str = "oauth-2025-04-20";

/// A shorter value is no secret: hiding it wherever it stands would hide ordinary words.
const SHORTEST_SECRET: usize = 8;

/// An API of models, and a credential for it.
pub(crate) struct Upstream {
    base: Url,
    proof: Proof,
    /// Amazon Bedrock, in this region; otherwise Anthropic's API or what looks like it.
    region: Option<String>,
    /// The model that is asked for where nothing else names one.
    pub(crate) model: Option<String>,
    proxy: Option<(String, String)>,
    secrets: Vec<String>,
}

enum Proof {
    Key(HeaderValue),
    Bearer(HeaderValue),
    OAuth(HeaderValue),
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoUpstream {
    #[error(
        "there is no credential for Claude: ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, CLAUDE_CODE_OAUTH_TOKEN or \
         AWS_BEARER_TOKEN_BEDROCK"
    )]
    NoCredential,
    #[error("AWS_REGION is missing: Amazon Bedrock needs it")]
    NoRegion,
    #[error("{name} is not {allowed}")]
    Wrong { name: &'static str, allowed: &'static str },
}

impl Upstream {
    /// Takes what is needed out of the credentials that the host gave.
    pub(crate) fn of(credentials: Credentials) -> Result<Self, NoUpstream> {
        let mut given = Given::new(credentials);
        let key = given.secret("ANTHROPIC_API_KEY")?.map(Proof::Key);
        let token = given.bearer("ANTHROPIC_AUTH_TOKEN")?.map(Proof::Bearer);
        let oauth = given.bearer("CLAUDE_CODE_OAUTH_TOKEN")?.map(Proof::OAuth);
        let bedrock = given.bearer("AWS_BEARER_TOKEN_BEDROCK")?.map(Proof::Bearer);
        let direct = key.or(token).or(oauth);
        let is_bedrock = direct.is_none();
        let proof = direct.or(bedrock).ok_or(NoUpstream::NoCredential)?;
        let region = if is_bedrock { Some(given.region()?) } else { None };
        Ok(Self {
            base: given.base(region.as_deref())?,
            proof,
            region,
            model: given.take("ANTHROPIC_MODEL"),
            proxy: given.proxy()?,
            secrets: given.secrets,
        })
    }

    /// The API's host, for people.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Where a request for `path_and_query` goes.
    pub(super) fn url(&self, path_and_query: &str) -> Option<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path_and_query}")).ok()?;
        // Whatever the path is: it goes to no other host than the credential.
        (url.origin() == self.base.origin()).then_some(url)
    }

    /// Whether a request is one that a conversation needs. Others could do with the credential what nobody wants, such as make
    /// new keys with it.
    pub(super) fn serves(&self, method: &str, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (self.region.is_some(), method, segments.as_slice()) {
            (false, "POST", ["v1", "messages"] | ["v1", "messages", "count_tokens"])
            | (_, "HEAD" | "GET", ["api", "hello"]) => true,
            (true, "POST", ["model", id, "invoke" | "invoke-with-response-stream" | "count-tokens"]) => {
                !id.is_empty() && *id != "." && *id != ".."
            }
            _ => false,
        }
    }

    /// Proves a request, whose headers say nothing of that yet.
    pub(super) fn prove(&self, headers: &mut HeaderMap) {
        match &self.proof {
            Proof::Key(value) => headers.insert(API_KEY, value.clone()),
            Proof::Bearer(value) => headers.insert(AUTHORIZATION, value.clone()),
            Proof::OAuth(value) => {
                add_beta(headers);
                headers.insert(AUTHORIZATION, value.clone())
            }
        };
    }

    /// What the client is told in its environment so that it comes here: the names that it would know the credential by, with
    /// the token of the run in its place.
    pub(super) fn environment(&self, address: SocketAddr, token: &Token) -> Vec<(&'static str, String)> {
        let (url, token) = (format!("http://{address}"), token.text().to_owned());
        if let Some(region) = &self.region {
            return vec![
                ("CLAUDE_CODE_USE_BEDROCK", "1".to_owned()),
                // It sends the token as a bearer and signs nothing.
                ("CLAUDE_CODE_SKIP_BEDROCK_AUTH", "1".to_owned()),
                ("ANTHROPIC_BEDROCK_BASE_URL", url),
                ("AWS_REGION", region.clone()),
                ("AWS_BEARER_TOKEN_BEDROCK", token),
            ];
        }
        let name = match &self.proof {
            Proof::Key(_) => "ANTHROPIC_API_KEY",
            Proof::Bearer(_) => "ANTHROPIC_AUTH_TOKEN",
            Proof::OAuth(_) => "CLAUDE_CODE_OAUTH_TOKEN",
        };
        vec![("ANTHROPIC_BASE_URL", url), (name, token)]
    }

    /// What carries requests there. Where the host gave no proxy, the environment's counts.
    pub(super) fn client(&self) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        match &self.proxy {
            None => builder,
            Some((proxy, except)) => match Proxy::https(proxy) {
                Ok(proxy) => builder.proxy(proxy.no_proxy(NoProxy::from_string(except))),
                // It was looked at when it came.
                Err(_) => builder,
            },
        }
    }

    /// Whether a secret stands in `bytes`.
    pub(super) fn is_told_by(&self, bytes: &[u8]) -> bool {
        let stands = |secret: &String| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        self.secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET).any(stands)
    }
}

/// Adds the beta of subscriptions to those that the client asks for.
fn add_beta(headers: &mut HeaderMap) {
    let asked: Vec<&str> = headers.get_all(&BETA).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut betas: Vec<&str> = asked.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    betas.retain(|beta| !beta.is_empty());
    if !betas.contains(&OAUTH_BETA) {
        betas.push(OAUTH_BETA);
    }
    if let Ok(value) = HeaderValue::from_str(&betas.join(",")) {
        headers.insert(BETA, value);
    }
}

#[cfg(test)]
mod tests;
