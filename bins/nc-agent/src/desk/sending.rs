//! What is sent while a turn goes on: by tools, and notices.

use nc_wire::content::{Outgoing, TextOut};
use nc_wire::mailbox::container::{Address, AddressBook, MailboxError, NewRow, Settlement};
use tracing::{info, warn};

use super::{Desk, patiently};
use crate::address::{default_address, home};
use crate::in_flight::Taken;
use crate::outbox::Posted;
use crate::parts::parts;
use crate::tools::{ToolCall, ToolOutcome};

impl Desk {
    /// Carries out what a tool is asked to do. What it sends is on its way when this returns.
    pub(crate) async fn carry_out(&mut self, tool: &str, arguments: &serde_json::Value) -> ToolOutcome {
        let outcome = match ToolCall::read(tool, arguments) {
            Ok(ToolCall::SendMessage { text, to }) => self.send_message(&text, to.as_deref()).await,
            Ok(ToolCall::SendFile { path, filename, text, to }) => {
                self.send_file(&path, filename.as_deref(), text, to.as_deref()).await
            }
            Err(reason) => Err(reason),
        };
        match &outcome {
            Ok(_) => self.said_by_tool = true,
            Err(reason) => warn!("the tool {tool:?} did nothing: {reason}"),
        }
        outcome
    }

    async fn send_message(&mut self, text: &str, to: Option<&str>) -> ToolOutcome {
        let (name, to) = self.addressee(to).await?;
        let rows = parts(text).into_iter().map(|part| (None, Outgoing::text(part))).collect();
        self.send(&to, rows).await?;
        Ok(format!("It is on its way to {name}."))
    }

    async fn send_file(
        &mut self,
        path: &str,
        filename: Option<&str>,
        text: Option<String>,
        to: Option<&str>,
    ) -> ToolOutcome {
        let (destination, to) = self.addressee(to).await?;
        let posted = self.outbox.post(path, filename);
        let unsent = |why| format!("{why} Whoever waits for it does not know that: say so.");
        let Posted { row, name, bytes } = posted.map_err(unsent)?;
        let said = format!("{name} ({bytes} bytes) is on its way to {destination}.");
        let text = text.unwrap_or_default();
        // What does not fit beside the file goes before it.
        let mut texts = parts(&text);
        let beside = texts.pop().unwrap_or_default().to_owned();
        let mut rows: Vec<_> = texts.into_iter().map(|part| (None, Outgoing::text(part))).collect();
        rows.push((Some(row), Outgoing::Text(TextOut { text: beside, files: vec![name], ..TextOut::default() })));
        self.send(&to, rows).await?;
        Ok(said)
    }

    async fn send(&mut self, to: &Address, rows: Vec<(Option<String>, Outgoing)>) -> Result<(), String> {
        self.send_rows(to, rows).await.map_err(|error| {
            let error = anyhow::Error::from(error);
            format!("It could not be sent: {error:#}.")
        })
    }

    async fn send_rows(&mut self, to: &Address, rows: Vec<(Option<String>, Outgoing)>) -> Result<(), MailboxError> {
        let newest = patiently(|| self.mailbox.newest_taken(to, i64::MAX)).await?;
        let (in_reply_to, thread_id) = newest.map_or((None, to.thread_id.clone()), |(id, thread)| (Some(id), thread));
        let address = Address { thread_id, ..to.clone() };
        let row = |(id, content)| NewRow { id, in_reply_to: in_reply_to.clone(), address: address.clone(), content };
        let outgoing: Vec<NewRow> = rows.into_iter().map(row).collect();
        self.mailbox.settle(&Settlement { outgoing: &outgoing, ..Settlement::default() })?;
        info!("sent {} rows to {} by a tool", outgoing.len(), to.channel_type);
        Ok(())
    }

    /// Whom the model means, and what to call them.
    async fn addressee(&self, to: Option<&str>) -> Result<(String, Address), String> {
        let book = self.address_book().await.map_err(|error| format!("The destinations cannot be read: {error}."))?;
        match to {
            Some(name) => match book.destinations.iter().find(|known| known.name == name) {
                Some(known) => Ok((known.name.clone(), known.address.clone())),
                None => Err(format!("There is no destination {name:?}. {}", names(&book))),
            },
            None => match default_address(&book) {
                Some(address) => Ok((name_of(&address, &book), address)),
                None => Err(format!("Say in `to` where it goes. {}", names(&book))),
            },
        }
    }

    /// Tells those who wait for these rows something, once each; where nobody does, whoever is at home.
    pub(crate) async fn notice<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Taken>,
        text: &str,
    ) -> Result<(), MailboxError> {
        let book = self.address_book().await?;
        let mut chats = waiting(rows, &book);
        if chats.is_empty() {
            chats.extend(home(&book));
        }
        for chat in chats {
            self.send_rows(&chat, vec![(None, Outgoing::text(text))]).await?;
        }
        Ok(())
    }

    /// Removes the files that the host has taken.
    pub(super) fn clear_outbox(&mut self) {
        let mailbox = &self.mailbox;
        self.outbox.clear(|row| mailbox.is_delivered(row).unwrap_or(false));
    }
}

/// The chats of people who wait for these rows, each once.
pub(super) fn waiting<'a>(rows: impl Iterator<Item = &'a Taken>, book: &AddressBook) -> Vec<Address> {
    let mut chats: Vec<Address> = Vec::new();
    for row in rows.filter(|row| row.trigger) {
        let Some(to) = row.address.clone().or_else(|| home(book)) else { continue };
        if to.channel_type != "agent" && !chats.iter().any(|known| known.same_chat(&to)) {
            chats.push(to);
        }
    }
    chats
}

fn names(book: &AddressBook) -> String {
    let names: Vec<&str> = book.destinations.iter().map(|known| known.name.as_str()).collect();
    if names.is_empty() { "There are none.".to_owned() } else { format!("There are: {}.", names.join(", ")) }
}

fn name_of(address: &Address, book: &AddressBook) -> String {
    let known = book.destinations.iter().find(|known| known.address.same_chat(address));
    known.map_or_else(|| "where you were written from".to_owned(), |known| known.name.clone())
}
