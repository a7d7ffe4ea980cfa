//! The session of a client of a revision before 2026-07-28.

use crate::limits::BRIDGE_SUBSCRIPTIONS_MAX;
use crate::wire::Head;

#[derive(Default)]
pub(super) struct Session {
    /// The client's own request, repeated to open a new session after Mimo has
    /// forgotten this one.
    pub(super) initialize: Option<Vec<u8>>,
    pub(super) id: Option<String>,
    /// The revision that was agreed on.
    pub(super) version: Option<String>,
    /// Counts the sessions.
    pub(super) generation: u64,
    /// The log level and the subscriptions, by method and URI.
    repeated: Vec<(String, Vec<u8>)>,
}

/// What a request needs of the session.
pub(super) struct Snapshot {
    pub(super) id: Option<String>,
    pub(super) version: Option<String>,
    pub(super) generation: u64,
}

impl Session {
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.id.clone(),
            version: self.version.clone(),
            generation: self.generation,
        }
    }

    /// Remembers a request that a new session has to repeat.
    pub(super) fn keep(&mut self, head: &Head<'_>, line: &[u8]) {
        let uri = head.name.unwrap_or_default();
        let key = match head.method {
            "logging/setLevel" => head.method.to_owned(),
            "resources/subscribe" | "resources/unsubscribe" => format!("resources {uri}"),
            _ => return,
        };
        self.repeated.retain(|(kept, _)| *kept != key);
        let is_full = self.repeated.len() >= BRIDGE_SUBSCRIPTIONS_MAX;
        if head.method != "resources/unsubscribe" && !is_full {
            self.repeated.push((key, line.to_vec()));
        }
    }

    pub(super) fn repeated(&self) -> Vec<Vec<u8>> {
        self.repeated.iter().map(|(_, line)| line.clone()).collect()
    }
}
