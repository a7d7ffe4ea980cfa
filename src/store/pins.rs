//! The part of the port that keeps approved tool definitions.

use super::Stored;

/// The approved definition of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub(crate) skill: String,
    /// What ran under the skill's name; empty in pins of earlier versions.
    pub(crate) identity: String,
    pub(crate) tool: String,
    /// SHA-256 of the canonical definition, in hexadecimal.
    pub(crate) hash: String,
    /// The definition as JSON text.
    pub(crate) definition: String,
}

/// The manifest entry under which a skill has listed its tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenEntry {
    pub(crate) skill: String,
    pub(crate) identity: String,
    pub(crate) entry: String,
}

/// The first tool list of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstListing {
    pub(crate) seen: SeenEntry,
    /// The tools that are trusted because they are in it.
    pub(crate) pins: Vec<Pin>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approved {
    pub(crate) pins: Vec<Pin>,
    /// One for each skill.
    pub(crate) seen: Vec<SeenEntry>,
}

/// How to treat a tool that is pinned already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPinned {
    /// It keeps its pin: an old file adds nothing to what was decided since.
    Keep,
    /// It gets the new pin: a person approved it.
    Replace,
}

/// Approved tool definitions. Each write is one transaction, and gives everything
/// that is approved then.
pub trait PinStore: Send + Sync {
    /// Makes no database where there is none.
    fn pins(&self) -> Stored<'_, Approved>;

    /// Records entries that were seen for the first time. Of two processes that see
    /// one, the first decides for both. A skill that was never seen before takes
    /// over the pins without an identity.
    fn trust(&self, listings: Vec<FirstListing>) -> Stored<'_, Approved>;

    fn pin(&self, pins: Vec<Pin>, on_pinned: OnPinned) -> Stored<'_, Approved>;
}
