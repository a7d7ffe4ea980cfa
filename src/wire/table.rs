//! The open requests, with their ids and batches. Pure: it turns answers into
//! bytes for the writing side and knows no stream.

use std::collections::HashMap;

use serde_json::Value;

use super::id::Id;

/// A request's own number: unlike the client's id it is unique, so duplicate ids
/// in flight do not collide.
pub(super) type Serial = i64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BatchKey(u64);

#[derive(Default)]
pub(super) struct Table {
    last: Serial,
    last_batch: u64,
    open: HashMap<Serial, OpenRequest>,
    batches: HashMap<BatchKey, Batch>,
    announced_bytes: usize,
}

struct OpenRequest {
    id: Id,
    batch: Option<BatchKey>,
    /// The size of its answer, once that is announced.
    announced_bytes: usize,
}

#[derive(Default)]
struct Batch {
    waiting: usize,
    answers: Vec<u8>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn is_open(&self, serial: Serial) -> bool {
        self.open.contains_key(&serial)
    }

    pub(super) fn id(&self, serial: Serial) -> Option<&Id> {
        self.open.get(&serial).map(|open| &open.id)
    }

    /// Counts an answer of this size that is on its way to an open request.
    pub(super) fn announce(&mut self, serial: Serial, bytes: usize) {
        if let Some(open) = self.open.get_mut(&serial) {
            self.announced_bytes -= open.announced_bytes;
            self.announced_bytes += bytes;
            open.announced_bytes = bytes;
        }
    }

    /// The size of the answers that are announced and not yet here.
    pub(super) fn announced_bytes(&self) -> usize {
        self.announced_bytes
    }

    fn close(&mut self, serial: Serial) -> Option<OpenRequest> {
        let open = self.open.remove(&serial)?;
        self.announced_bytes -= open.announced_bytes;
        Some(open)
    }

    /// Every open request.
    pub(super) fn serials(&self) -> Vec<Serial> {
        self.open.keys().copied().collect()
    }

    /// Opens a batch of `waiting` answers.
    pub(super) fn open_batch(&mut self, waiting: usize) -> BatchKey {
        self.last_batch += 1;
        let key = BatchKey(self.last_batch);
        self.batches.insert(
            key,
            Batch {
                waiting,
                answers: Vec::new(),
            },
        );
        key
    }

    pub(super) fn open(&mut self, id: Id, batch: Option<BatchKey>) -> Serial {
        self.last += 1;
        let open = OpenRequest {
            id,
            batch,
            announced_bytes: 0,
        };
        self.open.insert(self.last, open);
        self.last
    }

    /// Closes a request with the answer that `write` writes for its id; a whole
    /// line, or a whole batch once its last answer is there, goes to `out`. False
    /// if nobody waits for it any more.
    pub(super) fn answer(
        &mut self,
        serial: Serial,
        out: &mut Vec<u8>,
        write: impl FnOnce(&Id, &mut Vec<u8>),
    ) -> bool {
        let Some(open) = self.close(serial) else {
            return false;
        };
        self.answer_unopened(open.batch, out, |into| write(&open.id, into));
        true
    }

    /// Writes an answer to a message that was never opened, in its batch's place.
    pub(super) fn answer_unopened(
        &mut self,
        batch: Option<BatchKey>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(key) = batch else {
            write(out);
            out.push(b'\n');
            return;
        };
        if let Some(batch) = self.batches.get_mut(&key) {
            batch
                .answers
                .push(if batch.answers.is_empty() { b'[' } else { b',' });
            write(&mut batch.answers);
        }
        self.close_member(key, out);
    }

    /// Closes every request with this id unanswered and returns them.
    pub(super) fn cancel(&mut self, id: &Value, out: &mut Vec<u8>) -> Vec<Serial> {
        let meant = self.open.iter().filter(|(_, open)| open.id.equals(id));
        let mut found: Vec<Serial> = meant.map(|(serial, _)| *serial).collect();
        found.sort_unstable();
        for serial in &found {
            if let Some(key) = self.close(*serial).and_then(|open| open.batch) {
                self.close_member(key, out);
            }
        }
        found
    }

    fn close_member(&mut self, key: BatchKey, out: &mut Vec<u8>) {
        let Some(batch) = self.batches.get_mut(&key) else {
            return;
        };
        batch.waiting = batch.waiting.saturating_sub(1);
        if batch.waiting > 0 {
            return;
        }
        let answers = self.batches.remove(&key).map(|batch| batch.answers);
        // A batch whose members were all cancelled has no answer.
        if let Some(answers) = answers.filter(|answers| !answers.is_empty()) {
            out.extend_from_slice(&answers);
            out.extend_from_slice(b"]\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::RawValue;

    fn id(text: &str) -> Id {
        let raw: &RawValue = serde_json::from_str(text).expect("raw");
        Id::of(raw).expect("id")
    }

    fn answer(table: &mut Table, serial: Serial, out: &mut Vec<u8>) -> bool {
        table.answer(serial, out, |id, out| {
            out.extend_from_slice(id.raw().as_bytes())
        })
    }

    #[test]
    fn two_requests_with_one_id_are_both_answered() {
        let (mut table, mut out) = (Table::default(), Vec::new());
        let first = table.open(id("1"), None);
        let second = table.open(id("1"), None);
        assert!(answer(&mut table, second, &mut out));
        assert!(answer(&mut table, first, &mut out));
        assert!(!answer(&mut table, first, &mut out));
        assert_eq!(out, b"1\n1\n");
    }

    #[test]
    fn a_batch_is_answered_whole_without_its_cancelled_members() {
        let (mut table, mut out) = (Table::default(), Vec::new());
        let key = table.open_batch(3);
        let first = table.open(id("1"), Some(key));
        table.open(id("\"two\""), Some(key));
        table.answer_unopened(Some(key), &mut out, |out| out.extend_from_slice(b"null"));
        assert!(answer(&mut table, first, &mut out));
        assert!(out.is_empty());
        assert_eq!(table.cancel(&json!("two"), &mut out).len(), 1);
        assert_eq!(out, b"[null,1]\n");
        assert!(table.is_empty() && table.batches.is_empty());
    }

    #[test]
    fn a_fully_cancelled_batch_writes_no_line() {
        let (mut table, mut out) = (Table::default(), Vec::new());
        let key = table.open_batch(1);
        table.open(id("1.0"), Some(key));
        table.cancel(&json!(1.0), &mut out);
        assert!(out.is_empty() && table.batches.is_empty());
    }
}
