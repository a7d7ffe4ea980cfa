//! How commands print: stdout for what was asked, stderr for what went wrong,
//! colours and columns only where a person looks.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::failure::Failure;

/// Columns assumed where no terminal tells its own.
const COLUMNS_DEFAULT: usize = 100;
/// Wider lines are hard to read.
const COLUMNS_WIDE: usize = 120;
/// Narrower than this, wrapping would only make it worse.
const COLUMNS_NARROW: usize = 40;

/// Why a command ended before its end.
pub(super) enum Ended {
    /// It could not do what was asked.
    Failed(Failure),
    /// It could not, and has said why: only the exit code is left.
    Told(u8),
    /// Whoever read stdout has seen enough (`mimo tools | head -1`).
    ReaderLeft,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Ended::Failed(failure)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Ended::ReaderLeft,
            _ => Ended::Failed(
                Failure::new(
                    crate::failure::Kind::Unavailable,
                    format!("the output cannot be written: {error}"),
                )
                .hint("look at where stdout goes: a full disk, a closed file?"),
            ),
        }
    }
}

/// Where and how this process prints.
pub(super) struct Output {
    /// `--json`.
    pub json: bool,
    /// stdout is a terminal.
    pub terminal: bool,
    /// Colours are wanted there.
    pub colour: bool,
    /// Columns to fill.
    pub columns: usize,
}

impl Output {
    pub(super) fn new(json: bool, no_colour: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let columns = match terminal_size::terminal_size() {
            Some((width, _)) if terminal => {
                usize::from(width.0).clamp(COLUMNS_NARROW, COLUMNS_WIDE)
            }
            _ => COLUMNS_DEFAULT,
        };
        Output {
            json,
            terminal,
            colour: terminal && !json && !no_colour,
            columns,
        }
    }

    /// Whether a person looks at stderr, to see how far long work is.
    pub(super) fn is_watched(&self) -> bool {
        io::stderr().is_terminal() && !self.json
    }

    /// Writes `text` to stdout, whole, at once.
    pub(super) fn print(&self, text: &str) -> Result<(), Ended> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Writes one JSON document: indented for a person, on one line otherwise.
    pub(super) fn document(&self, document: &Value) -> Result<(), Ended> {
        let text = match self.terminal && !self.json {
            true => format!("{document:#}\n"),
            false => format!("{document}\n"),
        };
        self.print(&text)
    }

    /// `text` in a colour (a number of SGR; 0 is none), where colours are wanted.
    pub(super) fn painted(&self, colour: u8, text: &str) -> String {
        match self.colour && colour != 0 {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// `text` that somebody else wrote, as it may be shown: on a terminal what
    /// would steer it, or turn the order of what is read, is escaped. Line ends
    /// and tabs stay.
    pub(super) fn harmless(&self, text: &str) -> String {
        if !self.terminal {
            return text.to_owned();
        }
        let mut shown = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '\n' | '\t' => shown.push(character),
                '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' => shown.extend(character.escape_unicode()),
                _ if character.is_control() => shown.extend(character.escape_unicode()),
                _ => shown.push(character),
            }
        }
        shown
    }

    /// Writes `text` to stderr; nobody is left to tell where that fails.
    pub(super) fn complain(&self, text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Says what failed and what to do next, and gives the exit code. With
    /// `--json` it is a document on stdout, as a script expects it.
    pub(super) fn failed(&self, failure: &Failure) -> ExitCode {
        let text = match self.json {
            true => format!("{}\n", failure.document()),
            false => explained(failure),
        };
        // Nobody is left to tell where this fails too.
        let _ = match self.json {
            true => io::stdout().write_all(text.as_bytes()),
            false => io::stderr().write_all(text.as_bytes()),
        };
        ExitCode::from(failure.kind.exit_code())
    }
}

/// How far long work is, on one line of stderr, where a person looks.
pub(super) struct Progress<'a> {
    output: &'a Output,
    unit: &'static str,
    seen: bool,
}

