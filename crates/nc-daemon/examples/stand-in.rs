//! A daemon that does nothing but count, for tests: of this crate, and of whoever holds daemons.
//!
//! It is told what to do by files in the directory `NANOCLAW_DIR`, named after the program (the last component of its
//! own path) and a property:
//!
//! ```text
//! reads    <name>.fails    exit status to fail with at once (1, 75 or 78), when its bell has just rung again
//!          <name>.idles    milliseconds after which it leaves when nobody rings
//!          <name>.stays    serves its connection on when told to stop, while this is there
//!          <name>.work     each pass takes the files of this directory, as rows of a store
//! listens  <name>.sock     where no socket was passed to it
//! writes   <name>.lock     its lock
//!          <name>.starts   a line for each start: process id, and what it was started with
//!          <name>.log      a line for each pass and each end: what woke it
//!          all.log         the same of all stand-ins, with their names
//!          <name>.taken    the names that it took out of <name>.work
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nc_daemon::{Daemon, Failure, Wakeup};
use tokio::io::AsyncWriteExt as _;

fn main() -> ExitCode {
    // As nc-runner where there is nothing to bury.
    if std::env::args().any(|argument| argument == "--buried") {
        return ExitCode::SUCCESS;
    }
    nc_daemon::run("stand-in", serve)
}

/// The files that are ours.
struct Files(PathBuf);

impl Files {
    fn new() -> Result<Self, Failure> {
        let dir = std::env::var_os("NANOCLAW_DIR").ok_or_else(|| anyhow::anyhow!("NANOCLAW_DIR is not set"))?;
        let name = std::env::args_os().next().unwrap_or_default();
        let name = Path::new(&name).file_name().unwrap_or_default().to_owned();
        Ok(Self(Path::new(&dir).join(name)))
    }

    fn path(&self, property: &str) -> PathBuf {
        self.0.with_extension(property)
    }

    fn number(&self, property: &str) -> Option<u64> {
        fs::read_to_string(self.path(property)).ok()?.trim().parse().ok()
    }

    fn woke(&self, woken: Wakeup) -> io::Result<()> {
        self.note("log", &format!("{woken:?}"))?;
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        append(&self.0.with_file_name("all.log"), &format!("{name} {woken:?}"))
    }

    fn note(&self, property: &str, line: &str) -> io::Result<()> {
        append(&self.path(property), line)
    }
}

/// One write, so that two writers make two lines.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

async fn serve(mut daemon: Daemon) -> Result<(), Failure> {
    let files = Files::new()?;
    files.note("starts", &surroundings()?)?;
    if let Some(status) = files.number("fails") {
        // As somebody else would in this moment.
        nc_daemon::ring(&files.path("sock"));
        return Err(failure(status));
    }
    if let Some(connection) = daemon.connection() {
        return inetd(daemon, &files, connection).await;
    }
    daemon.bell(&files.path("sock")).map_err(Failure::config)?;
    let _lock = nc_daemon::lock(&files.path("lock"))?;
    daemon.set_idle(files.number("idles").map(Duration::from_millis));
    daemon.ready();
    loop {
        let taken = take(&files)?;
        daemon.status(format_args!("took {taken}"));
        let woken = daemon.wait(None).await;
        files.woke(woken)?;
        match woken {
            Wakeup::Doorbell | Wakeup::Due | Wakeup::Reload => {}
            Wakeup::Idle | Wakeup::Stop => return Ok(()),
        }
    }
}

/// Says hello to who connected, and stays until told to stop.
async fn inetd(mut daemon: Daemon, files: &Files, mut connection: tokio::net::UnixStream) -> Result<(), Failure> {
    connection.write_all(format!("started {}\n", std::process::id()).as_bytes()).await?;
    println!("a line on standard output");
    eprintln!("a line on standard error");
    loop {
        let woken = daemon.wait(None).await;
        files.woke(woken)?;
        if !files.path("stays").exists() {
            break;
        }
    }
    connection.write_all(b"ended\n").await?;
    Ok(())
}

fn failure(status: u64) -> Failure {
    let why = anyhow::anyhow!("the disk is away").context("open the store");
    match status {
        78 => Failure::config(why),
        75 => Failure::again(why),
        _ => Failure::failed(why),
    }
}

/// Takes every file of the work directory, as a pass over a store does.
fn take(files: &Files) -> io::Result<usize> {
    let Ok(work) = fs::read_dir(files.path("work")) else { return Ok(0) };
    let mut taken = 0;
    for entry in work {
        let path = entry?.path();
        fs::remove_file(&path)?;
        files.note("taken", &path.file_name().unwrap_or_default().to_string_lossy())?;
        taken += 1;
    }
    Ok(taken)
}

/// Process id, variables and open descriptors, in one line.
fn surroundings() -> io::Result<String> {
    let mut line = format!("pid={}", std::process::id());
    let mut names: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    names.sort();
    write!(line, " env={}", names.join(",")).map_err(io::Error::other)?;
    let mut open: Vec<String> = fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| {
            Some(format!("{}:{}", entry.file_name().to_str()?, kind(&fs::read_link(entry.path()).ok()?)))
        })
        .collect();
    open.sort();
    write!(line, " fds={}", open.join(",")).map_err(io::Error::other)?;
    Ok(line)
}

/// `socket:[123]` is a socket, `/dev/null` itself.
fn kind(target: &Path) -> String {
    let text = target.to_string_lossy();
    text.split(":[").next().unwrap_or_default().to_owned()
}
