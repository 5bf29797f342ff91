//! The part of the host's system that every sandbox sees, all of it read-only.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::spec::{HOME, HOSTNAME, INNER_ID};

/// Directories at the root that are part of `/usr`, or were before systems merged them into it.
const BESIDE_USR: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Directories of the host's `/etc` that are bound: which of several programs a name means, who signs certificates, fonts,
/// and what Java wants. `resolv.conf` is bound too, since it changes with the network. Each mount costs 0.15 ms at a start
/// (measured, examples/start-time.rs), so there is nothing here for comfort.
const BOUND: &[&str] = &[
    "alternatives",
    "crypto-policies",
    "fonts",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "resolv.conf",
    "ssl/certs",
];

/// What the names of Java's configuration begin with, which its files below `/usr` are links to.
const JAVA: &str = "java-";

/// Files of the host's `/etc` that are copied, or are links into `/usr` and stay links: how programs find their libraries,
/// the zone, and the names of ports and types of files. Nothing that may hold a secret, and nothing that says which machine
/// this is.
const COPIED: &[&str] =
    &["ld.so.cache", "localtime", "mime.types", "os-release", "services", "ssl/openssl.cnf", "timezone"];

/// The largest file that is copied, in bytes. An `ld.so.cache` of a desktop has 200 KiB.
const LARGEST_COPY: u64 = 1024 * 1024;

/// A directory at the root: a link as on the host, or a mount.
pub(crate) enum Beside {
    /// A link to this.
    Link(PathBuf, PathBuf),
    /// This very directory.
    Mount(PathBuf),
}

/// The directories beside `/usr` that this host has.
pub(crate) fn beside_usr() -> impl Iterator<Item = Beside> {
    BESIDE_USR.iter().map(|name| Path::new("/").join(name)).filter_map(|path| {
        let kind = std::fs::symlink_metadata(&path).ok()?.file_type();
        match std::fs::read_link(&path) {
            Ok(target) => Some(Beside::Link(target, path)),
            Err(_) => kind.is_dir().then_some(Beside::Mount(path)),
        }
    })
}

/// What of the host's `/etc` is bound.
pub(crate) fn bound_etc() -> Vec<PathBuf> {
    let named = BOUND.iter().map(|name| Path::new("/etc").join(name)).filter(|path| path.exists());
    let entries = std::fs::read_dir("/etc").into_iter().flatten().flatten().map(|entry| entry.path());
    let java = entries.filter(|path| path.is_dir() && path.strip_prefix("/etc").is_ok_and(begins_with_java));
    named.chain(java).collect()
}

fn begins_with_java(name: &Path) -> bool {
    name.as_os_str().as_encoded_bytes().starts_with(JAVA.as_bytes())
}

/// Whether every sandbox sees the host's `path` at the same place.
pub(crate) fn is_visible(path: &Path) -> bool {
    path.starts_with("/usr") || bound_etc().iter().any(|bound| path.starts_with(bound))
}

/// A file of `/etc` in a sandbox that is no mount.
pub(crate) enum Made {
    /// A link to this.
    Link(PathBuf),
    /// A file with these bytes.
    File(Vec<u8>),
}

/// What of the host's `/etc` is copied.
pub(crate) fn copied_etc() -> Vec<(PathBuf, Made)> {
    let paths = COPIED.iter().map(|name| Path::new("/etc").join(name));
    paths.filter_map(|path| copy(&path).map(|made| (path, made))).collect()
}

fn copy(path: &Path) -> Option<Made> {
    // What a link into /usr leads to is there in the sandbox as well.
    let real = std::fs::canonicalize(path).ok()?;
    if std::fs::symlink_metadata(path).ok()?.is_symlink() && real.starts_with("/usr") {
        return Some(Made::Link(real));
    }
    let found = std::fs::metadata(&real).ok()?;
    // Root reads everything: the sandbox gets only what everybody may read.
    let open_to_all = found.is_file() && found.mode() & 0o004 != 0 && found.len() <= LARGEST_COPY;
    if open_to_all { std::fs::read(&real).ok().map(Made::File) } else { None }
}

/// The files of `/etc` that are the same in every sandbox: path and text.
///
/// The names of the host's users and machines stay outside. Names are looked up in files and by DNS alone, since every
/// other way ends at a socket that is not there.
pub(crate) fn made_up() -> [(&'static str, String); 5] {
    [
        (
            "/etc/passwd",
            format!(
                "root:x:0:0:root:/root:/usr/sbin/nologin\nnode:x:{INNER_ID}:{INNER_ID}:NanoClaw agent:{HOME}:/bin/bash\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("/etc/group", format!("root:x:0:\nnode:x:{INNER_ID}:\nnogroup:x:65534:\n")),
        ("/etc/hostname", format!("{HOSTNAME}\n")),
        ("/etc/hosts", format!("127.0.0.1 localhost {HOSTNAME}\n::1 localhost ip6-localhost ip6-loopback\n")),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n".to_owned(),
        ),
    ]
}
