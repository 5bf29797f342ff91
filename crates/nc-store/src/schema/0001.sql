-- The store, version 1. nanoclaw-store(5) describes each table: who inserts a row and who moves it on.
-- Times are integer milliseconds since the epoch, UTC. Ids that leave the store are UUIDv7 text.

-- People and places ---------------------------------------------------------------------------------------------

CREATE TABLE messaging_groups (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    channel               TEXT    NOT NULL CHECK (channel <> ''),
    platform_id           TEXT    NOT NULL CHECK (platform_id <> ''),
    name                  TEXT,
    is_group              INTEGER NOT NULL DEFAULT 0 CHECK (is_group IN (0, 1)),
    unknown_sender_policy TEXT    NOT NULL DEFAULT 'strict'
        CHECK (unknown_sender_policy IN ('strict', 'request_approval', 'public')),
    last_message_at       INTEGER,
    created_at            INTEGER NOT NULL,
    UNIQUE (channel, platform_id)
) STRICT;

CREATE TABLE agent_groups (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT    NOT NULL CHECK (name <> ''),
    folder           TEXT    NOT NULL UNIQUE
        CHECK (folder GLOB '[a-z0-9]*' AND folder NOT GLOB '*[^a-z0-9-]*' AND length(folder) <= 64 AND folder <> 'global'),
    is_main          INTEGER NOT NULL DEFAULT 0 CHECK (is_main IN (0, 1)),
    provider         TEXT,
    model            TEXT,
    container_config TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(container_config)),
    created_at       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_main_group ON agent_groups (is_main) WHERE is_main = 1;

CREATE TABLE wirings (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    messaging_group_id     INTEGER NOT NULL REFERENCES messaging_groups (id) ON DELETE CASCADE,
    agent_group_id         INTEGER NOT NULL REFERENCES agent_groups (id) ON DELETE CASCADE,
    session_mode           TEXT    NOT NULL DEFAULT 'shared'
        CHECK (session_mode IN ('shared', 'per-thread', 'agent-shared')),
    engage_mode            TEXT    NOT NULL DEFAULT 'pattern'
        CHECK (engage_mode IN ('pattern', 'mention', 'mention-sticky')),
    -- NULL is the default trigger: @NAME at the start, or everything in a direct chat or for main.
    engage_pattern         TEXT,
    sender_scope           TEXT    NOT NULL DEFAULT 'all' CHECK (sender_scope IN ('all', 'known')),
    ignored_message_policy TEXT    NOT NULL DEFAULT 'accumulate'
        CHECK (ignored_message_policy IN ('drop', 'accumulate')),
    priority               INTEGER NOT NULL DEFAULT 0,
    created_at             INTEGER NOT NULL,
    UNIQUE (messaging_group_id, agent_group_id)
) STRICT;
CREATE INDEX wirings_by_group ON wirings (agent_group_id);

