//! The part of the host's system that every sandbox sees, all of it read-only.

use std::path::{Path, PathBuf};

use crate::spec::{HOME, HOSTNAME, INNER_ID};

/// Directories at the root that are part of `/usr`, or were before systems merged them into it.
const BESIDE_USR: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What is taken from the host's `/etc`: how programs find their libraries, names in the network, who signs certificates,
/// the zone, and how things look. Nothing that may hold a secret, and nothing that says which machine this is.
const FROM_ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "magic.mime",
    "mime.types",
    "os-release",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
];

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

/// The files and directories of `/etc` that this host has and that everybody may read.
pub(crate) fn from_etc() -> impl Iterator<Item = PathBuf> {
    FROM_ETC.iter().map(|name| Path::new("/etc").join(name)).filter(|path| path.exists())
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
