//! NanoClaw under a real systemd, in a machine of its own, from `install.sh` on.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod conversation;
mod crashes;
mod flood;
mod hangs;
mod house;
mod idle;
mod journal;
mod kills;
mod power;
mod stops;
mod walls;
