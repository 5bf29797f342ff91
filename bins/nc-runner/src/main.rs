//! Runs one agent in a sandbox.

fn main() {}
