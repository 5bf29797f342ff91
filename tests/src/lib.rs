//! End-to-end tests across programs; see `tests/`.
