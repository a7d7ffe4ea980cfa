//! Which requests await an answer, under which id and in which batch. Pure: it
//! turns answers into bytes for the line writer and knows no stream.

use std::collections::HashMap;

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::frame::Id;

/// A request's own number here: unlike the client's id it is unique, so
/// duplicate ids in flight do not collide.
pub type Inner = i64;

/// A batch that is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchKey(u64);

/// The open requests.
#[derive(Default)]
pub struct Table {
    last: Inner,
    last_batch: u64,
    open: HashMap<Inner, Open>,
    batches: HashMap<BatchKey, Batch>,
    coming_bytes: usize,
}

struct Open {
    id: Id,
    batch: Option<BatchKey>,
    /// The size of its answer, once that is on its way here.
    coming_bytes: usize,
    /// The result of another server that is to be its answer.
    passed: Option<Arc<RawValue>>,
}

#[derive(Default)]
struct Batch {
    waiting: usize,
    answers: Vec<u8>,
}

impl Table {
    /// How many requests await their answer.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether nothing awaits an answer.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether this request still awaits its answer.
    pub fn is_open(&self, inner: Inner) -> bool {
        self.open.contains_key(&inner)
    }

    /// The client's id of an open request.
    pub fn id(&self, inner: Inner) -> Option<&Id> {
        self.open.get(&inner).map(|open| &open.id)
    }

    /// An answer of this size is on its way to an open request.
    pub fn announce(&mut self, inner: Inner, bytes: usize) {
        if let Some(open) = self.open.get_mut(&inner) {
            self.coming_bytes -= open.coming_bytes;
            self.coming_bytes += bytes;
            open.coming_bytes = bytes;
        }
    }

    /// What stands in the answer to an open request instead of its own result.
    pub fn pass(&mut self, inner: Inner, result: Arc<RawValue>) {
        self.announce(inner, result.get().len());
        if let Some(open) = self.open.get_mut(&inner) {
            open.passed = Some(result);
        }
    }

    /// What has been announced and not come yet.
    pub fn coming_bytes(&self) -> usize {
        self.coming_bytes
    }

    fn close(&mut self, inner: Inner) -> Option<Open> {
        let open = self.open.remove(&inner)?;
        self.coming_bytes -= open.coming_bytes;
        Some(open)
    }

    /// All that await an answer.
    pub fn all(&self) -> Vec<Inner> {
        self.open.keys().copied().collect()
    }

    /// Opens a batch of `waiting` answers.
    pub fn open_batch(&mut self, waiting: usize) -> BatchKey {
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

    /// Opens a request.
    pub fn open(&mut self, id: Id, batch: Option<BatchKey>) -> Inner {
        self.last += 1;
        let open = Open {
            id,
            batch,
            coming_bytes: 0,
            passed: None,
        };
        self.open.insert(self.last, open);
        self.last
    }

    /// Closes a request with the answer that `write` writes for its id, given
    /// the result that stands for its own; a
    /// whole line, or a whole batch once its last answer is there, goes to
    /// `out`. False if nobody waits for it any more.
    pub fn answer(
        &mut self,
        inner: Inner,
        out: &mut Vec<u8>,
        write: impl FnOnce(&Id, Option<&RawValue>, &mut Vec<u8>),
    ) -> bool {
        let Some(open) = self.close(inner) else {
            return false;
        };
        let passed = open.passed.as_deref();
        self.answer_as(open.batch, out, |into| write(&open.id, passed, into));
        true
    }

    /// An answer to something that was never opened, in its batch's place.
    pub fn answer_as(
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
        self.settle(key, out);
    }

    /// Closes every request with this id unanswered and says which they were.
    pub fn cancel(&mut self, id: &Value, out: &mut Vec<u8>) -> Vec<Inner> {
        let meant = self.open.iter().filter(|(_, open)| open.id.means(id));
        let mut found: Vec<Inner> = meant.map(|(inner, _)| *inner).collect();
        found.sort_unstable();
        for inner in &found {
            if let Some(key) = self.close(*inner).and_then(|open| open.batch) {
                self.settle(key, out);
            }
        }
        found
    }

    fn settle(&mut self, key: BatchKey, out: &mut Vec<u8>) {
        let Some(batch) = self.batches.get_mut(&key) else {
            return;
        };
        batch.waiting = batch.waiting.saturating_sub(1);
        if batch.waiting > 0 {
            return;
        }
        let answers = self.batches.remove(&key).map(|batch| batch.answers);
        // One whose members were all cancelled has nothing to say.
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

    fn answer(table: &mut Table, inner: Inner, out: &mut Vec<u8>) -> bool {
        table.answer(inner, out, |id, _, out| {
            out.extend_from_slice(id.raw().as_bytes())
        })
    }

    #[test]
    fn duplicate_ids_are_answered_each() {
        let (mut table, mut out) = (Table::default(), Vec::new());
        let first = table.open(id("1"), None);
        let second = table.open(id("1"), None);
        assert!(answer(&mut table, second, &mut out));
        assert!(answer(&mut table, first, &mut out));
        assert!(!answer(&mut table, first, &mut out));
        assert_eq!(out, b"1\n1\n");
    }

    #[test]
    fn a_batch_goes_out_whole_and_a_cancelled_member_does_not_hold_it() {
        let (mut table, mut out) = (Table::default(), Vec::new());
        let key = table.open_batch(3);
        let first = table.open(id("1"), Some(key));
        table.open(id("\"two\""), Some(key));
        table.answer_as(Some(key), &mut out, |out| out.extend_from_slice(b"null"));
        assert!(answer(&mut table, first, &mut out));
        assert!(out.is_empty());
        assert_eq!(table.cancel(&json!("two"), &mut out).len(), 1);
        assert_eq!(out, b"[null,1]\n");
        assert!(table.is_empty() && table.batches.is_empty());
    }

    #[test]
    fn a_batch_cancelled_whole_leaves_no_line() {
        let (mut table, mut out) = (Table::default(), Vec::new());
        let key = table.open_batch(1);
        table.open(id("1.0"), Some(key));
        table.cancel(&json!(1.0), &mut out);
        assert!(out.is_empty() && table.batches.is_empty());
    }
}
