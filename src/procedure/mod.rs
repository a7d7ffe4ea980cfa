//! Procedures: the same steps, the same way, every time.

pub mod check;
pub mod definition;
pub mod journal;
pub mod machine;
pub mod mistake;
pub mod older;
pub mod template;
