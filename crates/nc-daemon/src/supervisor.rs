//! Being a child of `nanoclawctl up`: to end with it, however it ends.

use std::env;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// The variable that holds the process id of the parent that looks after us.
pub(crate) const VARIABLE: &str = "NC_SUPERVISOR";

/// What the environment says about a parent that looks after us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supervisor {
    /// Nobody of that kind: an init system or a person started us.
    None,
    /// It is our parent, and the kernel tells us to stop when it dies.
    Present,
    /// It is gone already.
    Gone,
}

impl Supervisor {
    /// Binds our life to the parent's, where there is one that asks for it.
    #[must_use]
    pub(crate) fn attach() -> Self {
        let Ok(pid) = env::var(VARIABLE) else { return Self::None };
        // First the request, then the look: a parent that dies between the two is seen by one of them.
        let asked = set_pdeathsig(Signal::SIGTERM).is_ok();
        if asked && getppid().to_string() == pid { Self::Present } else { Self::Gone }
    }
}
