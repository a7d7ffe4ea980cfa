//! Ctrl-C during long work: the first one stops it at the next safe point, the second
//! one at once.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::output::Output;
use crate::app;

/// The exit code of a program that SIGINT ended.
pub(super) const INTERRUPTED: u8 = 130;

/// Whether Ctrl-C has been pressed since.
#[derive(Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Handles Ctrl-C from here on.
    pub(super) fn watch(output: &Output) -> Interrupt {
        let came = Arc::new(AtomicBool::new(false));
        let (flag, is_watched) = (came.clone(), output.is_watched());
        std::thread::spawn(move || {
            let waiting = app::run(async {
                if tokio::signal::ctrl_c().await.is_err() {
                    return Ok(());
                }
                flag.store(true, Ordering::Relaxed);
                if is_watched {
                    let told = b"mimo: stopping; Ctrl-C again ends it at once\n";
                    let _ = io::stderr().write_all(told);
                }
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(INTERRUPTED.into());
                }
                Ok(())
            });
            if let Err(failure) = waiting {
                tracing::debug!(%failure, "Ctrl-C ends the command at once");
            }
        });
        Interrupt(came)
    }

    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
