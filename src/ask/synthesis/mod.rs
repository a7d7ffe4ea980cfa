//! An answer that a model writes out of the sources: what it is given, and what
//! of its answer may stand. Pure; who carries the words to a model and back is
//! elsewhere.

mod checked;
mod citations;
mod prompt;

pub use checked::checked;
pub use prompt::{Prompt, prompt};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
