//! The name that a mistyped one is likely to be.

pub(crate) use nc_model::nearest;