CREATE TABLE users (
    id           TEXT    PRIMARY KEY CHECK (id GLOB '?*:?*'),
    display_name TEXT,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user_roles (
    user_id        TEXT    NOT NULL REFERENCES users (id),
    role           TEXT    NOT NULL CHECK (role IN ('owner', 'admin')),
    agent_group_id INTEGER REFERENCES agent_groups (id) ON DELETE CASCADE,
    granted_by     TEXT    REFERENCES users (id),
    granted_at     INTEGER NOT NULL,
    CHECK (role <> 'owner' OR agent_group_id IS NULL)
) STRICT;
CREATE UNIQUE INDEX one_role ON user_roles (user_id, role, ifnull(agent_group_id, 0));
CREATE INDEX roles_by_group ON user_roles (agent_group_id, role);

CREATE TABLE agent_group_members (
    user_id        TEXT    NOT NULL REFERENCES users (id),
    agent_group_id INTEGER NOT NULL REFERENCES agent_groups (id) ON DELETE CASCADE,
    added_by       TEXT    REFERENCES users (id),
    added_at       INTEGER NOT NULL,
    PRIMARY KEY (user_id, agent_group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_group ON agent_group_members (agent_group_id);

CREATE TABLE user_dms (
    user_id            TEXT    NOT NULL REFERENCES users (id),
    channel            TEXT    NOT NULL,
    messaging_group_id INTEGER NOT NULL REFERENCES messaging_groups (id) ON DELETE CASCADE,
    resolved_at        INTEGER NOT NULL,
    PRIMARY KEY (user_id, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE destinations (
    agent_group_id INTEGER NOT NULL REFERENCES agent_groups (id) ON DELETE CASCADE,
    local_name     TEXT    NOT NULL CHECK (local_name <> ''),
    target_kind    TEXT    NOT NULL CHECK (target_kind IN ('chat', 'agent')),
    target_id      INTEGER NOT NULL,
    PRIMARY KEY (agent_group_id, local_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX destinations_by_target ON destinations (target_kind, target_id);

-- Messages and what became of them ------------------------------------------------------------------------------

CREATE TABLE messages (
    seq                 INTEGER PRIMARY KEY AUTOINCREMENT,
    messaging_group_id  INTEGER NOT NULL REFERENCES messaging_groups (id),
    platform_event_id   TEXT    NOT NULL CHECK (platform_event_id <> ''),
    platform_message_id TEXT,
    target_message_id   TEXT,
    thread_id           TEXT,
    sender_id           TEXT,
    sender_name         TEXT,
    from_me             INTEGER NOT NULL DEFAULT 0 CHECK (from_me IN (0, 1)),
    is_bot              INTEGER NOT NULL DEFAULT 0 CHECK (is_bot IN (0, 1)),
    is_mention          INTEGER NOT NULL DEFAULT 0 CHECK (is_mention IN (0, 1)),
    text                TEXT,
    attachments         TEXT    CHECK (attachments IS NULL OR json_valid(attachments)),
    reply_to            TEXT,
    kind                TEXT    NOT NULL DEFAULT 'message'
        CHECK (kind IN ('message', 'edit', 'delete', 'reaction', 'answer', 'command', 'system')),
    sent_at             INTEGER NOT NULL,
    received_at         INTEGER NOT NULL,
    UNIQUE (messaging_group_id, platform_event_id)
) STRICT;
CREATE INDEX messages_by_platform_id ON messages (messaging_group_id, platform_message_id);
CREATE INDEX messages_by_chat ON messages (messaging_group_id, seq);
CREATE INDEX messages_by_received ON messages (received_at);

-- Messages without text are not in the index; clearing a text takes its words out. The view is what the index is of.
CREATE VIEW messages_with_text AS SELECT seq, text FROM messages WHERE text IS NOT NULL;
CREATE VIRTUAL TABLE messages_text USING fts5 (text, content = 'messages_with_text', content_rowid = 'seq');
CREATE TRIGGER messages_text_insert AFTER INSERT ON messages WHEN new.text IS NOT NULL BEGIN
    INSERT INTO messages_text (rowid, text) VALUES (new.seq, new.text);
END;
CREATE TRIGGER messages_text_update AFTER UPDATE OF text ON messages BEGIN
    INSERT INTO messages_text (messages_text, rowid, text) SELECT 'delete', old.seq, old.text WHERE old.text IS NOT NULL;
    INSERT INTO messages_text (rowid, text) SELECT new.seq, new.text WHERE new.text IS NOT NULL;
END;

CREATE TABLE sessions (
    id                  TEXT    PRIMARY KEY,
    -- No foreign key: a removed group's history stays, and its id is never given again.
    agent_group_id      INTEGER NOT NULL,
    messaging_group_id  INTEGER REFERENCES messaging_groups (id),
    thread_id           TEXT,
    provider            TEXT,
    provider_session_id TEXT,
    status              TEXT    NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'set_aside', 'closed')),
    outbound_seen       INTEGER NOT NULL DEFAULT 0,
    inbound_boot_id     TEXT,
    last_active_at      INTEGER,
    created_at          INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_open_session ON sessions (agent_group_id, ifnull(messaging_group_id, 0), ifnull(thread_id, ''))
    WHERE status <> 'closed';

CREATE TABLE routings (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    message_seq         INTEGER NOT NULL REFERENCES messages (seq),
    agent_group_id      INTEGER,
    session_id          TEXT    REFERENCES sessions (id),
    decision            TEXT    NOT NULL CHECK (decision IN ('work', 'context', 'command', 'ignored', 'dropped', 'held')),
    rule                TEXT    NOT NULL CHECK (rule <> ''),
    decided_at          INTEGER NOT NULL,
    placed_at           INTEGER,
    approval_id         TEXT,
    given_at            INTEGER,
    run_id              TEXT,
    attempts            INTEGER NOT NULL DEFAULT 0,
    next_attempt_at     INTEGER,
    outcome             TEXT    CHECK (outcome IN ('answered', 'no_reply', 'failed')),
    outcome_at          INTEGER,
    answer_delivery_id  TEXT,
    notice_delivery_id  TEXT,
    CHECK ((agent_group_id IS NULL) = (decision IN ('ignored', 'dropped'))),
    CHECK (decision NOT IN ('work', 'context') OR session_id IS NOT NULL),
    CHECK ((outcome IS NULL) = (outcome_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_routing ON routings (message_seq, ifnull(agent_group_id, 0));
CREATE INDEX routings_unplaced ON routings (session_id, id) WHERE decision IN ('work', 'context') AND placed_at IS NULL;
CREATE INDEX routings_open ON routings (session_id, message_seq) WHERE decision = 'work' AND outcome IS NULL;
CREATE INDEX routings_retry ON routings (next_attempt_at) WHERE decision = 'work' AND outcome IS NULL AND next_attempt_at IS NOT NULL;
CREATE INDEX routings_held ON routings (approval_id) WHERE decision = 'held';
CREATE INDEX routings_by_run ON routings (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX routings_by_session ON routings (session_id, message_seq) WHERE session_id IS NOT NULL;

CREATE TABLE runs (
    id              TEXT    PRIMARY KEY,
    session_id      TEXT    NOT NULL REFERENCES sessions (id),
    cause           TEXT    NOT NULL CHECK (cause IN ('message', 'task', 'manual', 'approval')),
    to_chat         INTEGER NOT NULL DEFAULT 1 CHECK (to_chat IN (0, 1)),
    runtime         TEXT,
    instance        TEXT,
    boot_id         TEXT,
    pid             INTEGER,
    sandbox_id      TEXT,
    started_at      INTEGER NOT NULL,
    first_output_at INTEGER,
    first_token_ms  INTEGER,
    turns           INTEGER,
    tools           TEXT    CHECK (tools IS NULL OR json_valid(tools)),
    leave_at        INTEGER,
    ended_at        INTEGER,
    collected_at    INTEGER,
    -- When the router decided what becomes of what the run left undone; no other run of the session begins before.
    judged_at       INTEGER,
    outcome         TEXT    CHECK (outcome IN ('completed', 'failed', 'timeout', 'killed', 'lost')),
    error           TEXT,
    exit_detail     TEXT,
    cpu_ms          INTEGER,
    peak_rss        INTEGER,
    input_tokens    INTEGER,
    output_tokens   INTEGER,
    cost_usd        REAL,
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_live_run ON runs (session_id) WHERE ended_at IS NULL;
CREATE INDEX runs_uncollected ON runs (session_id) WHERE collected_at IS NULL;
CREATE INDEX runs_unjudged ON runs (session_id) WHERE judged_at IS NULL;
CREATE INDEX runs_by_session ON runs (session_id, started_at);
CREATE INDEX runs_by_start ON runs (started_at);

CREATE TABLE deliveries (
    id                 TEXT    PRIMARY KEY,
    session_id         TEXT    REFERENCES sessions (id),
    source_id          TEXT    NOT NULL CHECK (source_id <> ''),
    source_seq         INTEGER,
    in_reply_to        TEXT,
    channel            TEXT    NOT NULL,
    messaging_group_id INTEGER NOT NULL REFERENCES messaging_groups (id),
    thread_id          TEXT,
    kind               TEXT    NOT NULL CHECK (kind IN ('text', 'edit', 'reaction', 'file', 'card', 'question', 'typing')),
    content            TEXT    NOT NULL CHECK (json_valid(content)),
    not_before         INTEGER,
    created_at         INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_delivery ON deliveries (ifnull(session_id, ''), source_id);
CREATE INDEX deliveries_by_seq ON deliveries (session_id, source_seq);
CREATE INDEX deliveries_by_created ON deliveries (created_at, id);
CREATE INDEX deliveries_by_chat ON deliveries (messaging_group_id, created_at);

CREATE TABLE sends (
    delivery_id         TEXT    NOT NULL REFERENCES deliveries (id),
    part                INTEGER NOT NULL DEFAULT 0 CHECK (part >= 0),
    channel             TEXT    NOT NULL,
    messaging_group_id  INTEGER NOT NULL REFERENCES messaging_groups (id),
    status              TEXT    NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'leased', 'sending', 'sent', 'retry', 'unknown', 'dead')),
    lease_until         INTEGER,
    attempts            INTEGER NOT NULL DEFAULT 0,
    next_attempt_at     INTEGER,
    platform_message_id TEXT,
    level               TEXT    CHECK (level IN ('accepted', 'server_acked', 'read')),
    error               TEXT,
    -- When the row took its present status; what a channel reports to the session is taken from here.
    status_at           INTEGER NOT NULL,
    reported_at         INTEGER,
    PRIMARY KEY (delivery_id, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX sends_open ON sends (channel, messaging_group_id, delivery_id, part)
    WHERE status IN ('queued', 'leased', 'sending', 'retry');
CREATE INDEX sends_unreported ON sends (status_at) WHERE status IN ('sent', 'unknown', 'dead') AND reported_at IS NULL;

CREATE TABLE session_inbox (
    id         TEXT    PRIMARY KEY,
    session_id TEXT    NOT NULL REFERENCES sessions (id),
    kind       TEXT    NOT NULL CHECK (kind IN ('task', 'prompt', 'system', 'answer', 'delivery', 'notice', 'agent')),
    content    TEXT    NOT NULL CHECK (json_valid(content)),
    trigger    INTEGER NOT NULL DEFAULT 1 CHECK (trigger IN (0, 1)),
    on_wake    INTEGER NOT NULL DEFAULT 0 CHECK (on_wake IN (0, 1)),
    source     TEXT    NOT NULL CHECK (source <> ''),
    not_before INTEGER,
    created_at INTEGER NOT NULL,
    placed_at  INTEGER,
    -- When the agent took it, finished with it or failed at it; NULL while it is open.
    given_at   INTEGER,
    ended_at   INTEGER,
    UNIQUE (session_id, source)
) STRICT;
CREATE INDEX inbox_unplaced ON session_inbox (session_id, created_at, id) WHERE placed_at IS NULL;
CREATE INDEX inbox_open ON session_inbox (session_id, created_at) WHERE trigger = 1 AND ended_at IS NULL;

CREATE TABLE notices (
    id                 TEXT    PRIMARY KEY,
    audience           TEXT    NOT NULL CHECK (audience IN ('chat', 'owners')),
    messaging_group_id INTEGER REFERENCES messaging_groups (id),
    unit               TEXT,
    text               TEXT    NOT NULL CHECK (text <> ''),
    cause              TEXT    NOT NULL CHECK (cause <> ''),
    created_at         INTEGER NOT NULL,
    taken_at           INTEGER,
    CHECK (audience <> 'chat' OR messaging_group_id IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX one_open_notice ON notices (cause, audience, ifnull(messaging_group_id, 0)) WHERE taken_at IS NULL;

CREATE TABLE dropped_senders (
    channel     TEXT    NOT NULL,
    platform_id TEXT    NOT NULL,
    user_id     TEXT    NOT NULL DEFAULT '',
    sender_name TEXT,
    reason      TEXT    NOT NULL,
    count       INTEGER NOT NULL DEFAULT 1,
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    PRIMARY KEY (channel, platform_id, user_id)
) STRICT, WITHOUT ROWID;

-- Work that waits -----------------------------------------------------------------------------------------------

CREATE TABLE scheduled_tasks (
    id                 TEXT    PRIMARY KEY,
    agent_group_id     INTEGER NOT NULL,
    messaging_group_id INTEGER REFERENCES messaging_groups (id),
    prompt             TEXT    NOT NULL,
    script             TEXT,
    schedule_type      TEXT    NOT NULL CHECK (schedule_type IN ('cron', 'interval', 'once')),
    schedule_value     TEXT    NOT NULL,
    timezone           TEXT,
    context_mode       TEXT    NOT NULL DEFAULT 'group' CHECK (context_mode IN ('group', 'isolated')),
    missed_run_policy  TEXT    NOT NULL DEFAULT 'once' CHECK (missed_run_policy IN ('once', 'skip', 'all')),
    status             TEXT    NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'completed', 'cancelled')),
    paused_reason      TEXT,
    failures           INTEGER NOT NULL DEFAULT 0,
    retry_at           INTEGER,
    next_run_at        INTEGER,
    last_run_at        INTEGER,
    last_result        TEXT,
    created_by         TEXT,
    created_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX tasks_due ON scheduled_tasks (next_run_at) WHERE status = 'active' AND next_run_at IS NOT NULL;
CREATE INDEX tasks_retry ON scheduled_tasks (retry_at) WHERE status = 'active' AND retry_at IS NOT NULL;
CREATE INDEX tasks_by_group ON scheduled_tasks (agent_group_id, status);

CREATE TABLE task_run_logs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id     TEXT    NOT NULL REFERENCES scheduled_tasks (id),
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    run_id      TEXT,
    session_id  TEXT,
    run_at      INTEGER,
    duration_ms INTEGER,
    status      TEXT    CHECK (status IN ('success', 'error', 'skipped')),
    result      TEXT,
    error       TEXT,
    UNIQUE (task_id, due_at)
) STRICT;

CREATE TABLE pending_questions (
    id          TEXT    PRIMARY KEY,
    session_id  TEXT    NOT NULL REFERENCES sessions (id),
    delivery_id TEXT    NOT NULL REFERENCES deliveries (id),
    title       TEXT    NOT NULL,
    options     TEXT    NOT NULL CHECK (json_valid(options)),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    answered_by TEXT,
    answer      TEXT
) STRICT;
CREATE INDEX questions_open ON pending_questions (expires_at) WHERE answer IS NULL;

CREATE TABLE pending_approvals (
    id             TEXT    PRIMARY KEY,
    session_id     TEXT    REFERENCES sessions (id),
    agent_group_id INTEGER,
    action         TEXT    NOT NULL,
    payload        TEXT    NOT NULL CHECK (json_valid(payload)),
    title          TEXT    NOT NULL,
    requested_at   INTEGER NOT NULL,
    expires_at     INTEGER,
    status         TEXT    NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected', 'expired')),
    decided_by     TEXT,
    decided_at     INTEGER
) STRICT;
CREATE INDEX approvals_open ON pending_approvals (expires_at) WHERE status = 'pending';

CREATE TABLE router_state (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO router_state (key, value) VALUES ('routed_seq', '0');

-- Names of the older NanoClaw, for people's scripts: read only ---------------------------------------------------

CREATE VIEW chats AS
    SELECT platform_id AS jid,
           ifnull(name, platform_id) AS name,
           strftime('%Y-%m-%dT%H:%M:%fZ', last_message_at / 1000.0, 'unixepoch') AS last_message_time,
           channel,
           is_group
      FROM messaging_groups;

CREATE VIEW registered_groups AS
    SELECT m.platform_id AS jid,
           a.name AS name,
           a.folder AS folder,
           w.engage_pattern AS trigger_pattern,
           strftime('%Y-%m-%dT%H:%M:%fZ', w.created_at / 1000.0, 'unixepoch') AS added_at,
           a.container_config AS container_config,
           CASE WHEN a.is_main = 1 OR m.is_group = 0 OR w.engage_pattern = '.' THEN 0 ELSE 1 END AS requires_trigger
      FROM wirings w
      JOIN messaging_groups m ON m.id = w.messaging_group_id
      JOIN agent_groups a ON a.id = w.agent_group_id;
