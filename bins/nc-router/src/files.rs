//! The files that people sent, from where the channel put them to where the agent sees them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nc_model::limits::{MAX_FILE, MAX_FILES};
use nc_store::ToPlace;
use nc_wire::content::Attachment;
use nc_wire::files::is_plain_name;
use nix::fcntl::OFlag;
use tracing::warn;

/// What the sandbox's user must be able to read; the directory above keeps others out.
const DIR_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// The attachments of a message as the agent sees them, copied from `media` to `inbox/<id>/`.
///
/// A file that is missing, too large or no plain file stays an attachment without a place, which the agent is shown as
/// such; so does every file beyond the first 20. What is there already is not copied again.
pub(crate) fn bring(message: &ToPlace, id: &str, media: &Path, inbox: &Path) -> io::Result<Vec<Attachment>> {
    let Some(json) = &message.attachments else { return Ok(Vec::new()) };
    let mut attachments: Vec<Attachment> = match serde_json::from_str(json) {
        Ok(attachments) => attachments,
        Err(error) => {
            warn!(message = %message.seq, "the files of a message are left out: its attachments cannot be read: {error}");
            return Ok(Vec::new());
        }
    };
    let target = inbox.join(id);
    for attachment in attachments.iter_mut().take(MAX_FILES) {
        attachment.local_path = None;
        let Some(name) = attachment.name.clone().filter(|name| is_plain_name(name)) else { continue };
        match open_plain(&media.join(&name)) {
            Ok(file) => {
                copy(file, &target, &name)?;
                attachment.local_path = Some(format!("inbox/{id}/{name}"));
            }
            Err(error) => warn!(message = %message.seq, file = ?name, "a file of a message is left out: {error}"),
        }
    }
    Ok(attachments)
}

fn open_plain(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path)?;
    let meta = file.metadata()?;
    let refused = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    if !meta.is_file() {
        return refused("it is not a regular file".to_owned());
    }
    if meta.len() > MAX_FILE {
        return refused(format!("it has {} bytes, at most {MAX_FILE} are allowed", meta.len()));
    }
    Ok(file)
}

/// Copies into a file of another name first, so that the agent never sees half of it.
fn copy(source: File, target: &Path, name: &str) -> io::Result<()> {
    let whole = target.join(name);
    if whole.exists() {
        return Ok(());
    }
    nc_failpoint::before("inbox", "make_directory")?;
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(target)?;
    fs::set_permissions(target, fs::Permissions::from_mode(DIR_MODE))?;
    let part = target.join(".part");
    nc_failpoint::before("inbox", "create")?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    nc_failpoint::before("inbox", "copy")?;
    io::copy(&mut source.take(MAX_FILE), &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    nc_failpoint::before("inbox", "rename")?;
    fs::rename(&part, &whole)
}
