//! What the owner does beside the events: it keeps the time, and the files of
//! tool lists and pins, which other Mimos change as well.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Core;
use crate::failure::{Failure, Kind};
use crate::registry::files::Files;
use crate::registry::table::{Effect, Event};
use crate::skills::pins::Pins;

impl Core {
    /// Reads the file of pins again and takes it over.
    pub async fn take_approvals(self: &Arc<Self>) -> Result<(), Failure> {
        let reader = self.clone();
        let read = move || reader.files.as_ref().map(Files::pins).transpose();
        let read = tokio::task::spawn_blocking(read).await;
        let pins = read.map_err(std::io::Error::other).flatten();
        if let Some(pins) = pins.map_err(unreadable)? {
            self.adopt(pins);
        }
        Ok(())
    }

    /// The pins are those of the file, and what was pinned since it was written.
    fn adopt(self: &Arc<Self>, saved: Pins) {
        let mut state = self.state();
        let changes = state.pins.changes_since(&state.pins_saved);
        let mut pins = saved.clone();
        pins.apply(changes);
        if pins != state.pins {
            state.pins = pins;
            state.approvals.clear();
            self.perform(&mut state, Effect::Changed);
        }
        state.pins_saved = saved;
    }
}

/// Keeps the time and the files, for as long as there is an owner.
pub async fn run(core: Weak<Core>) {
    loop {
        let Some(core) = core.upgrade() else {
            return;
        };
        save(&core).await;
        let next = core.state().table.next_tick();
        let at = next.map(|next| core.began + Duration::from_millis(next));
        tokio::select! {
            () = core.wake.notified() => {}
            () = sleep_until(at) => core.feed(Event::Tick),
        }
        let state = core.state();
        if state.children.is_empty() && state.table.is_closed() && !state.unsaved {
            return;
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Writes what changed, and takes over what another process approved. Not being
/// able to is no reason to stop serving.
async fn save(core: &Arc<Core>) {
    let snapshot = {
        let mut state = core.state();
        let unsaved = std::mem::take(&mut state.unsaved) && core.files.is_some();
        unsaved.then(|| {
            let changes = state.pins.changes_since(&state.pins_saved);
            (std::mem::take(&mut state.fresh), changes)
        })
    };
    let Some((fresh, changes)) = snapshot else {
        return;
    };
    let writer = core.clone();
    let write = move || {
        writer.offers.save(&writer.here());
        match &writer.files {
            Some(files) => files.save(&fresh, changes),
            None => Ok(Pins::default()),
        }
    };
    let saved = tokio::task::spawn_blocking(write).await;
    match saved.map_err(std::io::Error::other).flatten() {
        Ok(pins) => core.adopt(pins),
        Err(error) => tracing::warn!(%error, "tool lists and approvals were not saved"),
    }
}

/// A file of pins that cannot be read.
pub(super) fn unreadable(error: std::io::Error) -> Failure {
    let message = format!("the approvals of tools (skill-pins.json) cannot be read: {error}");
    Failure::new(Kind::Unavailable, message)
        .hint("restore that file, or remove it and approve the tools again")
}
