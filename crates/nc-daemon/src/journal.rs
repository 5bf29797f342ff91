//! Events on their way to the journal: fields begin with `NANOCLAW_`, and an event of the catalog has its `MESSAGE_ID`.
//!
//! tracing-journald puts one prefix before every field, and adds fields without it to all events of a layer alone: so each
//! kind of event has a layer of its own, made at the first one. A program has a handful of kinds.

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

/// The journal, as one program writes to it.
pub(crate) struct Journal {
    name: String,
    plain: tracing_journald::Layer,
    kinds: Mutex<BTreeMap<String, tracing_journald::Layer>>,
}

impl Journal {
    /// Where lines are from the program `name`.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        Ok(Self { name: name.to_owned(), plain: layer(name)?, kinds: Mutex::default() })
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
        let Some(kind) = kind.0 else { return self.plain.on_event(event, context) };
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if !kinds.contains_key(&kind)
            && let Ok(layer) = layer(&self.name)
        {
            kinds.insert(kind.clone(), layer.with_custom_fields([("MESSAGE_ID", &kind)]));
        }
        match kinds.get(&kind) {
            Some(layer) => layer.on_event(event, context),
            None => self.plain.on_event(event, context),
        }
    }
}

/// The kind of an event, where it is one of the catalog.
#[derive(Debug, Default)]
struct Kind(Option<String>);

impl Visit for Kind {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE_ID {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}
}
