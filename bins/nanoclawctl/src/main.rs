//! nanoclawctl is how a person looks after an installation and talks to its agents.
//!
//! ```text
//! reads    nanoclaw.toml, the store, standard input (talk, secret set), credentials of the environment (up, run)
//! writes   the store: groups, wirings, roles, the messages and sends of `terminal`; groups/<folder>/; data/talk_history;
//!          credentials/, credentials.encrypted/, data/claude/, nanoclaw.toml.d/80-channels.toml
//! asks     the init system, by systemctl(1): which units have failed; to start, stop, enable and disable them
//! trusts   whoever may open the store; nothing that an agent says: it is printed without its control characters
//! exits    0, 1 the answer is no or a command failed, 64 usage, 75 try again, 78 a person must look
//! ```

mod backoff;
mod bounded;
mod channel;
mod chats;
mod claude;
mod cli;
mod completions;
mod config;
mod credentials;
mod destination;
mod doctor;
mod ending;
mod group;
mod installed;
mod ledger;
mod names;
mod notice;
mod output;
mod page;
mod people;
mod prove;
mod restarts;
mod run;
mod runs;
mod secret;
mod session;
mod sweep;
mod talk;
mod units;
mod up;
mod user;
mod vault;
mod when;
mod why;
mod wire;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = match nc_daemon::arguments::<Cli>() {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    ending::of(dispatch(&cli))
}

fn dispatch(cli: &Cli) -> anyhow::Result<ExitCode> {
    let options = &cli.options;
    match &cli.command {
        Command::Up => run::up(options),
        Command::Run { command: None } => run::run(options),
        Command::Run { command: Some(command) } => runs::run(options, command),
        Command::Talk(talk) => talk::run(options, talk),
        Command::Group { command } => group::run(options, command),
        Command::Chat { command } => chats::run(options, command),
        Command::Channel { command } => channel::run(options, command),
        Command::Wire(wire) => wire::wire(options, wire),
        Command::Unwire(unwire) => wire::unwire(options, unwire),
        Command::Destination { command } => destination::run(options, command),
        Command::Session { command } => session::run(options, command),
        Command::User { command } => people::users(options, command),
        Command::Role { command } => people::roles(options, command),
        Command::Member { command } => people::members(options, command),
        Command::Why(why) => why::run(options, why),
        Command::Ledger(ledger) => ledger::run(options, ledger),
        Command::Secret { command } => secret::run(options, command),
        Command::Claude { command } => claude::run(options, command),
        Command::Config { command } => config::run(options, command),
        Command::Doctor(doctor) => doctor::run(options, doctor),
        Command::Prove(prove) => prove::run(options, prove),
        Command::Sweep(json) => sweep::run(options, json),
        Command::Notice(notice) => notice::run(options, notice),
        Command::Backoff(backoff) => backoff::run(options, backoff),
        Command::Completions { shell } => completions::run(*shell),
    }
}
