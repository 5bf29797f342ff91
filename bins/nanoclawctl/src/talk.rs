//! `nanoclawctl talk`: the channel program of terminals.
//!
//! What is written is committed before anybody is told of it; what is shown is committed as `sending` before it is
//! printed and as `sent` right after. A talk that dies between the two leaves a reply of which nobody can know whether
//! it was read: the next one shows it once more and says so, which is true whatever happened.

mod conversation;
mod editor;
mod fate;
mod interactive;
mod lines;
mod piped;
mod screen;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use nc_config::Options;
use nc_model::ChatId;
use nc_store::{Group, NewChat, NewWiring, Store};

use self::conversation::Conversation;
use self::lines::Line;
use crate::cli;
use crate::ending::Refusal;
use crate::group::{self, TERMINAL};
use crate::installed::Installed;
use crate::output::quoted;
use crate::user::UnixUser;

pub(crate) fn run(options: &Options, talk: &cli::Talk) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let store = installed.existing_store()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(with(&installed, store, talk))
}

/// Talks until the person leaves or the input ends.
pub(crate) async fn with(installed: &Installed, mut store: Store, talk: &cli::Talk) -> anyhow::Result<ExitCode> {
    if !installed.loaded.config.channel(TERMINAL).enabled {
        return Err(Refusal::look("the channel terminal is disabled: `nanoclawctl channel enable terminal`"));
    }
    // A terminal is a channel like any other, and its standard error is for the person.
    nc_daemon::to_journal_alone("nanoclawctl", installed.loaded.config.log_level.as_str());
    let user = UnixUser::current();
    let chosen = choose(&store, &user, talk.group.as_deref())?;
    if !nc_daemon::hears(&installed.router_bell()) {
        return Err(nothing_runs(installed));
    }
    let chat = chosen.chat(&mut store, &user)?;
    let conversation = Conversation::open(installed, store, user, chat)?;
    if let Some(text) = &talk.once {
        return piped::run(conversation, lines::once(text)).await;
    }
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return interactive::run(conversation).await;
    }
    piped::run(conversation, lines::of_stdin()).await
}

/// What is said where nobody would hear a ring.
fn nothing_runs(installed: &Installed) -> anyhow::Error {
    let dir = quoted(installed.paths().dir());
    Refusal::again(format!(
        "nothing runs in {dir}: start it with `nanoclawctl up` in another terminal, or start it and talk with \
         `nanoclawctl run`"
    ))
}

/// Which chat is meant. Nothing is made before it is known that somebody will answer.
#[derive(Debug)]
pub(crate) enum Chosen {
    /// One that is there.
    There(ChatId),
    /// One with this group alone.
    Apart(Group),
}

/// This user's chat: with everybody who listens to the terminal, or with one group alone.
pub(crate) fn choose(store: &Store, user: &UnixUser, group: Option<&str>) -> anyhow::Result<Chosen> {
    let own = store.find_chat(TERMINAL, &user.name)?;
    let wirings = own.as_ref().map(|chat| store.wirings_of_chat(chat.id)).transpose()?.unwrap_or_default();
    let Some(folder) = group else {
        return match own {
            Some(chat) if !wirings.is_empty() => Ok(Chosen::There(chat.id)),
            _ => Err(nobody_listens(store, user)?),
        };
    };
    let group = group::find(store, folder)?;
    match (own, wirings.as_slice()) {
        (Some(chat), [only]) if only.group == group.id => Ok(Chosen::There(chat.id)),
        _ => Ok(Chosen::Apart(group)),
    }
}

impl Chosen {
    /// The chat, made and wired where it is missing.
    fn chat(self, store: &mut Store, user: &UnixUser) -> anyhow::Result<ChatId> {
        let group = match self {
            Self::There(chat) => return Ok(chat),
            Self::Apart(group) => group,
        };
        let address = format!("{}/{}", user.name, group.folder);
        let apart = NewChat { channel: TERMINAL, platform_id: &address, name: Some(&user.name), is_group: false };
        let chat = store.ensure_chat(&apart)?;
        if store.wirings_of_chat(chat)?.iter().all(|w| w.group != group.id) {
            store.wire(&NewWiring::new(chat, group.id), None)?;
        }
        Ok(chat)
    }
}

fn nobody_listens(store: &Store, user: &UnixUser) -> anyhow::Result<anyhow::Error> {
    let name = &user.name;
    Ok(Refusal::look(match store.main_group()? {
        Some(main) => format!(
            "no agent listens to your terminal: `nanoclawctl wire terminal:{name} {}` lets the main group listen, or name a \
             group: `nanoclawctl talk GROUP`",
            main.folder
        ),
        None => "there is no main group yet: make it with `nanoclawctl group add NAME --main`".to_owned(),
    }))
}
