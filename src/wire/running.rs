//! Counts live handlers: from the moment a request is admitted until everything
//! of its handler is dropped, however it ends.

use std::sync::Arc;

use super::shared::Shared;
use super::table::Serial;

/// Kept in a request's extensions while its handler lives, so that handlers are counted
/// even after their request was cancelled, and a request whose handler panics outside
/// of every guard is still answered.
#[derive(Clone)]
pub(super) struct Running {
    _guard: Arc<HandlerGuard>,
}

struct HandlerGuard {
    shared: Arc<Shared>,
    serial: Serial,
}

impl Running {
    pub(super) fn new(shared: &Arc<Shared>, serial: Serial) -> Running {
        shared.lock().running += 1;
        Running {
            _guard: Arc::new(HandlerGuard {
                shared: shared.clone(),
                serial,
            }),
        }
    }
}

impl Drop for HandlerGuard {
    fn drop(&mut self) {
        self.shared
            .handler_ended(self.serial, std::thread::panicking());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::super::id::Id;
    use super::super::outgoing::Output;
    use super::*;

    #[test]
    fn a_handler_that_panics_past_every_guard_is_answered() {
        let shared = Shared::new(Output::Thread, Arc::default());
        let raw: &RawValue = serde_json::from_str("7").expect("raw");
        let serial = shared.lock().table.open(Id::of(raw).expect("an id"), None);
        let running = Running::new(&shared, serial);
        assert_eq!(shared.lock().running, 1);
        let handler = std::thread::spawn(move || {
            let _running = running;
            panic!("past every guard");
        });
        assert!(handler.join().is_err());
        let state = shared.lock();
        assert!(state.table.is_empty());
        assert_eq!(state.running, 0);
        assert!(!state.is_idle(), "its answer waits to be written");
    }
}
