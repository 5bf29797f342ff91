//! The credentials as the host gave them, read by their names.

use std::collections::BTreeMap;

use hyper::header::HeaderValue;
use nc_wire::start::Credentials;
use reqwest::{Proxy, Url};

use super::upstream::NoUpstream;

const ANTHROPIC: &str = "https://api.anthropic.com";

/// What was given, and which secrets were among what was taken of it.
pub(super) struct Given {
    values: BTreeMap<String, String>,
    pub(super) secrets: Vec<String>,
}

impl Given {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { values: credentials.0, secrets: Vec::new() }
    }

    /// A value that is there and not empty.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }

    /// A secret that goes into a header as it is.
    pub(super) fn secret(&mut self, name: &'static str) -> Result<Option<HeaderValue>, NoUpstream> {
        let Some(secret) = self.take(name) else { return Ok(None) };
        let value = header(name, &secret)?;
        self.secrets.push(secret);
        Ok(Some(value))
    }

    /// A secret that goes into a header as a bearer's.
    pub(super) fn bearer(&mut self, name: &'static str) -> Result<Option<HeaderValue>, NoUpstream> {
        let Some(secret) = self.take(name) else { return Ok(None) };
        let value = header(name, &format!("Bearer {secret}"))?;
        self.secrets.push(secret);
        Ok(Some(value))
    }

    pub(super) fn region(&mut self) -> Result<String, NoUpstream> {
        let region = self.take("AWS_REGION").ok_or(NoUpstream::NoRegion)?;
        let is_plain = region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let wrong = NoUpstream::Wrong { name: "AWS_REGION", allowed: "a region such as eu-west-1" };
        if is_plain { Ok(region) } else { Err(wrong) }
    }

    /// Where the API is: what was given, or else Bedrock in `region`, or Anthropic's own.
    pub(super) fn base(&mut self, region: Option<&str>) -> Result<Url, NoUpstream> {
        let own = region.and_then(|_| self.take("ANTHROPIC_BEDROCK_BASE_URL"));
        let (name, given) = match own {
            Some(given) => ("ANTHROPIC_BEDROCK_BASE_URL", Some(given)),
            None => ("ANTHROPIC_BASE_URL", self.take("ANTHROPIC_BASE_URL")),
        };
        let usual = || match region {
            Some(region) => format!("https://bedrock-runtime.{region}.amazonaws.com"),
            None => ANTHROPIC.to_owned(),
        };
        let url = Url::parse(&given.unwrap_or_else(usual)).ok().filter(is_base);
        url.ok_or(NoUpstream::Wrong {
            name,
            allowed: "a URL with http or https and a host, without a user, a query and a fragment",
        })
    }

    /// A proxy, and the hosts that are reached without it.
    pub(super) fn proxy(&mut self) -> Result<Option<(String, String)>, NoUpstream> {
        let Some(proxy) = self.take("HTTPS_PROXY") else { return Ok(None) };
        let except = self.take("NO_PROXY").unwrap_or_default();
        let wrong = |_why: reqwest::Error| NoUpstream::Wrong { name: "HTTPS_PROXY", allowed: "the URL of a proxy" };
        Proxy::https(&proxy).map_err(wrong)?;
        Ok(Some((proxy, except)))
    }
}

fn header(name: &'static str, text: &str) -> Result<HeaderValue, NoUpstream> {
    let wrong = |_it_is_secret| NoUpstream::Wrong { name, allowed: "a line of visible characters" };
    let mut value = HeaderValue::from_str(text).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_base(url: &Url) -> bool {
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    matches!(url.scheme(), "http" | "https") && url.has_host() && plain
}
