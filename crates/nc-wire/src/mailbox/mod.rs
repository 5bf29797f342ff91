//! The mailbox: two SQLite files, one writer each, between the host and one session's sandbox.
//!
//! `inbound.db` is written by the host ([`host::Inbound`]) and read in the sandbox; `outbound.db` is written in the sandbox
//! and read by the host through [`crate::snapshot`] alone. [`schema`] and [`rows`] are what both sides mean.

pub mod container;
pub mod host;
pub mod rows;
pub mod schema;

pub use rows::{
    AckStatus, Delivered, DeliveredStatus, Destination, DestinationKind, InKind, InRow, InStatus, OutKind, Placed,
    Routing, UnknownWireWord,
};
