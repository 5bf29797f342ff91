//! The command line.

mod admin;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use nc_config::{CREDENTIALS, ClaudeVersion, Options};
use nc_model::{EngageMode, IgnoredMessagePolicy, SenderScope, SessionMode};

pub(crate) use self::admin::*;

/// Look after a NanoClaw installation, and talk to its agents
#[derive(Debug, Parser)]
#[command(name = "nanoclawctl", version, max_term_width = 100)]
#[command(after_help = "Exit status: 0; 1 the answer is no or a command failed; 64 usage; 75 try again; \
    78 a person must look first.\nThe installation is --dir, else NANOCLAW_DIR, else the nearest directory above with a \
    nanoclaw.toml or a checkout, else what is installed: ~/.config/nanoclaw, or /etc/nanoclaw.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole toolkit in the foreground, without an init system
    Up,
    /// Make the main group on first use, start everything, talk, and stop everything again; or look at runs of agents
    Run {
        #[command(subcommand)]
        command: Option<Run>,
    },
    /// Talk to an agent in this terminal; with standard input not a terminal each line is a message
    Talk(Talk),
    /// Agent groups: who answers
    Group {
        #[command(subcommand)]
        command: Group,
    },
    /// Chats: where people write
    Chat {
        #[command(subcommand)]
        command: Chat,
    },
    /// Channels: by what way people write
    Channel {
        #[command(subcommand)]
        command: Channel,
    },
    /// Let a group listen to a chat and write to it
    Wire(Wire),
    /// Take a chat from a group
    Unwire(Unwire),
    /// What an agent may write to, by its own names
    Destination {
        #[command(subcommand)]
        command: Destination,
    },
    /// Sessions: where an agent and a chat meet
    Session {
        #[command(subcommand)]
        command: Session,
    },
    /// Users: who writes
    User {
        #[command(subcommand)]
        command: User,
    },
    /// Who owns the installation, and who is an admin
    Role {
        #[command(subcommand)]
        command: RoleCommand,
    },
    /// Whom a group knows
    Member {
        #[command(subcommand)]
        command: Member,
    },
    /// Why a message was answered or not: what was decided, by which rule, and what came of it
    Why(Why),
    /// What became of every message and delivery
    Ledger(Ledger),
    /// Credentials that are kept as files of the installation
    Secret {
        #[command(subcommand)]
        command: Secret,
    },
    /// The Claude Code binary
    Claude {
        #[command(subcommand)]
        command: Claude,
    },
    /// The configuration
    Config {
        #[command(subcommand)]
        command: Config,
    },
    /// Say what is missing on this machine or wrong with the installation, and how to mend it
    Doctor(Doctor),
    /// Try every known way out of a group's sandbox from inside of it, and say what the group can read, write and reach
    Prove(Prove),
    /// Start sockets, paths and timers of the init system again that have failed
    Sweep(Json),
    /// Tell the owners that a unit of the init system has failed, by every channel where they can be reached
    Notice(Notice),
    /// Wait before a unit of the init system that failed is started again, longer each time; units call it where they have ended
    Backoff(Backoff),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Default, Args)]
pub(crate) struct Talk {
    /// The group's folder; without it the agents that listen to your terminal
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Send TEXT, print the reply and leave
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) once: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// Make a group and its folder
    Add(GroupAdd),
    /// List the groups
    List(List),
    /// Show a group, its wirings and what its agent may address
    Show(GroupShow),
    /// Change a group
    Edit(GroupEdit),
    /// Remove a group; its folder and its history stay
    Remove(GroupName),
}

#[derive(Debug, Args)]
pub(crate) struct GroupAdd {
    /// What people call it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Its folder below groups/; without it made of the name
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<String>,
    /// Make the main group, with you as owner and your terminal wired to it
    #[arg(long)]
    pub(crate) main: bool,
    #[command(flatten)]
    pub(crate) settings: GroupSettings,
}

