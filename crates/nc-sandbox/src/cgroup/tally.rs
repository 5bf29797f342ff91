//! What a sandbox used, and how often it reached a limit.

use super::{Cgroup, Enforcement, Events, Reached};

/// Counts for one sandbox, from before it is started.
#[derive(Debug)]
pub(crate) struct Tally {
    cgroup: Option<Cgroup>,
    events: Option<Events>,
    before: Reached,
}

impl Tally {
    /// Begins to count: in the sandbox's own cgroup, else in that of the unit which holds the runner as well.
    pub(crate) fn begin(cgroup: Option<Cgroup>) -> Self {
        let events = cgroup.as_ref().map(Cgroup::events).or_else(Events::of_unit);
        let before = events.as_ref().map(Events::reached).unwrap_or_default();
        Self { cgroup, events, before }
    }

    /// The sandbox's own cgroup.
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    /// How the limits are held.
    pub(crate) fn enforcement(&self) -> Enforcement {
        self.cgroup.as_ref().map_or(Enforcement::Each, Cgroup::enforcement)
    }

    /// The most memory that everything in the sandbox held at once, where a cgroup counts it.
    pub(crate) fn peak(&self) -> Option<u64> {
        self.cgroup.as_ref().and_then(Cgroup::peak)
    }

    /// How often a limit was reached since it began.
    pub(crate) fn reached(&self) -> Reached {
        self.events.as_ref().map(|events| events.reached().since(self.before)).unwrap_or_default()
    }
}
