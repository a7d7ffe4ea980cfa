//! The report of an integrity check.

/// The result of `Store::verify`.
#[derive(Debug)]
pub struct Report {
    pub schema: i32,
    /// Memories in any state.
    pub memories: u64,
    /// In the order in which they were checked.
    pub parts: Vec<Part>,
    /// Worth knowing, and not wrong.
    pub notes: Vec<String>,
}

#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    pub problems: Vec<Problem>,
}

/// One kind of damage and how many things have it.
#[derive(Debug)]
pub struct Problem {
    pub what: String,
    pub count: u64,
    /// Some of them, by id or name.
    pub examples: Vec<String>,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.parts.iter().all(|part| part.problems.is_empty())
    }
}
