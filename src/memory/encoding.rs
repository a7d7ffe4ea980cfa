//! Encoding of texts. Queries never wait for texts that are to be stored, which take
//! turns, one text at a time, so that a long batch does not hold up a short one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::cancelled;
use crate::embed::Embedder;
use crate::failure::{Failure, Kind};
use crate::limits::{BLOCKING_THREADS_MAX, CALL_SECONDS_MAX, ENCODING_WAIT_SECONDS_MAX};
use crate::meter::calls as metrics;
use crate::store::memory::IndexedText;
use crate::text;

/// The initial estimate: a window of 900 bytes takes about 10 ms.
const BYTE_NANOS: u64 = 11_000;
/// The weight of a new measurement is one part in this many.
const MEASUREMENTS: u64 = 8;

pub(super) struct Encoding {
    pub(super) embedder: Arc<dyn Embedder>,
    /// Permits for texts that are to be stored; one thread is left for queries.
    turns: Semaphore,
    turns_max: usize,
    /// Bytes of texts that wait for their turn or are being encoded.
    waiting_bytes: AtomicUsize,
    /// The recent time per byte.
    byte_nanos: AtomicU64,
    /// The number of memories known to have no vector of the encoder.
    pub(super) unencoded: AtomicUsize,
}

impl Encoding {
    pub(super) fn new(embedder: Arc<dyn Embedder>) -> Encoding {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let turns_max = processors.min(BLOCKING_THREADS_MAX - 1);
        Encoding {
            embedder,
            turns: Semaphore::new(turns_max),
            turns_max,
            waiting_bytes: AtomicUsize::new(0),
            byte_nanos: AtomicU64::new(BYTE_NANOS),
            unencoded: AtomicUsize::new(0),
        }
    }

    /// The vectors of short texts, encoded as queries, in their order.
    pub(super) async fn queries(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Failure> {
        let embedder = self.embedder.clone();
        let each = move |text: &String| embedder.embed_query(text);
        run_blocking(move || texts.iter().map(each).collect()).await
    }

    /// Prepares texts for both indexes before any transaction begins, so that a failure
    /// stores nothing. `report` gets the number done and the total. While a remote
    /// encoder is unavailable, texts get no vectors and are found by their words.
    pub(super) async fn documents(
        &self,
        contents: Vec<String>,
        cancel: &CancellationToken,
        report: impl Fn(usize, usize),
    ) -> Result<Vec<IndexedText>, Failure> {
        let without = |failure: Failure| match failure.kind {
            Kind::Unavailable if self.embedder.may_be_unavailable() => {
                tracing::warn!(%failure, "a text was not encoded");
                self.unencoded.fetch_add(1, Ordering::Relaxed);
                Ok(Vec::new())
            }
            _ => Err(failure),
        };
        self.prepare(contents, cancel, report, without).await
    }

    /// Like [`Encoding::documents`]; `without` handles a text that could not be
    /// encoded.
    pub(super) async fn prepare(
        &self,
        contents: Vec<String>,
        cancel: &CancellationToken,
        report: impl Fn(usize, usize),
        without: impl Fn(Failure) -> Result<Vec<Vec<f32>>, Failure>,
    ) -> Result<Vec<IndexedText>, Failure> {
        let total = contents.len();
        let mut waiting = QueuedBytes::new(self, contents.iter().map(String::len).sum());
        let mut texts = Vec::with_capacity(total);
        for content in contents {
            let turn = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(cancelled()),
                turn = self.turns.acquire() => turn.map_err(Failure::internal)?,
            };
            let (embedder, bytes) = (self.embedder.clone(), content.len());
            let (mut text, vectors, took) = run_blocking(move || {
                let started = Instant::now();
                let vectors = embedder.embed_document(&content);
                let text = IndexedText {
                    key: text::key(&content),
                    words: text::index_words(&content),
                    vectors: Vec::new(),
                    content,
                };
                Ok((text, vectors, started.elapsed()))
            })
            .await?;
            drop(turn);
            text.vectors = vectors.or_else(&without)?;
            waiting.done(bytes);
            self.measure(bytes, took);
            texts.push(text);
            report(texts.len(), total);
        }
        Ok(texts)
    }

