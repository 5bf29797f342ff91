//! A run by hand: a prompt for a group's agent, and what the agent says on standard output.
//!
//! This is a caller like the router, at the other end of the connection: whoever holds the runner's socket starts the
//! runner, so that the run stands in that one's cgroup, and where nobody does a child of ours serves the connection. The
//! router puts the prompt into the mailbox, or one pass of it that we ask for; nc-ipcd takes in what the agent says, ours
//! while the run lives where none is there. What is printed is read by ourselves, with the copy that every reader takes.

mod connection;
mod conversation;
mod others;
mod prompt;
mod proof;
mod session;
mod speech;

use std::io::{Write, stderr};
use std::process::ExitCode;

use anyhow::anyhow;
use nc_config::{Loaded, Options};
use nc_daemon::{Failure, Signals};
use nc_store::{Begun, Group, Store, new_id};
use nix::sys::stat::{Mode, umask};

use self::connection::{Answer, Connection};
use self::conversation::Conversation;
use self::others::Others;
pub(crate) use self::proof::prove;
use self::session::HandSession;
use self::speech::Speech;
use crate::refusal::failed;

/// What a person asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct ByHand {
    /// Give this group's agent a prompt, and print what it says
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// - reads the prompt from standard input, as is done where there is no --prompt
    #[arg(value_name = "-", value_parser = ["-"], requires = "group", conflicts_with = "prompt")]
    stdin: Option<String>,
    /// The prompt, at most 256 KiB; - reads it from standard input
    #[arg(long, value_name = "TEXT", requires = "group", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Send what the agent says to its chat, too
    #[arg(long, requires = "group")]
    send: bool,
    /// In a fresh session, which is closed afterwards
    #[arg(long, requires = "group")]
    isolated: bool,
    /// Run the agent below this terminal, and not below whoever holds the runner's socket
    #[arg(long, requires = "group")]
    here: bool,
}

/// What the person is told.
pub(crate) fn say(what: &str) {
    // Without a standard error the status alone has to say it.
    let _written = writeln!(stderr(), "nc-runner: {}", nc_model::harmless(what));
}

/// Gives the agent of the group in `folder` its prompt, and returns when that is done.
pub(crate) fn run(options: &Options, folder: &str, arguments: &ByHand) -> ExitCode {
    umask(Mode::from_bits_truncate(0o077));
    let text = match prompt::read(arguments.prompt.as_deref()) {
        Ok(text) => text,
        Err(prompt::Unread::Usage(why)) => {
            say(&why);
            return ExitCode::from(Failure::USAGE);
        }
        Err(prompt::Unread::Failed(error)) => {
            say(&format!("failed to read the prompt: {error}"));
            return ExitCode::from(Failure::AGAIN);
        }
    };
    // The main thread starts our children: the kernel takes the end of the starting thread for the end of the parent.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failure::again).and_then(|runtime| {
        let loaded = nc_config::load(options).map_err(Failure::config)?;
        runtime.block_on(by_hand(&loaded, options, folder, arguments, &text))
    });
    match done {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            say(&format!("{:#}", failure.error()));
            ExitCode::from(&failure)
        }
    }
}

async fn by_hand(
    loaded: &Loaded,
    options: &Options,
    folder: &str,
    arguments: &ByHand,
    text: &str,
) -> Result<u8, Failure> {
    let group = crate::shell::find(loaded, folder)?;
    let mut store = Store::open(&loaded.installation.store_file()).map_err(failed)?;
    let session = HandSession::choose(&mut store, &group, arguments.isolated)?;
    if arguments.send && session.place.is_none() {
        session.leave(&mut store);
        return Err(Failure::config(anyhow!(
            "--send: group {} listens to no chat: `nanoclawctl wire` lets it",
            group.folder
        )));
    }
    let mut others = Others::new(loaded, options);
    let done = in_session(loaded, &group, &mut store, &session, &mut others, (text, arguments)).await;
    session.leave(&mut store);
    others.stop().await;
    done
}

async fn in_session(
    loaded: &Loaded,
    group: &Group,
    store: &mut Store,
    session: &HandSession,
    others: &mut Others<'_>,
    (text, arguments): (&str, &ByHand),
) -> Result<u8, Failure> {
    let mut signals = Signals::listen().map_err(Failure::again)?;
    others.need_ipcd().await?;
    let work = loaded.installation.session_dir(group.id, &session.id).work_dir;
    let speech = Speech::listen(work, session.place.clone());
    let run = new_id();
    let row = store.prompt_by_hand(&session.id, &run, &session.content(text)).map_err(failed)?;
    let begun = begin(loaded, store, session, others, (&run, arguments)).await;
    let done = match begun {
        Ok(connection) => {
            let to = if arguments.send { "printed here and sent" } else { "printed here and not sent" };
            say(&format!(
                "run {run} of {} in session {} ({}): what it says is {to}",
                group.folder,
                session.id,
                session.words()
            ));
            let conversation = Conversation { loaded, store, group, session, run: &run, row: &row, speech };
            conversation.hold(connection, others, &mut signals).await
        }
        Err(failure) => Err(failure),
    };
    if let Err(error) = store.end_prompt(&session.id, &run) {
        say(&format!("the prompt stays open in the store: {error}"));
    }
    done
}

/// Asks for the run, and returns when it has begun.
async fn begin(
    loaded: &Loaded,
    store: &Store,
    session: &HandSession,
    others: &mut Others<'_>,
    (run, arguments): (&str, &ByHand),
) -> Result<Connection, Failure> {
    others.place(store, session).await?;
    let mut connection = Connection::open(loaded, others, arguments.here).await?;
    let print = if arguments.send { "" } else { " print" };
    match connection.ask(&format!("run {} manual {run}{print}", session.id)).await? {
        Answer::Started => Ok(connection),
        Answer::Busy => Err(hindrance(store, session, arguments.send)?),
        Answer::Refused(why) => Err(Failure::config(anyhow!("no run begins: {why}"))),
        Answer::Gone(why) => Err(Failure::again(anyhow!("no run begins: {why}"))),
    }
}

/// Why no run by hand may begin in the session now, in words.
fn hindrance(store: &Store, session: &HandSession, send: bool) -> Result<Failure, Failure> {
    let id = &session.id;
    let why = match store.hindrance_by_hand(id, send).map_err(failed)? {
        Some(Begun::Live(run)) => format!(
            "session {id} has a run: {run}. Wait for its end (`nanoclawctl run show {run}`), or take a fresh session with \
             --isolated"
        ),
        Some(Begun::Waiting(count)) => format!(
            "{count} messages or tasks wait for an answer in session {id}, which nobody would get from a run that is only \
             printed: let them be answered (`nanoclawctl up`), give --send, or take a fresh session with --isolated"
        ),
        Some(Begun::Uncollected(run)) => {
            format!("what run {run} of session {id} left is being taken in: try again in a moment")
        }
        None | Some(Begun::Started) => format!("something of session {id} still ran: try again"),
    };
    Ok(Failure::again(anyhow!(why)))
}
