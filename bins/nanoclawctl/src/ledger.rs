//! `nanoclawctl ledger`: what became of every message and delivery.

use std::process::ExitCode;

use nc_config::Options;
use nc_model::Timestamp;
use nc_store::{Count, Imbalance, Ledger, Span, now};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli;
use crate::installed::Installed;
use crate::output::{self, line};
use crate::when::read_time;

pub(crate) fn run(options: &Options, ledger: &cli::Ledger) -> anyhow::Result<ExitCode> {
    let installed = Installed::load(options)?;
    let zone = &installed.loaded.config.timezone;
    let time = |option, given: &Option<String>| given.as_deref().map(|g| read_time(option, g, zone, now())).transpose();
    let span = Span {
        since: time("--since", &ledger.since)?.unwrap_or(Span::ALL.since),
        until: time("--until", &ledger.until)?.unwrap_or(Span::ALL.until),
    };
    let store = installed.existing_store()?;
    if ledger.check {
        return check(&store.ledger_check(span)?, ledger.json.json);
    }
    let account = store.ledger(span)?;
    if ledger.json.json {
        print_json(&account)?;
    } else {
        print(&account)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(faults: &[Imbalance], as_json: bool) -> anyhow::Result<ExitCode> {
    if as_json {
        output::json(&json!({ "balances": faults.is_empty(), "faults": faults }))?;
    } else if faults.is_empty() {
        line("the ledger balances")?;
    } else {
        for fault in faults {
            line(output::harmless(&fault.to_string()))?;
        }
        line("the ledger does not balance: the rows above are where; keep a copy of the store and report it")?;
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(account: &Ledger) -> anyhow::Result<()> {
    let (messages, deliveries) = (&account.messages, &account.deliveries);
    line(format!("messages    {} accepted = {} ended + {} open", messages.accepted, messages.ended, messages.open))?;
    messages.routings.iter().try_for_each(|count| print_count(count, "by rule"))?;
    line(format!(
        "deliveries  {} created = {} sent + {} unknown + {} dead + {} open",
        deliveries.created, deliveries.sent, deliveries.unknown, deliveries.dead, deliveries.open
    ))?;
    deliveries.open_by_channel.iter().try_for_each(|count| print_count(count, "on"))?;
    for open in &messages.open_rows {
        let approval = open.approval_id.as_ref().map(|id| format!(", approval {id}")).unwrap_or_default();
        line(format!(
            "open: message {} of chat {}: {} since {}{approval}",
            open.seq,
            open.chat,
            word(open.state),
            open.since
        ))?;
    }
    for open in &deliveries.open_rows {
        let state = open.status.map_or("without a send", |status| status.as_str());
        let error = open.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
        let (id, chat, channel, since) = (&open.id, open.chat, &open.channel, open.since);
        line(output::harmless(&format!(
            "open: delivery {id} to chat {chat} on {channel}: {state} since {since}{error}"
        )))?;
    }
    Ok(())
}

fn print_count<S: Serialize + Copy>(count: &Count<S>, joined: &str) -> anyhow::Result<()> {
    let rule = count.rule.as_ref().map(|rule| format!(" {joined} {rule}")).unwrap_or_default();
    let since = count.since.map(|since| format!(", since {since}")).unwrap_or_default();
    line(format!("  {:>8}  {}{rule}{since}", count.count, word(count.state)))
}

/// The account as JSON, its span in words that people read.
fn print_json(account: &Ledger) -> anyhow::Result<()> {
    let mut value = serde_json::to_value(account)?;
    let end = |time: Timestamp| {
        if time == Span::ALL.since || time == Span::ALL.until { None } else { Some(time.to_string()) }
    };
    value["span"] = json!({ "since": end(account.span.since), "until": end(account.span.until) });
    for of in ["messages", "deliveries"] {
        for list in ["routings", "open_rows", "open_by_channel"] {
            for row in value[of].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                readable_times(row);
            }
        }
    }
    output::json(&value)
}

fn readable_times(row: &mut Value) {
    for name in ["since", "given_at"] {
        if let Some(ms) = row.get(name).and_then(Value::as_i64) {
            row[name] = json!(Timestamp(ms).to_string());
        }
    }
}

/// A state as its JSON word.
fn word(state: impl Serialize) -> String {
    let word = serde_json::to_value(state).ok();
    word.as_ref().and_then(Value::as_str).unwrap_or("?").replace('_', " ")
}
