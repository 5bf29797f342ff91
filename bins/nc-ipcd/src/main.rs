//! Takes what agents say and ask into the store.

fn main() {}
