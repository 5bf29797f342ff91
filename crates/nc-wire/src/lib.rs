//! The protocols between host and sandbox.
