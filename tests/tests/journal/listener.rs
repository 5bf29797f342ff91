//! A socket that takes what programs send to the journal, and an installation whose programs do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nc_testkit::{Toolkit, wait_for};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The programs that log to the journal, under `up` as well as under units.
const DAEMONS: [&str; 3] = ["nc-router", "nc-ipcd", "nc-runner"];

/// One line of the journal: its fields, each with all its values.
pub(crate) type Record = BTreeMap<String, Vec<String>>;

/// A value of a field; the first where there are several.
pub(crate) fn value<'a>(record: &'a Record, field: &str) -> &'a str {
    record.get(field).and_then(|values| values.first()).map_or("", String::as_str)
}

/// An installation whose programs log to a journal that the test reads.
pub(crate) struct House {
    pub(crate) kit: Toolkit,
    heard: Arc<Mutex<Vec<Record>>>,
    _place: TempDir,
}

impl House {
    /// With a main group that answers by the echo and logs at `level`; `None` where this cannot be had.
    pub(crate) fn at(level: &str, what: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            nc_testkit::skip(what, "only root can give programs a /run of their own");
            return None;
        }
        let place = tempfile::Builder::new().prefix("nc-journal.").tempdir().expect("a directory");
        let heard = listen(&place.path().join("socket"));
        let programs = wrapped(place.path());
        let mut kit = Toolkit::with_programs(&programs);
        kit.set("provider=echo").set(&format!("log_level={level}"));
        kit.ctl_ok(["group", "add", "Main", "--folder", "main", "--main"]);
        kit.up();
        Some(Self { kit, heard, _place: place })
    }

    /// Everything that the journal was told so far and that has `field` with this value, in its order.
    pub(crate) fn records(&self, field: &str, wanted: &str) -> Vec<Record> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|record| value(record, field) == wanted).cloned().collect()
    }

    /// Waits until one of those records says `text`, and returns them all.
    #[track_caller]
    pub(crate) fn told(&self, field: &str, wanted: &str, text: &str) -> Vec<Record> {
        let found = wait_for(PATIENCE, || {
            let records = self.records(field, wanted);
            records.iter().any(|record| value(record, "MESSAGE").starts_with(text)).then_some(records)
        });
        found.unwrap_or_else(|| panic!("{text:?} was not told of {field}={wanted}: {:#?}", self.records(field, wanted)))
    }

    /// Everything that the journal was told.
    pub(crate) fn everything(&self) -> Vec<Record> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes datagrams until the test ends: nobody waits for a reader that is gone.
fn listen(path: &Path) -> Arc<Mutex<Vec<Record>>> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("its mode is set");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&heard);
    thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(length) = socket.recv(&mut buffer) {
            // An empty one asks whether anybody is here.
            if length > 0 {
                to.lock().unwrap_or_else(PoisonError::into_inner).push(record(&buffer[..length]));
            }
        }
    });
    heard
}

/// What one datagram says: `systemd.io/JOURNAL_NATIVE_PROTOCOL`.
fn record(mut bytes: &[u8]) -> Record {
    let mut record = Record::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("a field has an end");
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        let (name, value);
        if let Some(at) = line.iter().position(|byte| *byte == b'=') {
            (name, value, bytes) = (&line[..at], &line[at + 1..], rest);
        } else {
            let (length, rest) = rest.split_first_chunk().expect("a length");
            let length = usize::try_from(u64::from_le_bytes(*length)).expect("a small one");
            assert_eq!(rest.get(length), Some(&b'\n'), "a value has an end");
            (name, value, bytes) = (line, &rest[..length], &rest[length + 1..]);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        record.entry(text(name)).or_default().push(text(value));
    }
    record
}

/// The programs, each behind a script that gives it what systemd does: standard error that is the journal's, and the
/// journal's socket at its place.
fn wrapped(place: &Path) -> PathBuf {
    let (real, outer, inner) = (nc_testkit::programs(), place.join("programs"), place.join("inner"));
    for dir in [&outer, &inner] {
        fs::create_dir(dir).expect("a directory");
    }
    let stream = place.join("stream");
    fs::write(&stream, "").expect("a file");
    fs::set_permissions(&stream, fs::Permissions::from_mode(0o666)).expect("its mode is set");
    for name in DAEMONS {
        let script = format!(
            "#!/bin/sh\nexec 2>>'{stream}'\nJOURNAL_STREAM=$(stat -L -c %d:%i '{stream}')\nexport JOURNAL_STREAM\n\
             exec '{real}/{name}' \"$@\"\n",
            stream = stream.display(),
            real = real.display()
        );
        write_script(&inner.join(name), &script);
    }
    // It finds the others beside itself.
    let ctl = inner.join("nanoclawctl");
    let copied = std::process::Command::new("cp").arg(real.join("nanoclawctl")).arg(&ctl).status();
    assert!(copied.expect("cp starts").success());
    let script = format!(
        "#!/bin/sh\nexec unshare --mount /bin/sh -euc 'mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/journal\n\
         ln -s \"$0\" /run/systemd/journal/socket; exec \"$@\"' '{}' '{}' \"$@\"\n",
        place.join("socket").display(),
        ctl.display()
    );
    write_script(&outer.join("nanoclawctl"), &script);
    outer
}

/// By another process: a descriptor of ours that writes it could live on in a child, and nobody could start it meanwhile.
fn write_script(path: &Path, script: &str) {
    let text = path.with_extension("text");
    fs::write(&text, script).expect("a script is written");
    let installed = std::process::Command::new("install").args(["-m", "755"]).args([&text, path]).status();
    assert!(installed.expect("install starts").success());
    fs::remove_file(text).expect("it is removed");
}
