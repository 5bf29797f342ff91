//! Who sits at the terminal.

use nix::unistd::{User, getuid};

/// The Unix user of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnixUser {
    /// The name, or the number of a user without one.
    pub(crate) name: String,
    /// What people call the user.
    pub(crate) full_name: String,
}

impl UnixUser {
    /// The user whose number (getuid(2)) this process has: as root it is root, whoever called sudo.
    pub(crate) fn current() -> Self {
        let uid = getuid();
        let nameless = || Self { name: uid.to_string(), full_name: uid.to_string() };
        let Ok(Some(user)) = User::from_uid(uid) else { return nameless() };
        let gecos = user.gecos.to_string_lossy().split(',').next().unwrap_or_default().trim().to_owned();
        let full_name = if gecos.is_empty() { user.name.clone() } else { gecos };
        Self { name: user.name, full_name }
    }

    /// The user's id in the store.
    pub(crate) fn id(&self) -> String {
        format!("terminal:{}", self.name)
    }
}