    /// Refuses texts that could not be encoded within a call, at once rather than after
    /// most of the work.
    pub(super) fn admit<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
        let lengths: Vec<usize> = texts.map(str::len).collect();
        let wait =
            self.duration(self.waiting_bytes.load(Ordering::Relaxed)) / self.turns_max as u32;
        if wait > Duration::from_secs(ENCODING_WAIT_SECONDS_MAX) {
            let message = "too many texts wait to be encoded; nothing was stored";
            return Err(Failure::new(Kind::Unavailable, message).hint(format!(
                "try again in about {} seconds",
                wait.as_secs().max(1)
            )));
        }
        let left = Duration::from_secs(CALL_SECONDS_MAX).saturating_sub(wait);
        let mut end = Duration::ZERO;
        let in_time = lengths.iter().take_while(|bytes| {
            end += self.duration(**bytes);
            end <= left
        });
        let in_time = in_time.count().max(1);
        if in_time >= lengths.len() {
            return Ok(());
        }
        let count = lengths.len();
        let message = format!(
            "encoding these {count} texts takes longer than a call may last \
             ({CALL_SECONDS_MAX} seconds); nothing was stored"
        );
        Err(Failure::new(Kind::LimitExceeded, message).hint(format!(
            "store the first {in_time} in one call and the others in more"
        )))
    }

    fn duration(&self, bytes: usize) -> Duration {
        let nanos = self.byte_nanos.load(Ordering::Relaxed);
        Duration::from_nanos(nanos.saturating_mul(bytes as u64))
    }

    fn measure(&self, bytes: usize, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / bytes.max(1) as u64;
        let before = self.byte_nanos.load(Ordering::Relaxed);
        let after = before - before / MEASUREMENTS + took / MEASUREMENTS;
        self.byte_nanos.store(after, Ordering::Relaxed);
    }
}

/// The bytes of one batch in the waiting total, released however the batch ends.
struct QueuedBytes<'a> {
    encoding: &'a Encoding,
    bytes: usize,
}

