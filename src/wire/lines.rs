//! Splits a stream of bytes into lines in bounded memory: the buffer grows up to
//! the longest line allowed, and keeps only the two ends of a longer one. No I/O:
//! the caller reads into [`Lines::space`].

use crate::limits::{BUFFER_KEPT_BYTES_MAX, LINE_BYTES_MAX, LINE_END_KEPT_BYTES_MAX, READ_BYTES};

/// A line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// The two ends of a line that was longer than allowed.
    TooLong {
        head: &'a [u8],
        tail: &'a [u8],
    },
}

/// The buffer: `start..end` is read and not yet returned, `start..searched` holds
/// no newline.
pub struct Lines {
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    line_bytes_max: usize,
    kept_bytes_max: usize,
    /// The ends of an overlong line that is being discarded, or was just returned.
    overlong: Option<Overlong>,
    overlong_returned: bool,
}

#[derive(Default)]
struct Overlong {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Overlong {
    fn keep_tail(&mut self, more: &[u8], kept_bytes_max: usize) {
        let more = &more[more.len().saturating_sub(kept_bytes_max)..];
        let excess = (self.tail.len() + more.len()).saturating_sub(kept_bytes_max);
        self.tail.drain(..excess);
        self.tail.extend_from_slice(more);
    }
}

impl Default for Lines {
    fn default() -> Self {
        Lines::bounded(LINE_BYTES_MAX, LINE_END_KEPT_BYTES_MAX)
    }
}

impl Lines {
    /// A buffer for lines of at most `line_bytes_max`, which keeps
    /// `kept_bytes_max` of each end of a longer one.
    pub(crate) fn bounded(line_bytes_max: usize, kept_bytes_max: usize) -> Self {
        Lines {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            end: 0,
            line_bytes_max,
            kept_bytes_max,
            overlong: None,
            overlong_returned: false,
        }
    }

    /// Where the next bytes go; never empty. [`Lines::filled`] takes their number.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.searched, self.end) = (0, 0, 0);
            if self.buffer.len() > BUFFER_KEPT_BYTES_MAX {
                self.buffer = Vec::new();
            }
        }
        if self.buffer.len() - self.end < READ_BYTES / 2 {
            self.make_space();
        }
        &mut self.buffer[self.end..]
    }

    /// Moves the held bytes to the front, and grows if that is not enough.
    fn make_space(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.len() - self.end < READ_BYTES / 2 {
            let doubled = (self.buffer.len() * 2).min(self.line_bytes_max);
            self.buffer.resize(doubled.max(self.end + READ_BYTES), 0);
        }
    }

    /// Marks `bytes` of the space as filled.
    pub fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.buffer.len());
    }

    /// The next complete line.
    pub fn line(&mut self) -> Option<Line<'_>> {
        self.forget_overlong();
        match memchr::memchr(b'\n', &self.buffer[self.searched..self.end]) {
            Some(found) => {
                let end = self.searched + found;
                Some(self.cut(end, end + 1))
            }
            None => {
                self.searched = self.end;
                if self.overlong.is_some() || self.end - self.start > self.line_bytes_max {
                    self.discard(self.end);
                }
                None
            }
        }
    }

    /// The last line of an ended input, which has no newline.
    pub fn rest(&mut self) -> Option<Line<'_>> {
        self.forget_overlong();
        if self.start == self.end && self.overlong.is_none() {
            return None;
        }
        Some(self.cut(self.end, self.end))
    }

    fn cut(&mut self, end: usize, next: usize) -> Line<'_> {
        let start = self.start;
        if self.overlong.is_some() || end - start > self.line_bytes_max {
            self.discard(end);
            self.overlong_returned = true;
        }
        self.start = next;
        self.searched = next;
        match &self.overlong {
            Some(overlong) => Line::TooLong {
                head: &overlong.head,
                tail: &overlong.tail,
            },
            None => Line::Whole(&self.buffer[start..end]),
        }
    }

    /// Discards `start..end` but for the ends of its line.
    fn discard(&mut self, end: usize) {
        let bytes = &self.buffer[self.start..end];
        let kept = self.kept_bytes_max;
        let overlong = self.overlong.get_or_insert_with(|| Overlong {
            head: bytes[..bytes.len().min(kept)].to_vec(),
            tail: Vec::new(),
        });
        overlong.keep_tail(bytes, kept);
        self.start = end;
        self.searched = end;
    }

    fn forget_overlong(&mut self) {
        if std::mem::take(&mut self.overlong_returned) {
            self.overlong = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(lines: &mut Lines, mut bytes: &[u8], chunk: usize) -> Vec<String> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let space = lines.space();
            let taken = chunk.min(bytes.len()).min(space.len());
            space[..taken].copy_from_slice(&bytes[..taken]);
            lines.filled(taken);
            bytes = &bytes[taken..];
            while let Some(line) = lines.line() {
                out.push(show(&line));
            }
        }
        if let Some(line) = lines.rest() {
            out.push(show(&line));
        }
        out
    }

    fn show(line: &Line<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match line {
            Line::Whole(bytes) => text(bytes),
            Line::TooLong { head, tail } => format!("{}..{}", text(head), text(tail)),
        }
    }

    #[test]
    fn a_line_at_the_bound_is_whole_and_one_byte_more_is_not() {
        for chunk in 1..20 {
            let mut lines = Lines::bounded(10, 3);
            assert_eq!(
                feed(&mut lines, b"0123456789\n0123456789a\nb\n\nc", chunk),
                ["0123456789", "012..89a", "b", "", "c"],
                "{chunk}"
            );
        }
    }

    #[test]
    fn memory_stays_bounded_while_a_line_is_discarded() {
        let mut lines = Lines::bounded(100_000, 100);
        let chunk = [b'x'; READ_BYTES];
        for _ in 0..100 {
            let space = lines.space();
            let taken = space.len().min(chunk.len());
            space[..taken].copy_from_slice(&chunk[..taken]);
            lines.filled(taken);
            assert!(lines.line().is_none());
            assert!(lines.buffer.len() <= 100_000 + READ_BYTES);
        }
        assert_eq!(
            lines.overlong.as_ref().map(|overlong| overlong.tail.len()),
            Some(100)
        );
        assert!(matches!(lines.rest(), Some(Line::TooLong { .. })));
        assert!(lines.rest().is_none());
    }

    proptest! {
        #[test]
        fn splits_like_slice_split(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..200), chunk in 1usize..64) {
            let mut lines = Lines::bounded(1000, 10);
            let mut expected: Vec<String> = bytes.split(|byte| *byte == b'\n')
                .map(|line| String::from_utf8_lossy(line).into_owned()).collect();
            if expected.last().is_some_and(String::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(feed(&mut lines, &bytes, chunk), expected);
        }
    }
}
