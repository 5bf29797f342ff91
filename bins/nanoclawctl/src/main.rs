//! Administration, and the whole toolkit in the foreground.

fn main() {}
