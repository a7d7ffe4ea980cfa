//! The kinds of memories, by the names that callers and both store rooms use.

/// The kind of statement that a memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Category {
    #[default]
    Fact,
    Decision,
    Preference,
    Action,
    /// Something seen or heard.
    Observation,
    Plan,
}

impl Category {
    /// In the order in which they are offered.
    pub const ALL: [Category; 6] = [
        Category::Fact,
        Category::Decision,
        Category::Preference,
        Category::Action,
        Category::Observation,
        Category::Plan,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Category::Fact => "fact",
            Category::Decision => "decision",
            Category::Preference => "preference",
            Category::Action => "action",
            Category::Observation => "observation",
            Category::Plan => "plan",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Category> {
        Category::ALL
            .into_iter()
            .find(|category| category.name() == name)
    }

    /// Whether it states how something is or will be, which a later memory can
    /// contradict. An action or an observation may happen again with another number.
    pub(crate) fn is_statement(self) -> bool {
        !matches!(self, Category::Action | Category::Observation)
    }
}
