//! The part of the port that tells that something was stored.

use tokio::sync::watch;

use super::Stored;

pub trait Changes: Send + Sync {
    /// Changes after each commit of this process.
    fn stored(&self) -> watch::Receiver<u64>;

    /// Opaque change counter: differs whenever any process has committed a write.
    fn version(&self) -> Stored<'_, i64>;
}
