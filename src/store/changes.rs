//! The part of the port that tells that something was stored.

use tokio::sync::watch;

use super::Stored;

/// Tells that what is stored may be another thing by now.
pub trait Changes: Send + Sync {
    /// Moves after each change that this process has stored.
    fn stored(&self) -> watch::Receiver<u64>;

    /// A number that another one takes the place of once any process has stored
    /// something. Two of them are equal or not; they mean nothing else.
    fn version(&self) -> Stored<'_, i64>;
}
