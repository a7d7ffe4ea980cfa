//! The registry's background task: feeds the table's timers, and saves tool
//! lists and newly trusted tools.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Core;
use crate::registry::table::Event;
use crate::registry::tool_cache::ToolCache;

/// Runs until the registry is dropped, or has shut down and is saved.
pub(in crate::registry) async fn run(core: Weak<Core>) {
    loop {
        let Some(core) = core.upgrade() else {
            return;
        };
        save(&core).await;
        let next = core.state().table.next_tick();
        let at = next.map(|next| core.began + Duration::from_millis(next));
        tokio::select! {
            () = core.wake.notified() => {}
            () = sleep_until(at) => core.handle(Event::Tick),
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

/// Saves what changed. Returns once nothing of it is still being written by another
/// caller. A failure is logged: skills are served all the same.
pub(in crate::registry) async fn save(core: &Arc<Core>) {
    let _turn = core.saving.lock().await;
    let lists = {
        let mut state = core.state();
        std::mem::take(&mut state.unsaved).then(|| std::mem::take(&mut state.new_lists))
    };
    let Some(lists) = lists else {
        return;
    };
    core.save_trusted().await;
    if core.cache.is_none() {
        return;
    }
    let writer = core.clone();
    let write = move || {
        writer.list_cache.save(&writer.fingerprints());
        let cache = writer.cache.as_ref();
        cache.map_or(Ok(()), |cache: &ToolCache| cache.save(&lists))
    };
    let saved = tokio::task::spawn_blocking(write).await;
    if let Err(error) = saved.map_err(std::io::Error::other).flatten() {
        tracing::warn!(%error, "tool lists were not saved");
    }
}
