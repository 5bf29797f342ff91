//! Events on their way to the journal: fields begin with `NANOCLAW_`, and an event of the catalog has its `MESSAGE_ID`.
//!
//! tracing-journald puts one prefix before every field and takes underlines away that a name begins with: `_message`, which
//! is no name that tracing has a use for itself, becomes `NANOCLAW_MESSAGE`. Values go with their lengths, so that neither a
//! newline nor a byte that is no text makes another field of one.
//!
//! It adds fields without the prefix to all events of a layer alone: so each kind of event has a layer of its own, made at
//! the first one. A program has a handful of kinds.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The field of an event that names its kind.
pub(crate) const MESSAGE_ID: &str = "message_id";

/// The field of an event that names whose words it hands on, where they are not the program's own.
pub(crate) const SPEAKER: &str = "speaker";

/// The journal, as one program writes to it.
pub(crate) struct Journal {
    name: String,
    plain: tracing_journald::Layer,
    kinds: Mutex<BTreeMap<Kind, tracing_journald::Layer>>,
}

impl Journal {
    /// Where lines are from the program `name`.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        Ok(Self { name: name.to_owned(), plain: layer(name)?, kinds: Mutex::default() })
    }

    fn layer_of(&self, kind: &Kind) -> io::Result<tracing_journald::Layer> {
        let layer = layer(kind.speaker.as_deref().unwrap_or(&self.name))?;
        Ok(match &kind.message_id {
            Some(id) => layer.with_custom_fields([("MESSAGE_ID", id)]),
            None => layer,
        })
    }
}

fn layer(name: &str) -> io::Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()?;
    Ok(layer.with_syslog_identifier(name.to_owned()).with_field_prefix(Some("NANOCLAW".to_owned())))
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.plain.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.plain.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut kind = Kind::default();
        event.record(&mut kind);
        if kind == Kind::default() {
            return self.plain.on_event(event, context);
        }
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if !kinds.contains_key(&kind)
            && let Ok(layer) = self.layer_of(&kind)
        {
            kinds.insert(kind.clone(), layer);
        }
        match kinds.get(&kind) {
            Some(layer) => layer.on_event(event, context),
            None => self.plain.on_event(event, context),
        }
    }
}

/// The kind of an event, where it is one of the catalog, and whose words it hands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    message_id: Option<String>,
    speaker: Option<String>,
}

impl Visit for Kind {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE_ID => self.message_id = Some(value.to_owned()),
            SPEAKER => self.speaker = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}
}
