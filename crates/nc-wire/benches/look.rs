//! What a look at a mailbox costs, by the size of the file: `cargo bench -p nc-wire`.
#![expect(clippy::expect_used, reason = "a measurement stops at the first surprise")]

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use nc_wire::files::Directory;
use nc_wire::mailbox::host::Inbound;
use nc_wire::mailbox::{InKind, InRow, schema};
use nc_wire::snapshot::{self, Limits, Look};
use rusqlite::{Connection, params};

const TIMES: usize = 500;

fn main() {
    for rows in [10, 85, 2500] {
        look(rows);
    }
    append();
}

fn look(rows: u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let size = fill(directory.path(), rows);
    let work = Directory::open(directory.path()).expect("the directory opens");
    let known: HashSet<String> = (1..rows).map(id).collect();

    println!("outbound.db of {} kB, {rows} rows, one of them new", size / 1000);
    let last = snapshot_of(&work).fingerprint().clone();
    print("unchanged", &mut || {
        let look = snapshot::read(&work, &Limits::default(), Some(&last)).expect("a look");
        assert!(matches!(look, Look::Unchanged));
    });
    print("copied", &mut || drop(snapshot_of(&work)));
    print("copied, rows taken", &mut || {
        let taken = snapshot_of(&work).messages_out(|id| known.contains(id)).expect("rows");
        assert_eq!(taken.rows.len(), 1);
    });
    print("copied, rows and acks taken", &mut || {
        let snapshot = snapshot_of(&work);
        let taken = snapshot.messages_out(|id| known.contains(id)).expect("rows");
        let acks = snapshot.acks(|id| known.contains(id)).expect("acks");
        assert_eq!((taken.rows.len(), acks.rows.len()), (1, 1));
    });
}

fn append() {
    let directory = tempfile::tempdir().expect("a directory");
    let inbound = Inbound::create(&directory.path().join("inbound.db"), 0o600).expect("made");
    let mut n = 0;
    println!("inbound.db");
    print("one message appended", &mut || {
        n += 1;
        assert_eq!(inbound.append(&[in_row(n)], 0).expect("appended").len(), 1);
    });
}

fn in_row(n: usize) -> InRow {
    InRow {
        id: format!("{n}:1"),
        kind: InKind::Chat,
        timestamp: nc_model::Timestamp(1_800_000_000_000),
        trigger: true,
        platform_id: Some("ana".into()),
        channel_type: Some("terminal".into()),
        thread_id: None,
        content: r#"{"sender":"Ana","senderId":"terminal:ana","text":"hello","isFromMe":false}"#.into(),
        source_session_id: None,
        on_wake: false,
        process_after: None,
    }
}

fn id(n: u32) -> String {
    format!("01890000-0000-7000-8000-{n:012}")
}

fn fill(directory: &Path, rows: u32) -> u64 {
    let path = directory.join("outbound.db");
    let mut conn = Connection::open(&path).expect("a database");
    conn.execute_batch(schema::OUTBOUND).expect("tables");
    let tx = conn.transaction().expect("a transaction");
    for n in 1..=rows {
        let content = format!(r#"{{"text":"{}"}}"#, "word ".repeat(20));
        let sql = "INSERT INTO messages_out (id, seq, timestamp, kind, platform_id, channel_type, content)
                   VALUES (?1, ?2, '2026-11-24 18:00:00', 'chat', 'ana', 'terminal', ?3)";
        tx.execute(sql, params![id(n), 2 * n - 1, content]).expect("a row");
        tx.execute("INSERT INTO processing_ack VALUES (?1, 'completed', '2026-11-24 18:00:00')", [id(n)])
            .expect("an ack");
    }
    tx.commit().expect("a commit");
    std::fs::metadata(path).expect("a file").len()
}

fn snapshot_of(work: &Directory) -> Box<snapshot::Snapshot> {
    match snapshot::read(work, &Limits::default(), None).expect("a look") {
        Look::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn print(what: &str, work: &mut dyn FnMut()) {
    let mut took: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    took.sort();
    let ms = |at: usize| took[at].as_secs_f64() * 1000.0;
    println!("  {what:30} p50 {:.3} ms  p95 {:.3} ms", ms(TIMES / 2), ms(TIMES * 95 / 100));
}
