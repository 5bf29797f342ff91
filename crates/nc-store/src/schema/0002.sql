-- The store, version 2: conversations that a mention began, what drove a run's model, approvals of senders.

-- In which threads a session goes on being called without a mention (mention-sticky). An empty thread is the chat itself.
CREATE TABLE conversations (
    session_id         TEXT    NOT NULL REFERENCES sessions (id),
    messaging_group_id INTEGER NOT NULL REFERENCES messaging_groups (id),
    thread_id          TEXT    NOT NULL DEFAULT '',
    began_at           INTEGER NOT NULL,
    PRIMARY KEY (session_id, messaging_group_id, thread_id)
) STRICT, WITHOUT ROWID;

-- What drove the model, once the runner has chosen it.
ALTER TABLE runs ADD COLUMN provider TEXT;

-- A stranger is asked about once for each chat and group, however often they write.
CREATE UNIQUE INDEX one_open_admission
    ON pending_approvals (agent_group_id, json_extract(payload, '$.chat'), json_extract(payload, '$.user'))
    WHERE action = 'admit_sender' AND status = 'pending';
