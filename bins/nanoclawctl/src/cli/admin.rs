//! The command line: people, sessions, runs and what became of messages.

use clap::{Args, Subcommand};
use nc_model::{Role, SessionStatus, UnknownSenderPolicy};

use super::Json;
use crate::runs::Outcome;

/// Which part of a long list.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most so many rows
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Go on after this row, as the end of the page before names it
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<String>,
}

/// A list of which each row is shown.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) page: Page,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Chat {
    /// List the chats and who listens to them
    List(ChatList),
    /// Show a chat, who listens to it and how
    Show(ChatShow),
    /// Change a chat
    Edit(ChatEdit),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Channel {
    /// List the channels, whether they are enabled, and how their units stand
    List(Json),
    /// Let a channel take and send messages: in the configuration, and its units
    Enable(ChannelName),
    /// Have a channel neither take nor send messages: in the configuration, and its units
    Disable(ChannelName),
    /// Say whether a message would come through, and what keeps it
    Test(ChannelName),
}

#[derive(Debug, Args)]
pub(crate) struct ChannelName {
    /// The channel, such as terminal, or an instance of it, such as slack:acme
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct ChatList {
    /// Only chats of this channel, such as terminal or slack:acme
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) channel: Option<String>,
    /// Only chats that this group listens to
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Only chats that nobody listens to
    #[arg(long, conflicts_with = "group")]
    pub(crate) unwired: bool,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Args)]
pub(crate) struct ChatShow {
    /// The chat: its number, its CHANNEL:ADDRESS such as terminal:ana, or its name
    #[arg(value_name = "CHAT")]
    pub(crate) chat: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct ChatEdit {
    /// The chat: its number, its CHANNEL:ADDRESS such as terminal:ana, or its name
    #[arg(value_name = "CHAT")]
    pub(crate) chat: String,
    /// Who may write to its agents without being known: strict, `request_approval` or public
    #[arg(long, value_name = "POLICY")]
    pub(crate) unknown_senders: UnknownSenderPolicy,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List the sessions, the newest first
    List(SessionList),
    /// Show a session and where its files lie
    Show(SessionShow),
    /// Close sessions: the next message begins a new one, which knows nothing of before
    Reset(SessionReset),
}

#[derive(Debug, Args)]
pub(crate) struct SessionList {
    /// Only sessions of this group
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Only sessions of this chat
    #[arg(long, value_name = "CHAT")]
    pub(crate) chat: Option<String>,
    /// Only sessions that are active, `set_aside` or closed
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<SessionStatus>,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Args)]
pub(crate) struct SessionShow {
    /// The session: its id, or the beginning of it
    #[arg(value_name = "SESSION")]
    pub(crate) session: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SessionReset {
    /// The session: its id, or the beginning of it
    #[arg(value_name = "SESSION", conflicts_with_all = ["group", "chat"])]
    pub(crate) session: Option<String>,
    /// All open sessions of this group
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// All open sessions of this chat
    #[arg(long, value_name = "CHAT")]
    pub(crate) chat: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Run {
    /// List the runs, the newest first
    List(RunList),
    /// Show a run: how it went and what it used
    Show(RunShow),
    /// Print what the agent of a run printed
    Log(RunLog),
}

#[derive(Debug, Args)]
pub(crate) struct RunList {
    /// Only runs of this group
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Only runs of this session: its id, or the beginning of it
    #[arg(long, value_name = "SESSION")]
    pub(crate) session: Option<String>,
    /// Only runs that ended so (completed, failed, timeout, killed, lost), or that are live
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<Outcome>,
    /// Only runs that began since: RFC 3339, YYYY-MM-DD[ HH:MM:SS] in the configured zone, or how long ago, such as 24h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Args)]
pub(crate) struct RunShow {
    /// The run: its id or the beginning of it, or a group's folder for the group's newest
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct RunLog {
    /// The run: its id or the beginning of it, or a group's folder for the group's newest
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Go on printing until the run ends
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// List the users, their roles and where they are members
    List(UserList),
}

#[derive(Debug, Args)]
pub(crate) struct UserList {
    /// Only who has this role somewhere: owner or admin
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Give a role
    Grant(RoleOf),
    /// Take a role; the last owner stays
    Revoke(RoleOf),
}

#[derive(Debug, Args)]
pub(crate) struct RoleOf {
    /// The user's id, such as slack:U024BE7LH or terminal:ana
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// owner (of everything) or admin
    #[arg(value_name = "ROLE")]
    pub(crate) role: Role,
    /// Of this group alone; without it everywhere
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Let a group know a user
    Add(MemberOf),
    /// Take a user from a group
    Remove(MemberOf),
    /// List the members of a group
    List(MemberList),
}

#[derive(Debug, Args)]
pub(crate) struct MemberOf {
    /// The user's id, such as slack:U024BE7LH or terminal:ana
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
}

#[derive(Debug, Args)]
pub(crate) struct MemberList {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Destination {
    /// Let a group's agent write to a chat, or to another agent, by a name of its own
    Add(DestinationAdd),
    /// Take a name from a group's agent
    Remove(DestinationRemove),
    /// List what a group's agent may write to
    List(DestinationList),
}

#[derive(Debug, Args)]
pub(crate) struct DestinationAdd {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// What its agent calls it: lower-case letters and digits, single dashes between
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The chat: its number, its CHANNEL:ADDRESS such as terminal:ana, or its name
    #[arg(value_name = "CHAT", required_unless_present = "agent", conflicts_with = "agent")]
    pub(crate) chat: Option<String>,
    /// Another group's folder
    #[arg(long, value_name = "GROUP")]
    pub(crate) agent: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DestinationRemove {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// What its agent calls it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct DestinationList {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WhichMessage {
    /// The message's number, as `ledger` and the logs name it
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: Option<i64>,
    /// The newest message of this chat
    #[arg(long, value_name = "CHAT")]
    pub(crate) chat: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Why {
    #[command(flatten)]
    pub(crate) which: WhichMessage,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Notice {
    /// The unit that has failed, with its kind: nc-router.service
    #[arg(value_name = "UNIT", value_parser = crate::notice::unit_name)]
    pub(crate) unit: String,
}

#[derive(Debug, Args)]
pub(crate) struct Backoff {
    /// The unit that has ended, with its kind: nc-router.service
    #[arg(value_name = "UNIT", value_parser = crate::notice::unit_name)]
    pub(crate) unit: String,
}