impl<'a> Progress<'a> {
    /// Of things called `unit`.
    pub(super) fn new(output: &'a Output, unit: &'static str) -> Progress<'a> {
        Progress {
            output,
            unit,
            seen: output.is_watched(),
        }
    }

    /// So many are done, of how many where that is known.
    pub(super) fn show(&self, done: usize, total: Option<usize>) {
        if self.seen {
            let line = match total {
                Some(total) => bar(done, total, self.unit),
                None => format!("{done} {}", self.unit),
            };
            self.output.complain(&format!("\r{line}\x1b[K"));
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.seen {
            self.output.complain("\r\x1b[K");
        }
    }
}

/// `[#####...............] 25 %  1000 of 4000 lines`.
fn bar(done: usize, total: usize, unit: &str) -> String {
    const WIDTH: usize = 20;
    let done = done.min(total);
    let share = |of: usize| (done * of).checked_div(total).unwrap_or(of);
    let full = share(WIDTH);
    format!(
        "[{}{}] {:>3} %  {done} of {total} {unit}",
        "#".repeat(full),
        ".".repeat(WIDTH - full),
        share(100)
    )
}

fn explained(failure: &Failure) -> String {
    let mut text = format!("mimo: {}", failure.message);
    if let Some(path) = failure.path.as_deref().filter(|path| !path.is_empty()) {
        text.push_str(&format!(" (at {path})"));
    }
    text.push('\n');
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  next: {hint}\n"));
    }
    text
}

/// Columns that `text` fills: East Asian wide characters and emoji take two.
pub(super) fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_char).sum()
}

fn columns_of_char(character: char) -> usize {
    match u32::from(character) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// `text` cut to `columns`, with `…` where something was left out.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if columns_of(text) <= columns {
        return text.to_owned();
    }
    let mut used = 0;
    let mut kept: String = text
        .chars()
        .take_while(|character| {
            used += columns_of_char(*character);
            used < columns
        })
        .collect();
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_counts_columns_not_bytes() {
        for (text, columns, expected) in [
            ("short", 10, "short"),
            ("exactly ten", 11, "exactly ten"),
            ("exactly ten", 10, "exactly t…"),
            ("a b", 2, "a…"),
            ("木曜日です", 10, "木曜日です"),
            ("木曜日です", 7, "木曜日…"),
            ("木曜日です", 6, "木曜…"),
        ] {
            assert_eq!(cut(text, columns), expected, "{text} in {columns}");
            assert!(columns_of(&cut(text, columns)) <= columns);
        }
    }

    #[test]
    fn a_bar_is_full_when_all_is_done() {
        assert_eq!(
            bar(0, 8, "lines"),
            "[....................]   0 %  0 of 8 lines"
        );
        assert_eq!(
            bar(2, 8, "lines"),
            "[#####...............]  25 %  2 of 8 lines"
        );
        assert_eq!(
            bar(9, 8, "lines"),
            "[####################] 100 %  8 of 8 lines"
        );
        assert_eq!(
            bar(0, 0, "lines"),
            "[####################] 100 %  0 of 0 lines"
        );
    }

    #[test]
    fn what_others_wrote_steers_no_terminal() {
        let mut output = Output {
            json: false,
            terminal: true,
            colour: true,
            columns: 80,
        };
        let text = "a\x1b[2Jb\rc\u{9b}1m\u{202e}d\n\te\u{7f}é";
        assert_eq!(
            output.harmless(text),
            "a\\u{1b}[2Jb\\u{d}c\\u{9b}1m\\u{202e}d\n\te\\u{7f}é"
        );
        output.terminal = false;
        assert_eq!(output.harmless(text), text, "a file gets what there is");
    }

    #[test]
    fn a_failure_is_told_with_place_and_next_step() {
        let failure = Failure::invalid("/importance", "7 is more than 1").hint("use 0 to 1");
        assert_eq!(
            explained(&failure),
            "mimo: 7 is more than 1 (at /importance)\n  next: use 0 to 1\n"
        );
    }
}
