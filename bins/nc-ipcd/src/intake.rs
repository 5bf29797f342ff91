//! From a copy of an agent's file to one transaction of the store.

use std::io;
use std::time::{Duration, Instant};

use nc_config::Installation;
use nc_store::{AckWord, AgentAck, OutboundLook, Spoken, Store, StoreError, TakenIn, Told, Usage};
use nc_wire::mailbox::AckStatus;
use nc_wire::rejected;
use nc_wire::snapshot::{RowError, Snapshot, SnapshotError};
use serde_json::Value;
use tracing::warn;

use crate::check::{Rejected, Speaker, Undecided};
use crate::live::Live;
use crate::media::Media;
use crate::way;

/// How many rows, and how many acknowledgements, go into one transaction. STORE.md's size of a batch.
const BATCH: usize = 100;

/// How many refusals of one look the agent is told of one by one, and are kept for a person to see. A guess: who needs more has
/// seen the pattern.
const TOLD_ONE_BY_ONE: usize = 20;

/// The longest list of tools that is kept of a run, in bytes. A guess: 50 tools have 3,000.
const MAX_TOOLS: usize = 16 * 1024;

/// How long a file waits for room, and with it all that its agent says after it. A guess: in that time somebody looks after a
/// full disk, or what the person waits for goes out without the file.
const ROOM_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Why a copy was not taken in.
#[derive(Debug)]
pub(crate) enum IntakeError {
    /// The store cannot be used: nothing of the copy is to blame.
    Store(StoreError),
    /// The copy cannot be read.
    Copy(SnapshotError),
}

impl From<StoreError> for IntakeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SnapshotError> for IntakeError {
    fn from(error: SnapshotError) -> Self {
        Self::Copy(error)
    }
}

/// What a copy has that the store has not.
struct Batch {
    look: OutboundLook,
    rejected: Vec<Rejected>,
    /// Acknowledgements that say nothing, as nobody can read them.
    unreadable: Vec<String>,
    /// Whether that is all.
    whole: bool,
    /// Why the rest waits, where it does for room.
    no_room: Option<io::Error>,
}

/// What was taken in.
pub(crate) struct Intake {
    pub(crate) taken: TakenIn,
    /// Whether that was all.
    pub(crate) whole: bool,
    /// Why the rest waits, where it does for room on the disk.
    pub(crate) no_room: Option<io::Error>,
}

/// Takes in what is new in a copy, at most a batch of it.
pub(crate) fn take_in(
    store: &mut Store,
    installation: &Installation,
    media: &mut Media,
    live: &mut Live,
    snapshot: &Snapshot,
) -> Result<Intake, IntakeError> {
    let batch = gather(store, media, live, snapshot)?;
    live.usage = usage(live, snapshot)?.or(live.usage.take());
    way::to_be_sent(store, live, &batch.look.rows)?;
    let is_empty = batch.look.rows.is_empty() && batch.look.acks.is_empty();
    let taken = if is_empty { TakenIn::default() } else { store.take_in(&batch.look)? };
    way::taken_in(live, &taken);
    keep_rejected(installation, live, &batch.rejected);
    remember(live, batch.look, batch.unreadable);
    Ok(Intake { taken, whole: batch.whole, no_room: batch.no_room })
}

fn gather(store: &Store, media: &mut Media, live: &mut Live, snapshot: &Snapshot) -> Result<Batch, IntakeError> {
    let mut rows = new_rows(store, live, snapshot)?;
    let mut whole = !rows.more;
    if rows.rows.len() > BATCH {
        rows.rows.truncate(BATCH);
        whole = false;
    }
    let may_wait = live.no_room_since.is_none_or(|since| since.elapsed() < ROOM_WITHIN);
    let (session, plan, work) = (&live.session, &live.plan, &live.work);
    let speaker = Speaker { store, session, plan, work, to_chat: live.run.to_chat, may_wait };
    let (mut spoken, mut rejected, mut highest_seq, mut no_room) = (Vec::new(), Vec::new(), 0, None);
    for row in rows.rows {
        let seq = row.as_ref().map_or(0, |row| row.seq);
        let checked = match speaker.check(row, media) {
            Ok(checked) => checked,
            Err(Undecided::Store(error)) => return Err(error.into()),
            Err(Undecided::NoRoom(error)) => {
                (no_room, whole) = (Some(error), false);
                break;
            }
        };
        highest_seq = highest_seq.max(seq);
        spoken.extend(checked.spoken);
        rejected.extend(checked.rejected);
    }
    live.no_room_since = no_room.as_ref().map(|_| live.no_room_since.unwrap_or_else(Instant::now));
    bound_refusals(&mut spoken);
    rejected.truncate(TOLD_ONE_BY_ONE);
    // What ended is only known to have ended once everything was seen that was written before.
    let (acks, unreadable, all_acks) = new_acks(live, snapshot, whole)?;
    let look = OutboundLook {
        session: live.session.id.clone(),
        group: live.session.group,
        run: live.run.id.clone(),
        acks,
        rows: spoken,
        highest_seq,
    };
    Ok(Batch { look, rejected, unreadable, whole: whole && all_acks, no_room })
}

