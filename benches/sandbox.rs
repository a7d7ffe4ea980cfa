//! What launching a skill in its sandbox costs.

fn main() {}
