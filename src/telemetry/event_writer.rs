//! The writer of log events.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::meter::calls::LOG_DROPPED;
use crate::printable;

/// The destination of log events, one line each: untrusted text can neither forge an
/// event nor control a terminal.
pub(crate) struct EventWriter<W>(pub(crate) W);

impl<W: Write> Write for EventWriter<W> {
    /// Takes one event with its line end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let shown = printable::line(text.strip_suffix('\n').unwrap_or(&text));
        let written = self.0.write_all(format!("{shown}\n").as_bytes());
        if written.is_err() {
            LOG_DROPPED.increment(());
        }
        written.map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for EventWriter<M> {
    type Writer = EventWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EventWriter(self.0.make_writer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stays_on_its_line() {
        let mut written = Vec::new();
        let event = b"WARN one\x1b[2K\nERROR forged\n";
        EventWriter(&mut written).write_all(event).expect("written");
        assert_eq!(written, b"WARN one\\u{1b}[2K\\u{a}ERROR forged\n");
    }

    #[test]
    fn an_event_that_cannot_be_written_is_counted() {
        let dropped = || crate::meter::value("mimo_log_dropped_total");
        let before = dropped();
        let mut full: &mut [u8] = &mut [];
        let written = EventWriter(&mut full).write_all(b"WARN no space is left\n");
        assert!(written.is_err() && dropped() > before);
    }
}
