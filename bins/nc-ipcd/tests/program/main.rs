//! Starts the real nc-ipcd in an installation of the test's own. The test plays the router, the runner and the agents, and no
//! test sleeps: the store, the bells and the program say what happened.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod crash;
mod files;
mod hostile;
mod house;
mod lifecycle;
mod refusing;
mod taking;
