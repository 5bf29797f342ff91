//! Inside the sandbox: drives the model.

fn main() {}
