//! Switches a channel on or off, whole or not at all.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;

use anyhow::Context as _;
use nc_config::{Options, Switches};
use nix::unistd::geteuid;

use super::{service, source};
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::quoted;
use crate::units::{Refused, Units};

/// Switches `name`, and returns the installation as it is then. After an error everything is as it was.
pub(super) fn switch(
    options: &Options,
    installed: &Installed,
    units: Option<Units>,
    name: &str,
    enabled: bool,
) -> anyhow::Result<Installed> {
    let service = units.and_then(|units| Some((units, service(name)?)));
    if let Some((units, service)) = &service
        && enabled
        && !units.has(service)?
    {
        return Err(Refusal::look(format!("there is no {service} on this machine: nothing was changed")));
    }
    let is_so = installed.loaded.config.channel(name).enabled == enabled;
    let switches = (!is_so).then(|| Switches::with(installed.paths().dir(), name, enabled)).transpose()?;
    let result = configure(options, installed, switches.as_ref(), name, enabled).and_then(|now| match &service {
        Some((units, service)) => Ok(set_units(*units, service, enabled).map(|()| now)?),
        None => Ok(now),
    });
    if let (Err(_), Some(switches)) = (&result, &switches) {
        write(installed, &switches.path, switches.before.as_deref())?;
    }
    result
}

/// Writes the file of switches, and sees that nothing else wins over it.
fn configure(
    options: &Options,
    installed: &Installed,
    switches: Option<&Switches>,
    name: &str,
    enabled: bool,
) -> anyhow::Result<Installed> {
    if let Some(switches) = switches {
        write(installed, &switches.path, Some(&switches.text))?;
    }
    let now = Installed::load(options)?;
    if now.loaded.config.channel(name).enabled == enabled {
        return Ok(now);
    }
    let wins = source(&now, name);
    Err(Refusal::look(format!("{wins} says otherwise of {name} and wins: change it there; nothing was changed")))
}

/// Enables and starts the channel's units, or stops and disables them.
fn set_units(units: Units, service: &str, enabled: bool) -> Result<(), Refused> {
    let socket = service.replace(".service", ".socket");
    let both: Vec<&str> = if units.has(&socket)? { vec![&socket, service] } else { vec![service] };
    let ask = |words: &[&str]| units.ask(&[words, &both].concat()).map(drop);
    if !enabled {
        return if units.has(service)? { ask(&["disable", "--now"]) } else { Ok(()) };
    }
    ask(&["enable"])?;
    if units.wanted()?
        && let Err(error) = ask(&["start"])
    {
        // What is told is the first error.
        ask(&["disable", "--now"]).ok();
        return Err(error);
    }
    Ok(())
}

/// Puts `text` in the place of the file, whole, for whoever may read the installation's directory; none removes it.
fn write(installed: &Installed, path: &Path, text: Option<&str>) -> anyhow::Result<()> {
    nc_failpoint::before("switch", "write")?;
    let done = match text {
        Some(text) => replace(installed, path, text),
        None => fs::remove_file(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }),
    };
    done.with_context(|| format!("failed to write {}", quoted(path)))
}

fn replace(installed: &Installed, path: &Path, text: &str) -> io::Result<()> {
    let above = fs::metadata(installed.paths().dir())?;
    let (uid, gid) = (Some(above.uid()), Some(above.gid()));
    let give = |path: &Path| if geteuid().is_root() { lchown(path, uid, gid) } else { Ok(()) };
    let dir = path.parent().unwrap_or(Path::new("."));
    match DirBuilder::new().mode(above.mode() & 0o755 | 0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.and_then(|()| give(dir))?,
    }
    let new = path.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(above.mode() & 0o644 | 0o600))?;
        give(&new)?;
        nc_failpoint::before("switch", "fill")?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        nc_failpoint::before("switch", "rename")?;
        fs::rename(&new, path)?;
        File::open(dir)?.sync_all()
    });
    if written.is_err() {
        fs::remove_file(&new).ok();
    }
    written
}
