//! nanoclaw.toml: one table of keys, and where an installation keeps what.
