//! The part of the port that keeps approved tool definitions.

use super::Stored;

/// The approved definition of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub(crate) skill: String,
    pub(crate) tool: String,
    /// SHA-256 of the canonical definition, in hexadecimal.
    pub(crate) hash: String,
    /// The definition as JSON text.
    pub(crate) definition: String,
}

/// How to treat a tool that is pinned already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPinned {
    /// It keeps its pin: of two processes that see a tool for the first time,
    /// the first decides for both.
    Keep,
    /// It gets the new pin: a person approved it.
    Replace,
}

/// Approved tool definitions.
pub trait PinStore: Send + Sync {
    /// All pins. Makes no database where there is none.
    fn pins(&self) -> Stored<'_, Vec<Pin>>;

    /// Adds `pins` in one transaction, and gives all pins as they are then.
    fn pin(&self, pins: Vec<Pin>, on_pinned: OnPinned) -> Stored<'_, Vec<Pin>>;
}
