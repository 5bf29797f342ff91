//! Credentials that only this machine can decrypt: systemd-creds(1) has the key, in the TPM or in a file of root's.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use nc_config::{CREDENTIALS, Credential, Credentials, Secret, encrypted_name};

use crate::bounded;
use crate::ending::Refusal;
use crate::installed::Installed;
use crate::output::quoted;

/// How long the key may take. A guess: a TPM takes about a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The encrypted credentials of an installation.
#[derive(Debug)]
pub(crate) struct Vault {
    dir: PathBuf,
}

impl Vault {
    /// The installation's, where it has the directory.
    pub(crate) fn of(installed: &Installed) -> Option<Self> {
        let dir = installed.paths().encrypted_credentials_dir();
        dir.is_dir().then_some(Self { dir })
    }

    /// Encrypts `secret` as `name`, in place of the one before; or says why this machine cannot, and changes nothing.
    pub(crate) fn set(&self, name: &str, secret: &Secret) -> anyhow::Result<PathBuf> {
        let (path, new) = (self.dir.join(name), self.dir.join(format!(".{name}.new")));
        let done = encrypt(name, secret, &new).and_then(|()| self.put(&new, &path));
        if done.is_err() {
            fs::remove_file(&new).ok();
        }
        done.map(|()| path)
    }

    fn put(&self, new: &Path, path: &Path) -> anyhow::Result<()> {
        fs::set_permissions(new, Permissions::from_mode(0o600))?;
        File::open(new)?.sync_all()?;
        nc_failpoint::before("vault", "rename")?;
        fs::rename(new, path)?;
        Ok(File::open(&self.dir)?.sync_all()?)
    }

    /// Removes `name`; false where it is not there.
    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<bool> {
        let path = self.dir.join(name);
        nc_failpoint::before("vault", "remove")?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true).with_context(|| format!("failed to remove {}", quoted(&path))),
        }
    }

    /// All of them, decrypted.
    pub(crate) fn open(&self) -> anyhow::Result<Credentials> {
        let one = |known: &'static Credential| Ok(self.decrypt(known)?.map(|secret| (known, secret)));
        let all = CREDENTIALS.iter().map(one).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Credentials::decrypted(all.into_iter().flatten()))
    }

    fn decrypt(&self, known: &Credential) -> anyhow::Result<Option<Secret>> {
        let path = self.dir.join(known.name);
        if let Err(error) = path.symlink_metadata() {
            let failed = || format!("failed to look at {}", quoted(&path));
            return if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error).with_context(failed) };
        }
        let mut command = bounded::command("systemd-creds");
        command.arg(format!("--name={}", encrypted_name(known.name))).arg("decrypt").arg(&path).arg("-");
        let secret = said(command).and_then(|said| Secret::new(said.as_bytes()).map_err(|fault| fault.to_string()));
        secret.map(Some).map_err(|why| {
            let path = quoted(&path);
            Refusal::look(format!(
                "the credential in {path} cannot be decrypted ({why}): `nanoclawctl secret set` writes it anew"
            ))
        })
    }
}

fn encrypt(name: &str, secret: &Secret, to: &Path) -> anyhow::Result<()> {
    // A pipe takes more than the longest secret, so nobody need read meanwhile.
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(secret.expose().as_bytes())?;
    drop(writer);
    let mut command = bounded::command("systemd-creds");
    command.arg(format!("--name={}", encrypted_name(name))).args(["encrypt", "-"]).arg(to).stdin(reader);
    said(command).map(drop).map_err(anyhow::Error::msg)
}

/// What the program says on standard output, or what is wrong.
fn said(command: tokio::process::Command) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(|error| error.to_string())?.block_on(bounded::run(command, ANSWER_WITHIN));
    let ran = ran.map_err(|error| format!("systemd-creds {error}"))?;
    if ran.status.success() { Ok(ran.stdout) } else { Err(ran.stderr.trim().replace('\n', " ")) }
}
