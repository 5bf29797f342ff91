//! An ordinary user's installation under that user's own manager, and where credentials lie and go under units: in a machine
//! of its own, with the system's installation beside.

mod conversation;
mod house;
mod secrets;