impl<'a> QueuedBytes<'a> {
    fn new(encoding: &'a Encoding, bytes: usize) -> QueuedBytes<'a> {
        encoding.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        QueuedBytes { encoding, bytes }
    }

    fn done(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.encoding
            .waiting_bytes
            .fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for QueuedBytes<'_> {
    fn drop(&mut self) {
        self.encoding
            .waiting_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Runs CPU-bound work on a blocking thread, where it delays no other request.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let waits_or_runs = metrics::ENCODE_QUEUE.hold(());
    let counted = move || {
        let _waits_or_runs = waits_or_runs;
        work()
    };
    tokio::task::spawn_blocking(counted)
        .await
        .unwrap_or_else(|error| Err(Failure::internal(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use futures::future::join_all;

    use super::*;

    /// Encodes queries at once, and documents when told to.
    #[derive(Default)]
    struct GatedEmbedder {
        is_open: Mutex<bool>,
        opened: Condvar,
        order: Mutex<Vec<String>>,
    }

    impl GatedEmbedder {
        fn open(&self) {
            *self.is_open.lock().expect("unpoisoned") = true;
            self.opened.notify_all();
        }
    }

    impl Embedder for GatedEmbedder {
        fn model_id(&self) -> &str {
            "held"
        }

        fn embed_document(&self, text: &str) -> Result<Vec<Vec<f32>>, Failure> {
            // This text is counted; others of the process may be too.
            assert!(crate::meter::value("mimo_encode_queue") >= 1.0);
            let mut is_open = self.is_open.lock().expect("unpoisoned");
            while !*is_open {
                is_open = self.opened.wait(is_open).expect("unpoisoned");
            }
            self.order.lock().expect("unpoisoned").push(text.to_owned());
            Ok(vec![vec![1.0]])
        }

        fn embed_query(&self, _: &str) -> Result<Vec<f32>, Failure> {
            Ok(vec![1.0])
        }
    }

    fn with_threads(work: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(BLOCKING_THREADS_MAX).build();
        runtime.expect("a runtime").block_on(work);
    }

    #[test]
    fn queries_pass_batches_and_short_batches_pass_long_ones() {
        with_threads(async {
            let held = Arc::new(GatedEmbedder::default());
            let encoding = Encoding::new(held.clone());
            let never = CancellationToken::new();
            let batch = |name: &str, count: usize| {
                let texts = (0..count).map(|nth| format!("{name} {nth}")).collect();
                encoding.documents(texts, &never, |_, _| ())
            };
            let long = join_all((0..8).map(|nth| batch(&format!("long{nth}"), 50)));
            let short = async {
                // The long ones stand before it.
                tokio::task::yield_now().await;
                batch("short", 1).await
            };
            let query = async {
                tokio::task::yield_now().await;
                let query = encoding.queries(vec!["q".to_owned()]).await;
                query.expect("it has a thread");
                held.open();
            };
            let (long, short, ()) = tokio::join!(long, short, query);
            assert!(
                long.iter()
                    .all(|batch| batch.as_ref().is_ok_and(|texts| texts.len() == 50))
            );
            assert_eq!(short.expect("encoded").len(), 1);
            let order = held.order.lock().expect("unpoisoned");
            let place = order.iter().position(|text| text == "short 0");
            assert!(
                place.is_some_and(|place| place < 50),
                "{place:?} of {}",
                order.len()
            );
            assert_eq!(encoding.waiting_bytes.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn what_cannot_be_done_in_a_call_is_refused_before_it_begins() {
        let encoding = Encoding::new(Arc::new(GatedEmbedder::default()));
        let admit = |texts: &[&str]| encoding.admit(texts.iter().copied());
        let large = "x".repeat(100_000);
        assert!(admit(&["small"; 200]).is_ok());
        assert!(admit(&[large.as_str(); 40]).is_ok());
        // 1.1 s each.
        let refused = admit(&[large.as_str(); 60]).expect_err("66 s of work");
        assert_eq!(refused.kind, Kind::LimitExceeded);
        assert!(refused.hint.is_some_and(|hint| hint.contains("first 50 ")));
        // One text alone may try.
        encoding.measure(1, Duration::from_secs(60));
        assert!(admit(&[&large]).is_ok());

        let encoding = Encoding::new(Arc::new(GatedEmbedder::default()));
        let busy = QueuedBytes::new(&encoding, large.len() * 20 * encoding.turns_max);
        let refused = encoding
            .admit(["small"].into_iter())
            .expect_err("22 s to wait");
        assert_eq!(refused.kind, Kind::Unavailable);
        assert!(
            refused
                .hint
                .is_some_and(|hint| hint.contains("in about 22 seconds"))
        );
        drop(busy);
        assert!(encoding.admit(["small"].into_iter()).is_ok());
    }

    #[test]
    fn cancelling_ends_a_batch_that_waits() {
        with_threads(async {
            let held = Arc::new(GatedEmbedder::default());
            let encoding = Encoding::new(held.clone());
            let (never, cancel) = (CancellationToken::new(), CancellationToken::new());
            let text = || vec!["text".to_owned()];
            let running =
                (0..encoding.turns_max).map(|_| encoding.documents(text(), &never, |_, _| ()));
            let waiting = async {
                let waiting = encoding.documents(text(), &cancel, |_, _| ());
                let cancelling = async { cancel.cancel() };
                let (ended, ()) = tokio::join!(waiting, cancelling);
                held.open();
                ended.expect_err("cancelled")
            };
            let (_, ended) = tokio::join!(join_all(running), waiting);
            assert_eq!(ended.kind, Kind::Cancelled);
        });
    }
}
