//! NanoClaw under a real systemd, in a machine of its own, from `install.sh` on.

mod conversation;
mod house;
