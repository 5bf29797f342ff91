//! What a sandbox is told of the way out of this machine: proxies, and who signs certificates there.
//!
//! It shares the host's network, so what holds for the host's programs holds in it. All of it comes from the environment of
//! whoever builds the sandbox, and a proxy's password, where its address has one, is in the sandbox as well.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::Mount;
use crate::system::is_visible;

/// The variables that name proxies, or what is reached without one.
pub const PROXY_VARIABLES: &[&str] =
    &["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "all_proxy", "https_proxy", "http_proxy", "no_proxy"];

/// The variables that name files or directories of certificates: OpenSSL's, which rustls and Go know too, and Node's.
pub const CERTIFICATE_VARIABLES: &[&str] = &["NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE"];

/// Where certificates lie in the sandbox that are not where the system has its own.
const CERTIFICATES: &str = "/app/certificates";

/// What is added to a [`Spec`](crate::Spec) for the way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// For its environment.
    pub env: Vec<(String, OsString)>,
    /// For its mounts: certificates that it would not see.
    pub mounts: Vec<Mount>,
}

impl Network {
    /// Takes what `variable` says of each of the names, such as `std::env::var_os`. Certificates that are not there are
    /// left out.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut network = Self::default();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        for &name in PROXY_VARIABLES {
            network.env.extend(set(name).map(|value| (name.to_owned(), value)));
        }
        for &name in CERTIFICATE_VARIABLES {
            if let Some(value) = set(name) {
                network.certificates(name, &value);
            }
        }
        network
    }

    fn certificates(&mut self, name: &str, value: &OsStr) {
        let sources = std::env::split_paths(value).filter(|path| path.is_absolute());
        let real = sources.filter_map(|path| Some((std::fs::canonicalize(&path).ok()?, path)));
        let inside: Vec<PathBuf> = real.map(|(real, path)| self.inside(name, real, path)).collect();
        if let Ok(joined) = std::env::join_paths(&inside)
            && !inside.is_empty()
        {
            self.env.push((name.to_owned(), joined));
        }
    }

    /// Where the sandbox finds `path`: in the same place, or mounted.
    fn inside(&mut self, name: &str, real: PathBuf, path: PathBuf) -> PathBuf {
        if is_visible(&path) && is_visible(&real) {
            return path;
        }
        let target = Path::new(CERTIFICATES).join(format!("{name}-{}", self.mounts.len()));
        self.mounts.push(Mount::read_only(real, &target));
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(set: &[(&str, &str)]) -> Network {
        Network::from_variables(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn proxies_are_passed_as_they_are_and_nothing_else_is() {
        let got =
            network(&[("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", "a,b"), ("http_proxy", ""), ("HOME", "/")]);
        let env = [("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", "a,b")];
        assert_eq!(got.env, env.map(|(name, value)| (name.to_owned(), value.into())));
        assert!(got.mounts.is_empty());
    }

    #[test]
    fn certificates_that_a_sandbox_sees_stay_and_others_are_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own.pem");
        std::fs::write(&own, "").unwrap();
        let own = own.to_str().unwrap();
        let both = format!("/usr/bin:{own}:/nowhere:relative");
        let got = network(&[("SSL_CERT_FILE", own), ("SSL_CERT_DIR", &both), ("NODE_EXTRA_CA_CERTS", "/nowhere")]);
        let env = [
            ("SSL_CERT_DIR", "/usr/bin:/app/certificates/SSL_CERT_DIR-0"),
            ("SSL_CERT_FILE", "/app/certificates/SSL_CERT_FILE-1"),
        ];
        assert_eq!(got.env, env.map(|(name, value)| (name.to_owned(), value.into())));
        let real = std::fs::canonicalize(own).unwrap();
        let mounts = ["SSL_CERT_DIR-0", "SSL_CERT_FILE-1"]
            .map(|name| Mount::read_only(&real, Path::new("/app/certificates").join(name)));
        assert_eq!(got.mounts, mounts);
    }
}
