//! Whose a line of the log is.

/// The run that this process is for, as the fields of a line name it.
#[derive(Clone, Debug)]
pub(crate) struct Whose {
    /// The run.
    pub(crate) run: String,
    /// Its session.
    pub(crate) session: String,
    /// The folder of its group.
    pub(crate) group: String,
}
