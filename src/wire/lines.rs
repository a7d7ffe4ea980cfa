//! Cutting a stream of bytes into lines in bounded memory: a buffer that grows
//! up to the longest line allowed, and of a longer one keeps only the ends.
//! No I/O: the caller reads into [`Lines::space`].

use crate::limits::{BUFFER_KEPT_BYTES_MAX, LINE_BYTES_MAX, LINE_END_KEPT_BYTES_MAX, READ_BYTES};

/// A line, its newline excluded.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The two ends of a line that was longer than allowed.
    TooLong {
        /// Its first bytes.
        head: &'a [u8],
        /// Its last bytes.
        tail: &'a [u8],
    },
}

/// The buffer. `start..end` is what has been read and not yet handed out,
/// `start..searched` is known to hold no newline.
pub struct Lines {
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    line_bytes_max: usize,
    kept_bytes_max: usize,
    /// The ends of the line that is being thrown away, or was just finished.
    long: Option<Long>,
    long_done: bool,
}

#[derive(Default)]
struct Long {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Long {
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
    pub fn bounded(line_bytes_max: usize, kept_bytes_max: usize) -> Self {
        Lines {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            end: 0,
            line_bytes_max,
            kept_bytes_max,
            long: None,
            long_done: false,
        }
    }

    /// Where the next bytes go; never empty. Tell [`Lines::filled`] how many came.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.searched, self.end) = (0, 0, 0);
            if self.buffer.len() > BUFFER_KEPT_BYTES_MAX {
                self.buffer = Vec::new();
            }
        }
        if self.buffer.len() - self.end < READ_BYTES / 2 {
            self.make_room();
        }
        &mut self.buffer[self.end..]
    }

    /// Moves what is held to the front, and grows if that is not enough.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.len() - self.end < READ_BYTES / 2 {
            let doubled = (self.buffer.len() * 2).min(self.line_bytes_max);
            self.buffer.resize(doubled.max(self.end + READ_BYTES), 0);
        }
    }

    /// `bytes` of the space have been filled.
    pub fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.buffer.len());
    }

    /// The next line, if all of it is there.
    pub fn line(&mut self) -> Option<Line<'_>> {
        self.forget_long();
        match memchr::memchr(b'\n', &self.buffer[self.searched..self.end]) {
            Some(found) => {
                let end = self.searched + found;
                Some(self.cut(end, end + 1))
            }
            None => {
                self.searched = self.end;
                if self.long.is_some() || self.end - self.start > self.line_bytes_max {
                    self.throw_away(self.end);
                }
                None
            }
        }
    }

    /// What is left when the input has ended: a line without a newline.
    pub fn rest(&mut self) -> Option<Line<'_>> {
        self.forget_long();
        if self.start == self.end && self.long.is_none() {
            return None;
        }
        Some(self.cut(self.end, self.end))
    }

    fn cut(&mut self, end: usize, next: usize) -> Line<'_> {
        let start = self.start;
        if self.long.is_some() || end - start > self.line_bytes_max {
            self.throw_away(end);
            self.long_done = true;
        }
        self.start = next;
        self.searched = next;
        match &self.long {
            Some(long) => Line::TooLong {
                head: &long.head,
                tail: &long.tail,
            },
            None => Line::Whole(&self.buffer[start..end]),
        }
    }

    /// Drops `start..end` but for the ends of the line it belongs to.
    fn throw_away(&mut self, end: usize) {
        let bytes = &self.buffer[self.start..end];
        let kept = self.kept_bytes_max;
        let long = self.long.get_or_insert_with(|| Long {
            head: bytes[..bytes.len().min(kept)].to_vec(),
            tail: Vec::new(),
        });
        long.keep_tail(bytes, kept);
        self.start = end;
        self.searched = end;
    }

    fn forget_long(&mut self) {
        if std::mem::take(&mut self.long_done) {
            self.long = None;
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
    fn memory_stays_bounded_while_a_line_is_thrown_away() {
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
        assert_eq!(lines.long.as_ref().map(|long| long.tail.len()), Some(100));
        assert!(matches!(lines.rest(), Some(Line::TooLong { .. })));
        assert!(lines.rest().is_none());
    }

    proptest! {
        #[test]
        fn cuts_like_split(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..200), chunk in 1usize..64) {
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
