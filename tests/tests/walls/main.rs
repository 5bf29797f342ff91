//! What the walls around each program keep out, measured from within them in a booted machine: the probe runs in the place of
//! the program, as the very unit of it. Each attempt is seen to succeed for somebody whom nothing holds.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod house;
mod probe;
mod sandbox;
mod starts;
mod walls;
