//! Server-sent events: the messages of one exchange of a session, or those that belong
//! to none. They are kept for a while, so that a client can resume after its connection
//! broke.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::Response;
use futures::stream::{Stream, unfold};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{
    HTTP_EVENTS_KEPT_BYTES_MAX, HTTP_EVENTS_KEPT_MAX, HTTP_EVENTS_KEPT_TOTAL_BYTES_MAX,
    HTTP_KEEP_ALIVE_SECONDS, HTTP_RETRY_MILLIS,
};
use crate::meter::http::{STREAMS, StreamKind};
use crate::meter::{GaugeGuard, Labels};
use crate::wire::Outbox;

type Item = Result<Bytes, Infallible>;

/// The id of the stream for messages that belong to no exchange.
pub(super) const STANDALONE_STREAM_ID: &str = "0";

/// A stream of a session.
pub(super) struct EventStream {
    /// The prefix of each event's id.
    id: String,
    log: Mutex<Log>,
    changed: Notify,
    kept: KeptBytes,
}

/// The bytes of all events that are kept, of every session.
#[derive(Clone, Default)]
pub(super) struct KeptBytes(Arc<AtomicUsize>);

impl KeptBytes {
    fn are_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= HTTP_EVENTS_KEPT_TOTAL_BYTES_MAX
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Log {
    events: VecDeque<Bytes>,
    bytes: usize,
    /// How many were dropped. The first event has the number 1.
    dropped: u64,
    /// The number of the last one that was read.
    read: u64,
    ended: Option<Instant>,
    /// Counts the readers; only the last one is served.
    readers: u64,
    has_reader: bool,
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.kept.remove(self.log().bytes);
    }
}

impl EventStream {
    pub(super) fn new(id: String, kept: &KeptBytes) -> Arc<EventStream> {
        Arc::new(EventStream {
            id,
            log: Mutex::default(),
            changed: Notify::new(),
            kept: kept.clone(),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the last event was added, if there will be no more.
    pub(super) fn ended(&self) -> Option<Instant> {
        self.log().ended
    }

    fn is_full(&self, log: &Log) -> bool {
        log.events.len() >= HTTP_EVENTS_KEPT_MAX
            || log.bytes >= HTTP_EVENTS_KEPT_BYTES_MAX
            || self.kept.are_full()
    }

    /// Whether no event will come after the one of this number.
    pub(super) fn is_over(&self, after: u64) -> bool {
        let log = self.log();
        log.ended.is_some() && after >= log.dropped + log.events.len() as u64
    }

    /// Moves the messages of `outbox` into this stream until there are no more. While
    /// somebody reads, it waits rather than drop what was not read.
    pub(super) async fn fill(&self, outbox: &Outbox) {
        while let Some(taken) = outbox.next().await {
            for line in messages(&taken.lines) {
                self.wait_for_room().await;
                self.push(line);
            }
        }
        self.end();
    }

    pub(super) fn push(&self, message: &[u8]) {
        let mut log = self.log();
        while self.is_full(&log) {
            let Some(oldest) = log.events.pop_front() else {
                break;
            };
            log.bytes -= oldest.len();
            self.kept.remove(oldest.len());
            log.dropped += 1;
        }
        log.bytes += message.len();
        self.kept.add(message.len());
        log.events.push_back(Bytes::copy_from_slice(message));
        drop(log);
        self.changed.notify_waiters();
    }

    pub(super) fn end(&self) {
        self.log().ended.get_or_insert_with(Instant::now);
        self.changed.notify_waiters();
    }

    async fn wait_for_room(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let log = self.log();
                let is_unread = log.dropped >= log.read;
                if !(self.is_full(&log) && log.has_reader && is_unread && !log.events.is_empty()) {
                    return;
                }
            }
            changed.await;
        }
    }

    /// The events after this number, or those that nobody has read. An earlier reader
    /// is ended.
    pub(super) fn read(self: &Arc<Self>, after: Option<u64>) -> Response {
        let (reader, read) = {
            let mut log = self.log();
            log.readers += 1;
            log.has_reader = true;
            (log.readers, log.read)
        };
        self.changed.notify_waiters();
        let kind = match self.id == STANDALONE_STREAM_ID {
            true => StreamKind::Get,
            false => StreamKind::Post,
        };
        let reader = Reader {
            _counted: STREAMS.hold(kind),
            stream: self.clone(),
            reader,
            next: after.unwrap_or(read).saturating_add(1),
            is_primed: after.is_some(),
        };
        event_response(unfold(reader, |mut reader| async {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        }))
    }
}

/// A client that reads a stream.
struct Reader {
    _counted: GaugeGuard<StreamKind, { StreamKind::COUNT }>,
    stream: Arc<EventStream>,
    reader: u64,
    next: u64,
    is_primed: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.is_primed {
            self.is_primed = true;
            // Gives the client an id to resume from before the first message.
            let (id, last) = (&self.stream.id, self.next - 1);
            return Some(format!("id: {id}-{last}\nretry: {HTTP_RETRY_MILLIS}\ndata:\n\n").into());
        }
        let keep_alive = Instant::now() + Duration::from_secs(HTTP_KEEP_ALIVE_SECONDS);
        let stream = self.stream.clone();
        loop {
            let changed = stream.changed.notified();
            match self.try_next() {
                NextEvent::Ready(number, event) => {
                    stream.changed.notify_waiters();
                    return Some(format_event(Some((&stream.id, number)), &event));
                }
                NextEvent::Ended => return None,
                NextEvent::Pending => {}
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(keep_alive) => return Some(KEEP_ALIVE),
            }
        }
    }

