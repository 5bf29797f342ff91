//! The tables of the two mailbox files. Names and types are the protocol: runners that we did not write read them.

/// The name of the host's file in `in/`, and in the sandbox below `/workspace`.
pub const INBOUND_FILE: &str = "inbound.db";

/// What SQLite takes for part of [`INBOUND_FILE`] where it lies beside it. In `work/`, which the agent writes, none of it is the host's:
/// it would make `inbound.db` unreadable, or something else of it.
pub const BESIDE_INBOUND: &[&str] = &["inbound.db-journal", "inbound.db-wal", "inbound.db-shm"];

/// The name of the agent's file in `work/`, and in the sandbox below `/workspace`.
pub const OUTBOUND_FILE: &str = "outbound.db";

/// The file in `work/` whose time of change is the sign of work.
pub const HEARTBEAT_FILE: &str = ".heartbeat";

/// What the host makes of an empty `inbound.db`. Making it again changes nothing.
///
/// The index serves the question that is asked after every wake: what is pending.
pub const INBOUND: &str = "
CREATE TABLE IF NOT EXISTS messages_in (
    id                TEXT    PRIMARY KEY,
    seq               INTEGER UNIQUE,
    kind              TEXT    NOT NULL,
    timestamp         TEXT    NOT NULL,
    status            TEXT    DEFAULT 'pending',
    process_after     TEXT,
    recurrence        TEXT,
    series_id         TEXT,
    tries             INTEGER DEFAULT 0,
    trigger           INTEGER NOT NULL DEFAULT 1,
    platform_id       TEXT,
    channel_type      TEXT,
    thread_id         TEXT,
    content           TEXT    NOT NULL,
    source_session_id TEXT,
    on_wake           INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS messages_in_series ON messages_in (series_id);
CREATE INDEX IF NOT EXISTS messages_in_pending ON messages_in (seq) WHERE status = 'pending';
CREATE TABLE IF NOT EXISTS delivered (
    message_out_id      TEXT PRIMARY KEY,
    platform_message_id TEXT,
    status              TEXT NOT NULL DEFAULT 'delivered',
    delivered_at        TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS destinations (
    name           TEXT PRIMARY KEY,
    display_name   TEXT,
    type           TEXT NOT NULL,
    channel_type   TEXT,
    platform_id    TEXT,
    agent_group_id TEXT
);
CREATE TABLE IF NOT EXISTS session_routing (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    channel_type TEXT,
    platform_id  TEXT,
    thread_id    TEXT
);
";

/// What the container makes of an empty `outbound.db`. Making it again changes nothing.
pub const OUTBOUND: &str = "
CREATE TABLE IF NOT EXISTS messages_out (
    id            TEXT    PRIMARY KEY,
    seq           INTEGER UNIQUE,
    in_reply_to   TEXT,
    timestamp     TEXT    NOT NULL,
    deliver_after TEXT,
    recurrence    TEXT,
    kind          TEXT    NOT NULL,
    platform_id   TEXT,
    channel_type  TEXT,
    thread_id     TEXT,
    content       TEXT    NOT NULL
);
CREATE TABLE IF NOT EXISTS processing_ack (
    message_id     TEXT PRIMARY KEY,
    status         TEXT NOT NULL,
    status_changed TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS session_state (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS container_state (
    id                       INTEGER PRIMARY KEY CHECK (id = 1),
    current_tool             TEXT,
    tool_declared_timeout_ms INTEGER,
    tool_started_at          TEXT,
    updated_at               TEXT NOT NULL
);
";
