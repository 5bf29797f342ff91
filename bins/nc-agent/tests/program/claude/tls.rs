//! The way to an API that wants TLS, and through a proxy.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use nc_testkit::messages_api::Reply;
use nc_wire::mailbox::AckStatus;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::House;

/// A name that no resolver knows: only a proxy leads there.
const HOST: &str = "api.models.invalid";

/// A certificate for [`HOST`] and its key, and where the certificate lies.
struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    file: PathBuf,
}

fn certificate(what: &str, directory: &Path) -> Option<Certificate> {
    let (file, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let names = format!("subjectAltName=DNS:{HOST},DNS:localhost");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={HOST}"), "-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&file)
        .stderr(Stdio::null())
        .status();
    if made.is_err() {
        nc_testkit::skip(what, "there is no openssl that makes a certificate");
        return None;
    }
    let chain = CertificateDer::pem_file_iter(&file).expect("a file").map(|one| one.expect("a certificate")).collect();
    Some(Certificate { chain, key: PrivateKeyDer::from_pem_file(&key).expect("a key"), file })
}

/// Something that serves until this program ends.
struct Served {
    address: SocketAddr,
    /// What it was asked for.
    heard: Arc<Mutex<Vec<String>>>,
}

fn serve<F>(handle: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static) -> Served
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it does not block");
    let address = listener.local_addr().expect("an address");
    let heard = Arc::default();
    let noted = Arc::clone(&heard);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(handle(stream, Arc::clone(&noted)));
            }
        });
    });
    Served { address, heard }
}

/// Takes off TLS and hands on to `plain`.
fn tls(certificate: Certificate, plain: SocketAddr) -> Served {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificate.chain, certificate.key)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    serve(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let mut inner = acceptor.accept(stream).await?;
            let mut outer = TcpStream::connect(plain).await?;
            copy_bidirectional(&mut inner, &mut outer).await.map(drop)
        }
    })
}

/// A proxy that leads to `target`, whatever it is asked for, and notes what that is.
fn proxy(target: SocketAddr) -> Served {
    serve(move |stream, heard| async move {
        let mut client = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            client.read_line(&mut head).await?;
        }
        heard.lock().expect("nobody panicked").push(head);
        client.write_all(b"HTTP/1.1 200 here you are\r\n\r\n").await?;
        let mut outer = TcpStream::connect(target).await?;
        copy_bidirectional(&mut client, &mut outer).await.map(drop)
    })
}

fn plain(house: &House) -> SocketAddr {
    house.api.url().trim_start_matches("http://").parse().expect("an address")
}

#[test]
fn an_api_behind_tls_and_a_proxy_is_reached_with_the_systems_roots() {
    let what = "TLS through a proxy";
    let Some(house) = House::new(what, [Reply::text("From afar.")]) else { return };
    let Some(certificate) = certificate(what, house.session.root()) else { return };
    let roots = certificate.file.clone();
    let api = tls(certificate, plain(&house));
    let proxy = proxy(api.address);
    let mut object = house.object();
    object.credentials.0.insert("ANTHROPIC_BASE_URL".to_owned(), format!("https://{HOST}"));
    house.session.say("1", "hello");
    let given =
        [("SSL_CERT_FILE", roots.into_os_string()), ("HTTPS_PROXY", format!("http://u:p@{}", proxy.address).into())];
    let _agent = house.start_in(&object, &[], &given);
    assert_eq!(house.session.until_completed(&["1"]).texts(), ["From afar."]);
    let heard = proxy.heard.lock().expect("nobody panicked").join("");
    assert!(heard.contains(&format!("CONNECT {HOST}:443 ")), "{heard}");
    assert!(heard.to_lowercase().contains("proxy-authorization: basic dtpw"), "{heard}");
}

#[test]
fn an_api_that_cannot_prove_who_it_is_gets_no_credential() {
    let what = "an API that nobody vouches for";
    let Some(house) = House::new(what, []) else { return };
    let Some(certificate) = certificate(what, house.session.root()) else { return };
    let none = house.session.root().join("no-roots.pem");
    fs::write(&none, "").expect("a file");
    let api = tls(certificate, plain(&house));
    let mut object = house.object();
    let base = format!("https://localhost:{}", api.address.port());
    object.credentials.0.insert("ANTHROPIC_BASE_URL".to_owned(), base);
    house.session.say("1", "hello");
    let given = [("SSL_CERT_FILE", none.into_os_string()), ("NO_PROXY", "localhost".into())];
    let _agent = house.start_in(&object, &["--api-silence", "2s"], &given);
    let seen = house.session.until(|seen| seen.acks.get("1") == Some(&AckStatus::Failed));
    let text = seen.texts()[0];
    assert!(text.starts_with("The model's API at localhost:") && text.contains("cannot be reached"), "{text}");
    assert!(house.api.requests().is_empty());
}
