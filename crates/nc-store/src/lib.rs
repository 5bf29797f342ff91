//! The SQLite store: migrations, and the only SQL on it.
