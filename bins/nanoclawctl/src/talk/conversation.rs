//! One user's chat with its agents, as one terminal has it open.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use nc_channel::{Channel, plan};
use nc_config::Doorbell;
use nc_daemon::{Bell, LockError, ring_all};
use nc_model::{ChatId, SendStatus, Seq, Timestamp};
use nc_store::{Fate, Leased, NewMessage, Store, new_id, now};

use super::screen::{CAN, Said, Screen, Terminal, readable};
use crate::ending::Refusal;
use crate::group::TERMINAL;
use crate::installed::Installed;
use crate::user::UnixUser;

/// How much later than its own time a delivery may be seen, in milliseconds: a busy store waits 30 s at most, and as much
/// again for a clock that was set.
const LATE: i64 = 60_000;

/// An open conversation.
pub(super) struct Conversation<'a> {
    installed: &'a Installed,
    channel: Channel,
    chat: ChatId,
    user: UnixUser,
    bell: Bell,
    /// What was made from then on is looked at again and again; what is older has ended.
    since: Timestamp,
    shown: HashMap<String, Timestamp>,
    /// When something is to be shown that could not be before.
    due: Option<Timestamp>,
}

impl<'a> Conversation<'a> {
    /// Makes the doorbell of this terminal, so that from here on no reply is missed.
    pub(super) fn open(installed: &'a Installed, store: Store, user: UnixUser, chat: ChatId) -> anyhow::Result<Self> {
        let dir = installed.paths().doorbell(Doorbell::TalkDir);
        installed.make_dir(&dir)?;
        let path = dir.join(format!("{}-{chat}.sock", std::process::id()));
        let bell = Bell::bind(&path)?;
        // Who answers may be another user than root, and must be able to ring.
        installed.give(&path)?;
        let channel = Channel::new(TERMINAL, store, installed.router_bell()).only(chat);
        Ok(Self { installed, channel, chat, user, bell, since: now(), shown: HashMap::new(), due: None })
    }

    /// What the assistant is called.
    pub(super) fn assistant(&self) -> &'a str {
        &self.installed.loaded.config.assistant_name
    }

    /// The installation.
    pub(super) fn installed(&self) -> &'a Installed {
        self.installed
    }

    /// Who sits here.
    pub(super) fn user(&self) -> &UnixUser {
        &self.user
    }

    /// Commits what the person wrote, and rings the router.
    pub(super) async fn say(&mut self, text: String) -> anyhow::Result<Seq> {
        let id = new_id();
        self.channel.store_mut().upsert_user(&self.user.id(), Some(&self.user.full_name))?;
        let message = NewMessage {
            platform_message_id: Some(id.clone()),
            sender_id: Some(self.user.id()),
            sender_name: Some(self.user.full_name.clone()),
            ..NewMessage::new(self.chat, id, text)
        };
        let recorded = self.channel.receive(&[message]).await?;
        recorded.first().map(|r| r.seq()).ok_or_else(|| Refusal::again("the message was not stored: try again"))
    }

    /// What became of a message.
    pub(super) fn fate(&self, seq: Seq) -> anyhow::Result<Fate> {
        Ok(self.channel.store().fate(seq)?)
    }

    /// Waits for the bell, or for the time of what is to be shown again.
    pub(super) async fn rung(&self) {
        let due = async {
            match self.due {
                Some(at) => tokio::time::sleep(Duration::from_millis(at.ms_since(now()))).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.bell.rung() => {}
            () = due => {}
        }
    }

    /// Whether anybody would hear the router's bell.
    pub(super) fn is_heard(&self) -> bool {
        nc_daemon::hears(&self.installed.router_bell())
    }

    /// Shows everything that is due, and what another terminal of this user has shown since this one was opened.
    pub(super) async fn look(&mut self, screen: &mut impl Screen) -> anyhow::Result<()> {
        self.due = None;
        let moved = match nc_daemon::lock(&self.lock_file()) {
            Ok(_mine) => self.send_due(screen).await?,
            // Another terminal of this user shows it just now, and rings when it has.
            Err(LockError::Held { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if moved {
            ring_all(&self.installed.paths().doorbell(Doorbell::TalkDir));
        }
        self.show_others(screen)
    }

    /// Whether a delivery of this chat is still to be shown, by this terminal or another.
    pub(super) fn is_open(&self, delivery: &str) -> anyhow::Result<bool> {
        let found = self.channel.store().deliveries_of_chat(self.chat, self.since)?;
        let status = found.into_iter().find(|(leased, _)| leased.delivery_id == delivery).map(|(_, status)| status);
        Ok(status.is_some_and(is_open) && !self.shown.contains_key(delivery))
    }

    /// Held by the terminal that shows what is due in this chat: a part in hand without it is a dead terminal's.
    fn lock_file(&self) -> PathBuf {
        self.installed.paths().doorbell(Doorbell::TalkDir).join(format!("chat-{}.lock", self.chat))
    }

    async fn send_due(&mut self, screen: &mut impl Screen) -> anyhow::Result<bool> {
        self.installed.give(&self.lock_file())?;
        let paths = self.installed.paths();
        let media = |delivery: &str| paths.media_out(delivery);
        let mut terminal = Terminal { screen, media: &media, shown: &mut self.shown, broken: None };
        let recovered = self.channel.recover(&mut terminal).await?;
        let passed = self.channel.pass(&mut terminal).await?;
        self.due = passed.next_due;
        match terminal.broken {
            Some(error) => Err(Refusal::no(format!(
                "the reply cannot be printed ({error}); it is kept and shown at the next `nanoclawctl talk`"
            ))),
            None => Ok(recovered.sent + passed.sent + passed.dead > 0),
        }
    }

    fn show_others(&mut self, screen: &mut impl Screen) -> anyhow::Result<()> {
        let made = self.channel.store().deliveries_of_chat(self.chat, self.since)?;
        if let Some((newest, _)) = made.last()
            && !made.iter().any(|(_, status)| is_open(*status))
        {
            self.since = self.since.max(newest.created_at.plus_ms(-LATE));
        }
        for (leased, status) in made {
            let elsewhere = matches!(status, SendStatus::Sending | SendStatus::Sent | SendStatus::Unknown);
            if !elsewhere || self.shown.contains_key(&leased.delivery_id) {
                continue;
            }
            let Some(text) = self.text_of(&leased) else { continue };
            let said = Said { leased: &leased, text: &text, again: false, elsewhere };
            if screen.show(said)? {
                self.shown.insert(leased.delivery_id, leased.created_at);
            }
        }
        self.shown.retain(|_, made| *made >= self.since);
        Ok(())
    }

    fn text_of(&self, leased: &Leased) -> Option<String> {
        let place = self.installed.paths().media_out(&leased.delivery_id);
        let actions = plan(leased.kind, &leased.content, CAN).ok()?;
        actions.iter().find_map(|action| readable(action, &place))
    }
}

/// Whether a part is still to be sent.
fn is_open(status: SendStatus) -> bool {
    matches!(status, SendStatus::Queued | SendStatus::Leased | SendStatus::Sending | SendStatus::Retry)
}
