//! The part of the port that notifies of commits.

use tokio::sync::watch;

use super::Stored;

pub trait Changes: Send + Sync {
    /// Changes after each commit of this process.
    fn stored(&self) -> watch::Receiver<u64>;

    /// Opaque change counter: differs whenever any process has committed a write.
    fn version(&self) -> Stored<'_, i64>;

    /// Changes soon after any process has announced `topic`, and whenever announcements
    /// may have been lost. A file announces nothing, so look now and then as well.
    fn announced(&self, topic: Topic) -> watch::Receiver<u64>;
}

/// The topics that processes announce to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A key was added, rotated or revoked.
    Keys,
    /// Definitions of tools were approved.
    Approvals,
    /// An execution is to be cancelled.
    Cancels,
    /// A reload of the skills began, or a node has done its part.
    Reloads,
}

impl Topic {
    pub(crate) const ALL: [Topic; 4] = [
        Topic::Keys,
        Topic::Approvals,
        Topic::Cancels,
        Topic::Reloads,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Topic::Keys => "keys",
            Topic::Approvals => "approvals",
            Topic::Cancels => "cancels",
            Topic::Reloads => "reloads",
        }
    }
}