/// What a group says that differs from the configuration; `default` takes the configuration's again.
#[derive(Debug, Default, Args)]
pub(crate) struct GroupSettings {
    /// What drives the model: auto, echo, claude, or `default`
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// The model, or `default`
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// How many processes and threads its sandbox may have, or `default`
    #[arg(long, value_name = "NUMBER")]
    pub(crate) processes: Option<String>,
    /// How much memory its sandbox may use, such as 2GiB, or `default`
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// How long its agent stays without work, such as 30m, or `default`
    #[arg(long, value_name = "DURATION")]
    pub(crate) idle_timeout: Option<String>,
    /// How long its agent may show no sign of work, such as 30m, or `default`
    #[arg(long, value_name = "DURATION")]
    pub(crate) run_timeout: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GroupName {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
}

#[derive(Debug, Args)]
pub(crate) struct GroupShow {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct GroupEdit {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// Its new name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) settings: GroupSettings,
}

#[derive(Debug, Args)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Wire {
    /// The chat: its number, its CHANNEL:ADDRESS such as terminal:ana, or its name
    #[arg(value_name = "CHAT")]
    pub(crate) chat: String,
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// What the agent calls the chat; without it made of the chat's name
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) local_name: Option<String>,
    /// Which session a message belongs to: shared (one a chat), per-thread, or agent-shared (one for all its chats)
    #[arg(long, value_name = "MODE", default_value = "shared")]
    pub(crate) session_mode: SessionMode,
    /// What makes the agent answer: pattern, mention, or mention-sticky (and from then on everything in that thread)
    #[arg(long, value_name = "MODE", default_value = "pattern")]
    pub(crate) engage: EngageMode,
    /// A regular expression, in any case, in place of @NAME at the start
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    pub(crate) pattern: Option<String>,
    /// Whose messages it takes: all, or known (owners, admins and members)
    #[arg(long, value_name = "SCOPE", default_value = "all")]
    pub(crate) senders: SenderScope,
    /// What becomes of a message that does not engage it: accumulate (it is context later) or drop
    #[arg(long, value_name = "POLICY", default_value = "accumulate")]
    pub(crate) ignored: IgnoredMessagePolicy,
    /// Which group's rule counts where nobody takes a message: the highest
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) priority: i64,
}

#[derive(Debug, Args)]
pub(crate) struct Unwire {
    /// The chat: its number, its CHANNEL:ADDRESS such as terminal:ana, or its name
    #[arg(value_name = "CHAT")]
    pub(crate) chat: String,
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
}

#[derive(Debug, Args)]
pub(crate) struct Ledger {
    /// From when: RFC 3339, YYYY-MM-DD[ HH:MM:SS] in the configured zone, or how long ago, such as 24h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Up to when, likewise
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Exit 1 where it does not balance, and name the rows
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Exit 0 where the configuration is good; else say what is wrong and exit 78
    Check,
    /// Every key with its value and where it came from
    Show(Json),
    /// An example file with every key, its default and range
    Example,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Keep a credential; its value is asked for without being shown, or read from standard input
    Set(SecretName),
    /// Every credential: what it is, whether it is there, and where it comes from
    List(Json),
    /// Remove a credential's file
    Rm(SecretName),
}

#[derive(Debug, Args)]
pub(crate) struct SecretName {
    /// The credential
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(CREDENTIALS.iter().map(|known| known.name)))]
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Claude {
    /// Fetch the binary with npm into the installation, and check it before anything of it is run
    Fetch(ClaudeFetch),
    /// Which binary is used, its version, and what a model lacks
    Status(Json),
}

#[derive(Debug, Default, Args)]
pub(crate) struct ClaudeFetch {
    /// The version, such as 2.1.331; without it the one that this program was made with
    #[arg(long, value_name = "VERSION", value_parser = claude_version)]
    pub(crate) version: Option<ClaudeVersion>,
}

fn claude_version(text: &str) -> Result<ClaudeVersion, String> {
    ClaudeVersion::parse(text).ok_or_else(|| "write three numbers with dots between them, such as 2.1.331".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The group's folder
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) json: Json,
}