fn new_rows(
    store: &Store,
    live: &mut Live,
    snapshot: &Snapshot,
) -> Result<nc_wire::snapshot::Rows<nc_wire::snapshot::OutRow>, IntakeError> {
    let (session, known) = (&live.session.id, &mut live.known);
    let mut failed = None;
    let is_known = |id: &str| {
        if known.contains(id) {
            return true;
        }
        let in_store = store.knows_outbound_row(session, id).unwrap_or_else(|error| {
            failed = Some(error);
            true
        });
        if in_store && failed.is_none() {
            known.insert(id.to_owned());
        }
        in_store
    };
    let rows = snapshot.messages_out(is_known)?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(rows),
    }
}

/// The acknowledgements that say something new, those that cannot be read, and whether these are all.
fn new_acks(
    live: &Live,
    snapshot: &Snapshot,
    with_ends: bool,
) -> Result<(Vec<AgentAck>, Vec<String>, bool), IntakeError> {
    let found = snapshot.acks(|id| live.done.contains(id))?;
    let (mut acks, mut unreadable) = (Vec::new(), Vec::new());
    let mut whole = true;
    let word = |status| if with_ends { word(status) } else { before_the_end(status) };
    for ack in found.rows {
        match ack {
            Err(error) => unreadable.push(complain(live, error)),
            Ok(ack) if is_news(live, &ack.message_id, word(ack.status)) => {
                if acks.len() == BATCH {
                    whole = false;
                    break;
                }
                acks.push(AgentAck { id: ack.message_id, word: word(ack.status) });
            }
            Ok(_) => {}
        }
    }
    // What stands behind many that are still at work can wait until one of these ends.
    let has_more = found.more && !(acks.is_empty() && unreadable.is_empty());
    Ok((acks, unreadable, whole && !has_more))
}

fn is_news(live: &Live, id: &str, word: AckWord) -> bool {
    match word {
        AckWord::Taken | AckWord::Ending => !live.begun.contains(id),
        AckWord::Done | AckWord::Failed => true,
    }
}

/// What is known of something while not everything was seen that was written before its end.
fn before_the_end(status: AckStatus) -> AckWord {
    if status == AckStatus::Processing { AckWord::Taken } else { AckWord::Ending }
}

fn word(status: AckStatus) -> AckWord {
    match status {
        AckStatus::Processing => AckWord::Taken,
        AckStatus::Completed => AckWord::Done,
        AckStatus::Failed => AckWord::Failed,
    }
}

fn complain(live: &Live, error: RowError) -> String {
    let (session, folder) = (&live.session.id, &live.plan.folder);
    warn!(%session, group = %folder, "an acknowledgement of an agent is passed over: {error}");
    error.key
}

/// Has the agent told of the first refusals one by one, and with the last of them how many more there were.
fn bound_refusals(spoken: &mut [Spoken]) {
    let mut notices: Vec<&mut Told> = spoken
        .iter_mut()
        .filter_map(|row| match row {
            Spoken::Refuse(refusal) if matches!(refusal.told, Told::Notice(_)) => Some(&mut refusal.told),
            _ => None,
        })
        .collect();
    let Some(further) = notices.len().checked_sub(TOLD_ONE_BY_ONE).filter(|further| *further > 0) else { return };
    for told in notices.iter_mut().skip(TOLD_ONE_BY_ONE) {
        **told = Told::Nothing;
    }
    if let Some(Told::Notice(text)) = notices.get_mut(TOLD_ONE_BY_ONE - 1) {
        *text = format!("{text} {further} more were refused with it.");
    }
}

/// Marks what the store has now.
fn remember(live: &mut Live, look: OutboundLook, unreadable: Vec<String>) {
    for row in look.rows {
        live.known.insert(match row {
            Spoken::Send(delivery) => delivery.source_id,
            Spoken::Refuse(refusal) => refusal.source_id,
        });
    }
    for ack in look.acks {
        match ack.word {
            AckWord::Taken | AckWord::Ending => live.begun.insert(ack.id),
            AckWord::Done | AckWord::Failed => live.done.insert(ack.id),
        };
    }
    live.done.extend(unreadable);
}

/// Logs refused rows and keeps them for a person to see.
fn keep_rejected(installation: &Installation, live: &Live, rejected: &[Rejected]) {
    let place = rejected::Rejected::new(installation.rejected_dir(&live.plan.folder));
    for row in rejected {
        let kept = match place.keep(&row.name, &row.bytes, &row.reason) {
            Ok(path) => format!("set aside as {:?}", path.to_string_lossy()),
            Err(error) => format!("it could not be set aside: {error}"),
        };
        way::refused(live, row, &kept);
    }
}

/// What the agent says that the model used in this run.
fn usage(live: &Live, snapshot: &Snapshot) -> Result<Option<Usage>, IntakeError> {
    let key = format!("usage:{}", live.run.id);
    let found = snapshot.session_state(&key)?.rows.into_iter().filter_map(Result::ok).find(|state| state.key == key);
    Ok(found.and_then(|state| nc_wire::json::parse(&state.value, "usage").ok()).map(|value| read_usage(&value)))
}

fn read_usage(value: &Value) -> Usage {
    let count = |name: &str| value.get(name).and_then(Value::as_i64).filter(|count| *count >= 0);
    let cost = value.get("cost_usd").and_then(Value::as_f64).filter(|cost| cost.is_finite() && *cost >= 0.0);
    Usage {
        input_tokens: count("input_tokens"),
        output_tokens: count("output_tokens"),
        cost_usd: cost,
        turns: count("turns"),
        first_token_ms: count("first_token_ms"),
        tools: value
            .get("tools")
            .filter(|tools| tools.is_object())
            .map(Value::to_string)
            .filter(|json| json.len() <= MAX_TOOLS),
    }
}
