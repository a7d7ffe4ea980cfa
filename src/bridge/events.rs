//! Server-sent events, parsed as they arrive. Pure: the caller reads the bytes.

use crate::limits::LINE_BYTES_MAX;
use crate::wire::lines::{Line, Lines};

/// The state of a stream so far.
#[derive(Default)]
pub(super) struct Events {
    lines: Lines,
    data: Vec<u8>,
    id: Option<String>,
    is_too_long: bool,
    /// The id of the last event that was complete.
    pub(super) last_id: Option<String>,
    /// The reconnection delay that the server asks for.
    pub(super) retry_millis: Option<u64>,
}

impl Events {
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.lines.space()
    }

    pub(super) fn filled(&mut self, bytes: usize) {
        self.lines.filled(bytes);
    }

    /// The data of the next event that has any, as one line; `Err` for one beyond the
    /// bound, which is skipped.
    pub(super) fn next(&mut self) -> Option<Result<Vec<u8>, ()>> {
        loop {
            let line = match self.lines.line()? {
                Line::Whole(line) => line.strip_suffix(b"\r").unwrap_or(line),
                Line::TooLong { .. } => {
                    self.is_too_long = true;
                    continue;
                }
            };
            if line.is_empty() {
                let id = self.id.take();
                self.last_id = id.or(self.last_id.take());
                let data = std::mem::take(&mut self.data);
                if std::mem::take(&mut self.is_too_long) {
                    return Some(Err(()));
                }
                if !data.is_empty() {
                    return Some(Ok(data));
                }
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(colon.unwrap_or(line.len()));
            let value = value.strip_prefix(b":").unwrap_or(value);
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match name {
                b"data" if self.data.len() + value.len() > LINE_BYTES_MAX => {
                    self.is_too_long = true;
                }
                b"data" => {
                    // Only white space of JSON can stand at the end of a line.
                    if !self.data.is_empty() {
                        self.data.push(b' ');
                    }
                    self.data.extend_from_slice(value);
                }
                b"id" if !value.contains(&0) => {
                    self.id = Some(String::from_utf8_lossy(value).into_owned());
                }
                b"retry" => {
                    let text = std::str::from_utf8(value).ok();
                    let millis = text.and_then(|text| text.parse().ok());
                    self.retry_millis = millis.or(self.retry_millis);
                }
                // Comments too.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of `text`, which arrives in pieces of `size` bytes.
    fn events(text: &str, size: usize) -> (Vec<String>, Events) {
        let mut events = Events::default();
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            events.space()[..piece.len()].copy_from_slice(piece);
            events.filled(piece.len());
            while let Some(event) = events.next() {
                found.push(String::from_utf8(event.expect("short")).expect("UTF-8"));
            }
        }
        (found, events)
    }

    #[test]
    fn events_are_the_same_however_they_arrive() {
        let text = "id: 0-0\nretry: 3000\ndata:\n\n:\n\nevent: message\r\nid: 0-1\r\ndata: {\"a\":\r\n\
                    data: 1}\r\n\r\ndata:{}\n\nid: 0-9\ndata: {\"cut\":";
        for size in 1..text.len() {
            let (found, events) = events(text, size);
            assert_eq!(found, ["{\"a\": 1}", "{}"]);
            assert_eq!(
                events.last_id.as_deref(),
                Some("0-1"),
                "only of whole events"
            );
            assert_eq!(events.retry_millis, Some(3000));
        }
    }

    #[test]
    fn event_beyond_the_bound_is_skipped_alone() {
        let mut events = Events::default();
        let mut found = Vec::new();
        let half = format!("data: {}\n", "x".repeat(LINE_BYTES_MAX / 2));
        let text = format!("{half}{half}{half}\ndata: {{}}\n\n");
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let space = events.space();
            let (piece, after) = rest.split_at(space.len().min(rest.len()));
            space[..piece.len()].copy_from_slice(piece);
            events.filled(piece.len());
            rest = after;
            while let Some(event) = events.next() {
                found.push(event);
            }
        }
        assert_eq!(found, [Err(()), Ok(b"{}".to_vec())]);
    }
}
