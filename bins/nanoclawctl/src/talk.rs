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
use nc_store::{NewChat, NewWiring, Store};

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
    let user = UnixUser::current();
    let chat = choose(&mut store, &user, talk.group.as_deref())?;
    if !nc_daemon::hears(&installed.router_bell()) {
        return Err(nothing_runs(installed));
    }
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

/// This user's chat: with everybody who listens to the terminal, or with one group alone.
pub(crate) fn choose(store: &mut Store, user: &UnixUser, group: Option<&str>) -> anyhow::Result<ChatId> {
    let own = NewChat { channel: TERMINAL, platform_id: &user.name, name: None, is_group: false };
    let Some(folder) = group else {
        let chat = store.ensure_chat(&own)?;
        return if store.wirings_of_chat(chat)?.is_empty() { Err(nobody_listens(store, user)?) } else { Ok(chat) };
    };
    let group = group::find(store, folder)?;
    if let Some(chat) = store.find_chat(TERMINAL, &user.name)?
        && let [only] = store.wirings_of_chat(chat.id)?.as_slice()
        && only.group == group.id
    {
        return Ok(chat.id);
    }
    let address = format!("{}/{}", user.name, group.folder);
    let apart = NewChat { channel: TERMINAL, platform_id: &address, name: Some(&user.name), is_group: false };
    let chat = store.ensure_chat(&apart)?;
    if store.wirings_of_chat(chat)?.iter().all(|w| w.group != group.id) {
        store.wire(&NewWiring::new(chat, group.id), None)?;
    }
    Ok(chat)
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
