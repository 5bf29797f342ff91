//! Traffic for an hour, and what the programs hold meanwhile: `make soak`.
//!
//! Nothing is asserted but that each message is answered and the ledger balances. What grows is to be seen in the kept
//! report, which has a sample a minute of memory, descriptors, wake-ups and the length of the write-ahead log.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nc_channel::{Capabilities, Channel, Outcome, Part, Platform};
use nc_config::Doorbell;
use nc_daemon::Bell;
use nc_model::{ChatId, SendLevel};
use nc_store::NewMessage;
use nc_testkit::{PATIENCE, Signal, Toolkit};

use crate::figures::{Figures, Unit, in_words};
use crate::idle::{self, Usage};
use crate::kept::Kept;

/// How long it takes, unless told.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// From one message to the next, over all chats.
const EACH: Duration = Duration::from_millis(100);

/// Groups that talk at the same time.
const GROUPS: usize = 4;

/// A terminal that counts what it is to show.
#[derive(Default)]
struct Counter(usize);

impl Platform for Counter {
    fn capabilities(&self) -> Capabilities {
        Capabilities::TEXT_ONLY
    }

    async fn send(&mut self, _part: Part<'_>) -> Outcome {
        self.0 += 1;
        Outcome::Sent { platform_message_id: None, level: SendLevel::Accepted }
    }
}

/// The terminals of all groups.
struct Traffic {
    channel: Channel,
    bell: Bell,
    chats: Vec<(ChatId, String)>,
    said: usize,
    answered: Counter,
}

impl Traffic {
    fn begin(kit: &Toolkit) -> anyhow::Result<Self> {
        let (installation, store) = (kit.installation(), kit.store());
        let chats = store.chats_page(None, 100)?;
        let chats = chats.into_iter().map(|chat| (chat.id, format!("terminal:{}", chat.platform_id))).collect();
        let talks = installation.doorbell(Doorbell::TalkDir);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&talks)?;
        let bell = Bell::bind(&talks.join("soak.sock"))?;
        let channel = Channel::new("terminal", store, installation.doorbell(Doorbell::Router));
        Ok(Self { channel, bell, chats, said: 0, answered: Counter::default() })
    }

    async fn say(&mut self) -> anyhow::Result<()> {
        let (chat, owner) = &self.chats[self.said % self.chats.len()];
        self.said += 1;
        let mut message = NewMessage::new(*chat, format!("soak-{}", self.said), format!("message {}", self.said));
        message.sender_id = Some(owner.clone());
        message.sender_name = Some("soak".to_owned());
        self.channel.receive(&[message]).await?;
        Ok(())
    }

    /// Shows what is there.
    async fn show(&mut self) -> anyhow::Result<()> {
        self.bell.drain();
        self.channel.pass(&mut self.answered).await?;
        Ok(())
    }

    /// Talks and shows until `until`.
    async fn talk(&mut self, until: Instant) -> anyhow::Result<()> {
        let mut clock = tokio::time::interval(EACH);
        while Instant::now() < until {
            tokio::select! {
                _ = clock.tick() => self.say().await?,
                () = self.bell.rung() => self.show().await?,
            }
        }
        Ok(())
    }

    /// Shows until everything is answered: one by one, or several at once, as agents do when they begin.
    async fn finish(&mut self, kit: &Toolkit) -> anyhow::Result<()> {
        loop {
            self.show().await?;
            let store = self.channel.store();
            if store.fate(store.newest_seq()?)?.is_ended() {
                return Ok(());
            }
            let rung = tokio::time::timeout(PATIENCE, self.bell.rung()).await;
            rung.with_context(|| format!("after {} messages there was no answer:\n{}", self.said, kit.log()))?;
        }
    }
}

/// Sends messages for `span`, prints a line each minute (or each tenth of a shorter span), and keeps the report.
pub(crate) fn run(span: Duration) -> anyhow::Result<()> {
    let mut kit = crate::house();
    for n in 1..GROUPS {
        kit.ctl_ok(["group", "add", &format!("G{n}")]);
    }
    kit.up();
    println!("{}\n", crate::machine::description());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut traffic = runtime.block_on(async { Traffic::begin(&kit) })?;
    let mut seen = Seen::default();
    let (begun, every) = (Instant::now(), (span / 10).min(Duration::from_secs(60)));
    let mut before = idle::usage(&kit);
    while begun.elapsed() < span {
        runtime.block_on(traffic.talk(Instant::now() + every))?;
        let after = idle::usage(&kit);
        let line = seen.look(&kit, &before, &after, every)?;
        println!(
            "{:>5} s  {:>6} messages, {:>6} answers  {line}",
            begun.elapsed().as_secs(),
            traffic.said,
            traffic.answered.0
        );
        before = after;
    }
    runtime.block_on(traffic.finish(&kit))?;
    anyhow::ensure!(kit.stop(Signal::SIGTERM) == Some(0), "{}", kit.log());
    print!("\n{}", kit.ctl_ok(["ledger", "--check"]));
    let figures = seen.figures();
    print!("\n{}", figures.table());
    println!("\nkept: {} (and .svg)", Kept::now(figures).write("soak")?.display());
    Ok(())
}

/// Samples over time, by figure.
#[derive(Default)]
struct Seen(BTreeMap<String, (Unit, Vec<f64>)>);

impl Seen {
    /// Takes a sample of each program that was there since `before`, and says the sums in a line.
    fn look(&mut self, kit: &Toolkit, before: &[Usage], after: &[Usage], span: Duration) -> anyhow::Result<String> {
        let (mut memory, mut descriptors) = (0.0, 0.0);
        for usage in after {
            let pss = idle::pss_kib(usage.pid) / 1024.0;
            let open = std::fs::read_dir(format!("/proc/{}/fd", usage.pid)).map_or(0, Iterator::count);
            let name = &usage.name;
            self.keep(format!("{name}: memory (PSS)"), Unit::Mebibytes, pss);
            let open = f64::from(u32::try_from(open)?);
            (memory, descriptors) = (memory + pss, descriptors + open);
            self.keep(format!("{name}: descriptors"), Unit::Count, open);
            if let Some(earlier) = before.iter().find(|earlier| earlier.pid == usage.pid) {
                let switches = u32::try_from(usage.switches - earlier.switches).unwrap_or(u32::MAX);
                self.keep(
                    format!("{name}: wake-ups"),
                    Unit::PerMinute,
                    f64::from(switches) * 60.0 / span.as_secs_f64(),
                );
            }
        }
        let log = kit.installation().store_file().with_extension("db-wal");
        let log = std::fs::metadata(&log).map_or(0, |metadata| metadata.len() / 1024);
        let log = f64::from(u32::try_from(log)?) / 1024.0;
        self.keep("write-ahead log".to_owned(), Unit::Mebibytes, log);
        let mebibytes = |value| in_words(Some(value), Unit::Mebibytes);
        Ok(format!("memory {}, {descriptors} descriptors, log {}", mebibytes(memory), mebibytes(log)))
    }

    fn keep(&mut self, what: String, unit: Unit, sample: f64) {
        self.0.entry(what).or_insert((unit, Vec::new())).1.push(sample);
    }

    fn figures(self) -> Figures {
        let mut figures = Figures::default();
        for (what, (unit, samples)) in self.0 {
            figures.samples(what, "flat", unit, samples);
        }
        figures
    }
}
