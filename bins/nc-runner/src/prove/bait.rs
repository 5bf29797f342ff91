//! What the tries are to reach: things of the host that are there for them alone, and the installation's own.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use nc_config::Installation;
use nc_model::FolderName;
use nc_sandbox::Identity;
use nc_sandbox::escape::{Place, Targets};
use nc_store::new_id;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::refusal::at;

/// Directories of a host, those that it has, which no agent sees.
const OF_THE_HOST: &[&str] =
    &["/run", "/sys", "/boot", "/root", "/var/log", "/var/lib", "/etc/shadow", "/etc/machine-id"];

/// What has been laid out. It goes with the session's directory that it lies in.
pub(super) struct Bait {
    mark: String,
    canary: PathBuf,
    socket: PathBuf,
    abstract_name: String,
    port: u16,
    places: Vec<Place>,
    disk: u64,
    identity: Identity,
    _listeners: (UnixListener, Option<UnixListener>, Option<TcpListener>),
}

impl Bait {
    /// Lays it out in `root`, beside what the sandbox gets of it. All of it is the sandbox's user's: no mode keeps it from him.
    pub(super) fn lay(
        installation: &Installation,
        folder: &FolderName,
        root: &Path,
        identity: Identity,
    ) -> anyhow::Result<Self> {
        let root = fs::canonicalize(root).with_context(|| at("look at", root))?;
        let mark = format!("nanoclaw-canary-{}", new_id());
        let (canary, socket) = (root.join("canary"), root.join("socket"));
        fs::write(&canary, &mark).with_context(|| at("make", &canary))?;
        let by_path = listen(&root, "socket").with_context(|| at("make", &socket))?;
        for path in [&canary, &socket] {
            fs::set_permissions(path, Permissions::from_mode(0o600)).with_context(|| at("make", path))?;
            if let Identity::Drop { uid, gid } = identity {
                chown(path, Some(uid), Some(gid)).with_context(|| at("give away", path))?;
            }
        }
        let by_name = SocketAddr::from_abstract_name(&mark).and_then(|name| UnixListener::bind_addr(&name)).ok();
        let by_port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok();
        let port = by_port.as_ref().and_then(|listener| listener.local_addr().ok()).map_or(0, |address| address.port());
        let disk = fs::metadata(&root).with_context(|| at("look at", &root))?.dev();
        let places = places(installation, folder, &root);
        let abstract_name = mark.clone();
        let listeners = (by_path, by_name, by_port);
        Ok(Self { mark, canary, socket, abstract_name, port, places, disk, identity, _listeners: listeners })
    }

    /// What there is to reach, without what differs inside and outside.
    pub(super) fn targets(&self) -> Targets {
        Targets {
            mark: self.mark.clone(),
            canary: self.canary.clone(),
            places: self.places.clone(),
            socket: self.socket.clone(),
            abstract_name: self.abstract_name.clone(),
            port: self.port,
            disk: self.disk,
            ..Targets::default()
        }
    }

    /// A process of the host, of the sandbox's user, with the mark in its environment.
    pub(super) fn decoy(&self) -> anyhow::Result<Decoy> {
        let mut command = Command::new("/bin/cat");
        command.env_clear().env("CANARY", &self.mark).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null());
        if let Identity::Drop { uid, gid } = self.identity {
            command.uid(uid).gid(gid);
        }
        Decoy::start(&mut command)
    }

    /// A descriptor of the canary's directory that programs inherit which are started while it is open.
    pub(super) fn open_descriptor(&self) -> anyhow::Result<File> {
        let above = self.canary.parent().unwrap_or(Path::new("/"));
        let directory = File::open(above).with_context(|| at("look at", above))?;
        fcntl(&directory, FcntlArg::F_SETFD(FdFlag::empty())).context("leave a descriptor open")?;
        Ok(directory)
    }
}

/// Binds a stream socket below `directory`, whose own path may be longer than an address can be.
fn listen(directory: &Path, name: &str) -> std::io::Result<UnixListener> {
    let directory = File::open(directory)?;
    UnixListener::bind(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}

/// What of the installation and of the host is not for the agents of the group in `folder`.
fn places(installation: &Installation, folder: &FolderName, session: &Path) -> Vec<Place> {
    let data = installation.data_dir();
    let ours = [
        ("the store", installation.store_file()),
        ("the store's directory", installation.store_dir().to_owned()),
        ("credentials", installation.credentials_dir()),
        ("encrypted credentials", installation.encrypted_credentials_dir()),
        ("the configuration", installation.dir().join("nanoclaw.toml")),
        ("the programs' sockets", installation.run_dir().to_owned()),
        ("what agents printed", installation.logs_dir()),
        ("what was rejected", data.join("rejected")),
        ("files of messages", data.join("media")),
        ("all sessions", data.join("sessions")),
        ("the session's lock", session.join("in/lock")),
        ("all groups' folders", installation.groups_dir().to_owned()),
    ];
    let groups = fs::read_dir(installation.groups_dir()).into_iter().flatten().flatten();
    let others = groups.filter(|entry| {
        let name = entry.file_name();
        name != folder.as_str() && entry.path() != installation.global_dir()
    });
    let others =
        others.map(|entry| (format!("the folder of group {}", entry.file_name().to_string_lossy()), entry.path()));
    let ours = ours.into_iter().map(|(name, path)| (name.to_owned(), path));
    let hosts = OF_THE_HOST.iter().map(|path| (format!("{path} of the host"), PathBuf::from(path)));
    ours.chain(others).chain(hosts).filter_map(|(name, path)| seen(name, &path)).collect()
}

/// A place as it is, where it is.
fn seen(name: String, path: &Path) -> Option<Place> {
    let path = fs::canonicalize(path).ok()?;
    let found = fs::metadata(&path).ok()?;
    Some(Place { name, device: found.dev(), inode: found.ino(), path })
}

/// A child that is killed when it is no more needed, and ends by itself where we are.
pub(super) struct Decoy(Child);

impl Decoy {
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        Ok(Self(command.spawn().context("start a process for the tries")?))
    }

    pub(super) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap_or(-1)
    }

    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }

    pub(super) fn streams(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.0.stdin.take(), self.0.stdout.take())
    }
}

impl Drop for Decoy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
