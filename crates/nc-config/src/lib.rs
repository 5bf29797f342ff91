//! nanoclaw.toml: one table of keys, and where an installation keeps what.
//!
//! ```text
//! reads   <dir>/nanoclaw.toml, <dir>/nanoclaw.toml.d/*.toml   nanoclaw.toml(5)
//!         NANOCLAW_DIR, NANOCLAW_<KEY> of the environment
//!         <dir>/credentials/, $CREDENTIALS_DIRECTORY, credentials of the environment, where a program asks for them
//! writes  nothing, and makes no directory
//! ```
//!
//! Whatever is wrong is a [`ConfigError`] that names the file and line, the variable or the option, the key, and what is
//! allowed; a program that meets one exits with 78.

mod claude;
mod config;
mod credentials;
mod error;
mod example;
mod files;
mod installation;
mod keys;
mod load;
mod nearest;
mod options;
mod place;
mod provider;
mod reader;
mod settings;
mod switches;

pub use claude::{CLAUDE, Claude, ClaudeSource, NoClaude, Unusable, find_claude};
pub use config::{ChannelConfig, Config, LogLevel};
pub use credentials::{
    CREDENTIALS, Credential, CredentialError, CredentialSource, Credentials, Fault, MAX_SECRET_BYTES, Secret,
    credential, encrypted_name,
};
pub use error::ConfigError;
pub use example::example;
pub use installation::{Doorbell, Installation, SessionDir};
pub use keys::{KEYS, Key};
pub use load::{Loaded, load, load_what_is_right};
pub use nc_model::{ClaudeVersion, Provider, Runtime};
pub use options::{Options, env_name};
pub use provider::{Choice, NoProvider};
pub use settings::{Setting, Source};
pub use switches::{Switches, channels, is_channel};

#[cfg(test)]
mod tests;