    fn try_next(&mut self) -> NextEvent {
        let mut log = self.stream.log();
        if log.readers != self.reader {
            return NextEvent::Ended;
        }
        self.next = self.next.max(log.dropped + 1);
        let at = usize::try_from(self.next - 1 - log.dropped).unwrap_or(usize::MAX);
        if let Some(event) = log.events.get(at).cloned() {
            let number = self.next;
            self.next += 1;
            log.read = log.read.max(number);
            return NextEvent::Ready(number, event);
        }
        match log.ended {
            Some(_) => NextEvent::Ended,
            None => NextEvent::Pending,
        }
    }
}

enum NextEvent {
    /// Its number and its data.
    Ready(u64, Bytes),
    Pending,
    /// There is none, or another reader has taken over.
    Ended,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut log = self.stream.log();
        if log.readers == self.reader {
            log.has_reader = false;
        }
        drop(log);
        self.stream.changed.notify_waiters();
    }
}

/// A comment, so that no proxy takes the connection for a dead one.
const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// The stream and the number in the id of an event.
pub(super) fn parse_id(id: &str) -> Option<(&str, u64)> {
    let (stream, number) = id.rsplit_once('-')?;
    Some((stream, number.parse().ok()?))
}

/// The messages of an exchange without a session: the first ones, and those to come.
/// The exchange is closed when nobody reads them any more.
pub(super) fn unsessioned(first: Option<Vec<u8>>, exchange: ClosedOnDrop) -> Response {
    let first = first.map(|lines| format_lines(&lines));
    let counted = STREAMS.hold(StreamKind::Post);
    event_response(unfold(
        (first, exchange, counted),
        |(first, exchange, counted)| async {
            if let Some(first) = first {
                return Some((Ok(first), (None, exchange, counted)));
            }
            let keep_alive = tokio::time::sleep(Duration::from_secs(HTTP_KEEP_ALIVE_SECONDS));
            let event = tokio::select! {
                taken = exchange.0.next() => format_lines(&taken?.lines),
                () = keep_alive => KEEP_ALIVE,
            };
            Some((Ok(event), (None, exchange, counted)))
        },
    ))
}

/// Cancels what is open in an exchange when its client goes away.
pub(super) struct ClosedOnDrop(pub(super) Arc<Outbox>);

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn event_response(events: impl Stream<Item = Item> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The messages of whole lines.
pub(super) fn messages(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = lines.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty())
}

fn format_lines(lines: &[u8]) -> Bytes {
    let events: Vec<Bytes> = messages(lines)
        .map(|message| format_event(None, message))
        .collect();
    events.concat().into()
}

fn format_event(id: Option<(&str, u64)>, message: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(message.len() + 64);
    if let Some((stream, number)) = id {
        event.extend_from_slice(format!("id: {stream}-{number}\n").as_bytes());
    }
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(message);
    event.extend_from_slice(b"\n\n");
    event.into()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn text(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[tokio::test]
    async fn reader_gets_what_comes_after_the_event_it_names() {
        let stream = EventStream::new("s".to_owned(), &KeptBytes::default());
        for message in ["a", "b", "c"] {
            stream.push(message.as_bytes());
        }
        stream.end();
        let all = text(stream.read(None)).await;
        assert!(
            all.starts_with("id: s-0\n") && all.ends_with("id: s-3\ndata: c\n\n"),
            "{all}"
        );
        assert_eq!(text(stream.read(Some(2))).await, "id: s-3\ndata: c\n\n");
        let rest = text(stream.read(None)).await;
        let primed = format!("id: s-3\nretry: {HTTP_RETRY_MILLIS}\ndata:\n\n");
        assert_eq!(rest, primed, "each event comes once unless it is asked for");
        assert!(stream.is_over(3) && stream.is_over(99) && !stream.is_over(2));
    }

    #[tokio::test]
    async fn unread_events_are_bounded_and_the_last_one_is_kept() {
        let stream = EventStream::new("s".to_owned(), &KeptBytes::default());
        for number in 0..1_000 {
            stream.push(number.to_string().as_bytes());
        }
        stream.push(&vec![b'x'; 2 * HTTP_EVENTS_KEPT_BYTES_MAX]);
        assert_eq!(stream.log().events.len(), HTTP_EVENTS_KEPT_MAX);
        // One event may exceed the bound, but not for long.
        stream.push(b"last");
        stream.end();
        let read = text(stream.read(Some(0))).await;
        assert_eq!(read, "id: s-1002\ndata: last\n\n");
    }

    #[tokio::test]
    async fn sessions_share_the_bound_of_what_is_kept() {
        let kept = KeptBytes::default();
        let [one, other] = ["a", "b"].map(|id| EventStream::new(id.to_owned(), &kept));
        for message in ["1", "2", "3"] {
            one.push(message.as_bytes());
        }
        kept.add(HTTP_EVENTS_KEPT_TOTAL_BYTES_MAX);
        for message in ["4", "5"] {
            other.push(message.as_bytes());
            one.push(message.as_bytes());
        }
        for stream in [&one, &other] {
            stream.end();
            let read = text(stream.read(Some(0))).await;
            assert!(read.ends_with("data: 5\n\n"), "{read}");
            assert_eq!(read.matches("data:").count(), 1, "{read}");
        }
        drop((one, other));
        assert_eq!(
            kept.0.load(Ordering::Relaxed),
            HTTP_EVENTS_KEPT_TOTAL_BYTES_MAX
        );
    }

    #[test]
    fn ids_name_a_stream_and_a_number() {
        assert_eq!(parse_id("a-b-3"), Some(("a-b", 3)));
        assert_eq!(parse_id("a"), None);
        assert_eq!(parse_id("a-x"), None);
    }
}
