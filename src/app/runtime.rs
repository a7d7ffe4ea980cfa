//! The runtimes that the program's work runs on.

use std::future::Future;

use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::limits::{BLOCKING_THREADS_MAX, HTTP_THREADS_MAX, HTTP_THREADS_MIN};

/// Runs `work` to completion on a current-thread runtime, which has the lowest
/// latency over stdio. Blocking work (encoding a text) has a few threads of its own.
pub(crate) fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = &mut Builder::new_current_thread();
    run_on(runtime.max_blocking_threads(BLOCKING_THREADS_MAX), work)
}

/// Like [`run`], on several threads, so that one long document does not keep other
/// clients waiting.
pub(crate) fn run_threaded<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.clamp(HTTP_THREADS_MIN, HTTP_THREADS_MAX);
    let runtime = &mut Builder::new_multi_thread();
    runtime.worker_threads(threads);
    let blocking = threads.max(BLOCKING_THREADS_MAX);
    run_on(runtime.max_blocking_threads(blocking), work)
}

fn run_on<T>(
    runtime: &mut Builder,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = runtime.enable_all().build().map_err(Failure::internal)?;
    runtime.block_on(work)
}
