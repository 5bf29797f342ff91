//! How much an agent or a stranger can make of anything. The first four are the last section of the wires' page.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The largest row of a mailbox, or request file, in bytes.
pub const MAX_ROW_BYTES: u64 = 1024 * 1024;

/// The longest text of one message, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

/// How many new rows are taken out of a mailbox at one look; the others at the next.
pub const MAX_ROWS_A_LOOK: usize = 1000;

/// How many bytes of new rows are taken out of a mailbox at one look; the others at the next.
pub const MAX_LOOK_BYTES: u64 = 16 * 1024 * 1024;

/// The largest file that an agent sends, in bytes.
pub const MAX_FILE: u64 = 50 * 1024 * 1024;

/// How many files go with one message.
pub const MAX_FILES: usize = 20;

/// The longest name of a file, in bytes: what common file systems take.
pub const MAX_NAME: usize = 255;

/// How deep JSON from outside may go.
pub const JSON_DEPTH: usize = 32;

/// How many request files of a group may wait.
pub const MAX_WAITING_FILES: usize = 10_000;

/// How many new rows of `messages_out` may wait in a mailbox. A guess: what an agent writes is taken in within milliseconds, and a
/// thousand wait after a long stop.
pub const MAX_NEW_ROWS: usize = 10_000;

/// How many new rows of any other table may be in a mailbox. Containers keep their acknowledgements for as long as a session
/// lives, and after a start of the host all of them are new.
pub const MAX_NEW_NOTES: usize = 100_000;

/// The largest `outbound.db` and the largest journal of it, in bytes.
pub const MAX_MAILBOX_BYTES: u64 = 64 * 1024 * 1024;

/// The largest `seq` of a row: the largest integer that every reader of JSON keeps exact.
pub const MAX_SEQ: i64 = 1 << 53;

/// The longest id that an agent gives a row, in bytes. A guess: runners use 20 to 60.
pub const MAX_ID_BYTES: usize = 255;

/// How many refused things of one group are kept for a person to see.
pub const MAX_REJECTED_FILES: usize = 1000;

/// How many bytes of refused things of one group are kept for a person to see.
pub const MAX_REJECTED_BYTES: u64 = 64 * 1024 * 1024;

/// How short and how long the timeouts of a run may be set. A guess: a run of more than a day is a service.
pub const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

/// The largest limit on processes: what Linux has numbers for, `PID_MAX_LIMIT` of proc(5).
pub const MAX_SANDBOX_PROCESSES: u32 = 4 * 1024 * 1024;

/// The smallest limit on memory, in bytes. A guess: below it no agent starts.
pub const MIN_SANDBOX_MEMORY: u64 = 16 * 1024 * 1024;

/// How many bytes of files that agents sent are kept. A guess, for a small disk.
pub const MAX_MEDIA_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// How long files that agents sent are kept after they arrived, by their age. A guess: a person who has not looked at one
/// within a month has the chat.
pub const MEDIA_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
