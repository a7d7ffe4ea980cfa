//! The prompt for a model that writes an answer, and the check of its text. Pure.

mod checked;
mod citations;
mod prompt;

pub use checked::checked;
pub use prompt::{Prompt, prompt};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
