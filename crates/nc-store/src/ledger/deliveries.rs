//! What became of the deliveries.

use nc_model::{ChatId, SendStatus, Timestamp};
use rusqlite::{Connection, Row, params};

use super::{Count, Counts, MAX_NAMED, Span};
use crate::row::{maybe_word, time};
use crate::{Store, StoreError};

pub(super) const PAGE_OF_DELIVERIES: &str =
    "SELECT d.id, d.session_id, d.source_id, d.channel, d.messaging_group_id, d.created_at,
            s.part, s.status, s.status_at, s.attempts, s.error,
            s.channel IS NOT d.channel OR s.messaging_group_id IS NOT d.messaging_group_id AS strays,
            (SELECT count(*) FROM deliveries o JOIN sends t ON t.delivery_id = o.id AND t.part = s.part AND t.status = 'sent'
              WHERE ifnull(o.session_id, '') = ifnull(d.session_id, '') AND o.source_id = d.source_id) AS times_sent
       FROM (SELECT * FROM deliveries
              WHERE created_at < ?2 AND (created_at, id) > (?1, ?3) ORDER BY created_at, id LIMIT ?4) d
       LEFT JOIN sends s ON s.delivery_id = d.id
      ORDER BY d.created_at, d.id, s.part";

/// Where a delivery stands: the worst of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// The platform has every part.
    Sent,
    /// Of some part nobody can know.
    Unknown,
    /// Some part cannot be sent.
    Dead,
    /// Some part is not sent yet.
    Open,
}

/// What became of the deliveries of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct DeliveryAccount {
    /// How many were made.
    pub created: u64,
    /// How many arrived whole.
    pub sent: u64,
    /// Of how many nobody can know.
    pub unknown: u64,
    /// How many cannot be sent whole.
    pub dead: u64,
    /// How many are not sent yet.
    pub open: u64,
    /// The open ones by channel, in `rule`.
    pub open_by_channel: Vec<Count<DeliveryState>>,
    /// What is open, the oldest first; at most [`MAX_NAMED`].
    pub open_rows: Vec<OpenDelivery>,
}

/// A delivery that is not sent yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OpenDelivery {
    /// The delivery.
    pub id: String,
    /// Who is to send it.
    pub channel: String,
    /// Where it goes.
    pub chat: ChatId,
    /// Since when it waits.
    pub since: Timestamp,
    /// Its first open part; `None` where no part is there at all.
    pub part: Option<u32>,
    /// Where that part stands.
    pub status: Option<SendStatus>,
    /// How often it was begun.
    pub attempts: u32,
    /// What went wrong last.
    pub error: Option<String>,
}

/// A delivery with its parts, as the pages give it.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) id: String,
    pub(super) session_id: Option<String>,
    pub(super) source_id: String,
    pub(super) channel: String,
    chat: ChatId,
    created_at: Timestamp,
    pub(super) parts: Vec<Part>,
}

/// One part of a delivery.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) status: SendStatus,
    attempts: u32,
    error: Option<String>,
    /// Whether it names another channel or chat than its delivery.
    pub(super) strays: bool,
    /// How many sent rows there are for this session, source and part.
    pub(super) times_sent: i64,
}

impl Part {
    fn state(&self) -> DeliveryState {
        match self.status {
            SendStatus::Sent => DeliveryState::Sent,
            SendStatus::Unknown => DeliveryState::Unknown,
            SendStatus::Dead => DeliveryState::Dead,
            SendStatus::Queued | SendStatus::Leased | SendStatus::Sending | SendStatus::Retry => DeliveryState::Open,
        }
    }
}

impl Walked {
    fn state(&self) -> DeliveryState {
        self.parts.iter().map(Part::state).max().unwrap_or(DeliveryState::Open)
    }
}

/// Calls `visit` with every delivery of the span, in the order in which they were made.
pub(super) fn walk(store: &Store, span: Span, page: u32, visit: &mut dyn FnMut(&Walked)) -> Result<(), StoreError> {
    // No id is empty, so the first page begins with the first delivery of `since`.
    let mut after = (span.since, String::new());
    loop {
        let deliveries = store.read(|conn| read_page(conn, span, &after, page))?;
        deliveries.iter().for_each(&mut *visit);
        match deliveries.last() {
            Some(last) if deliveries.len() == page as usize => after = (last.created_at, last.id.clone()),
            _ => return Ok(()),
        }
    }
}

fn read_page(conn: &Connection, span: Span, after: &(Timestamp, String), page: u32) -> Result<Vec<Walked>, StoreError> {
    let mut statement = conn.prepare_cached(PAGE_OF_DELIVERIES)?;
    let mut rows = statement.query(params![after.0.0, span.until.0, after.1, page])?;
    let mut deliveries: Vec<Walked> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get("id")?;
        if deliveries.last().is_none_or(|last| last.id != id) {
            deliveries.push(delivery(row, id)?);
        }
        if let (Some(delivery), Some(part)) = (deliveries.last_mut(), part(row)?) {
            delivery.parts.push(part);
        }
    }
    Ok(deliveries)
}

fn delivery(row: &Row<'_>, id: String) -> rusqlite::Result<Walked> {
    Ok(Walked {
        id,
        session_id: row.get("session_id")?,
        source_id: row.get("source_id")?,
        channel: row.get("channel")?,
        chat: ChatId(row.get("messaging_group_id")?),
        created_at: time(row, "created_at")?,
        parts: Vec::new(),
    })
}

/// The part of a row, or `None` where the delivery has none.
fn part(row: &Row<'_>) -> rusqlite::Result<Option<Part>> {
    let Some(status) = maybe_word(row, "status")? else { return Ok(None) };
    Ok(Some(Part {
        number: row.get("part")?,
        status,
        attempts: row.get("attempts")?,
        error: row.get("error")?,
        strays: row.get("strays")?,
        times_sent: row.get("times_sent")?,
    }))
}

/// Adds deliveries up.
#[derive(Debug, Default)]
pub(super) struct Tally {
    account: DeliveryAccount,
    open: Counts<DeliveryState>,
}

impl Tally {
    pub(super) fn add(&mut self, delivery: &Walked) {
        let account = &mut self.account;
        account.created += 1;
        match delivery.state() {
            DeliveryState::Sent => account.sent += 1,
            DeliveryState::Unknown => account.unknown += 1,
            DeliveryState::Dead => account.dead += 1,
            DeliveryState::Open => {
                account.open += 1;
                self.open.add(DeliveryState::Open, Some(&delivery.channel), Some(delivery.created_at));
                if account.open_rows.len() < MAX_NAMED {
                    account.open_rows.push(OpenDelivery::of(delivery));
                }
            }
        }
    }

    pub(super) fn account(self) -> DeliveryAccount {
        DeliveryAccount { open_by_channel: self.open.into_counts(), ..self.account }
    }
}

impl OpenDelivery {
    fn of(delivery: &Walked) -> Self {
        let part = delivery.parts.iter().find(|part| part.state() == DeliveryState::Open);
        Self {
            id: delivery.id.clone(),
            channel: delivery.channel.clone(),
            chat: delivery.chat,
            since: delivery.created_at,
            part: part.map(|p| p.number),
            status: part.map(|p| p.status),
            attempts: part.map_or(0, |p| p.attempts),
            error: part.and_then(|p| p.error.clone()),
        }
    }
}
