//! Decides who answers a message.

fn main() {}
