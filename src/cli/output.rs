//! How commands print: results to stdout, problems to stderr, colors and columns only
//! on a terminal.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::diagnostics::{Diagnostic, counted};
use crate::failure::{Failure, Kind};
use crate::printable;

/// Columns assumed where no terminal gives its own.
const COLUMNS_DEFAULT: usize = 100;
/// Wider lines are hard to read.
const COLUMNS_WIDE: usize = 120;
/// Narrower than this, wrapping would only make it worse.
const COLUMNS_NARROW: usize = 40;

/// Ends a command with this exit code, after it has reported the reason.
#[derive(Debug)]
pub(super) struct Exit(pub u8);

impl fmt::Display for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "exit code {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Where and how this process prints.
pub(super) struct Output {
    /// `--json`.
    pub(crate) json: bool,
    /// Whether stdout is a terminal.
    pub(crate) terminal: bool,
    /// Whether colors are wanted there.
    pub(crate) color: bool,
    /// The width of the terminal.
    pub(crate) columns: usize,
}

impl Output {
    pub(super) fn new(json: bool, no_color: bool) -> Self {
        let stdout = console::Term::stdout();
        let columns = match stdout.size_checked() {
            Some((_, columns)) => usize::from(columns).clamp(COLUMNS_NARROW, COLUMNS_WIDE),
            None => COLUMNS_DEFAULT,
        };
        let terminal = io::stdout().is_terminal();
        Output {
            json,
            terminal,
            color: terminal && !json && !no_color,
            columns,
        }
    }

    /// Whether stderr is a terminal, so that progress is worth showing.
    pub(super) fn is_watched(&self) -> bool {
        io::stderr().is_terminal() && !self.json
    }

    /// Writes all of `text` to stdout at once.
    pub(super) fn print(&self, text: impl Into<Text>) -> Result<()> {
        let text = text.into();
        let mut out = io::stdout().lock();
        let written = out
            .write_all(text.as_str().as_bytes())
            .and_then(|()| out.flush());
        written.context("the output cannot be written")
    }

    /// Writes one JSON document: indented for a person, on one line otherwise.
    pub(super) fn document(&self, document: &Value) -> Result<()> {
        self.json_text(&match self.terminal && !self.json {
            true => format!("{document:#}"),
            false => document.to_string(),
        })
    }

    /// Writes one line of JSON that is serialized already.
    pub(super) fn json_text(&self, text: &str) -> Result<()> {
        self.print(format!("{}\n", printable::json(text)))
    }

    /// A text to add to, which has colors where they are wanted.
    pub(super) fn text(&self) -> Text {
        Text {
            shown: String::new(),
            color: self.color,
        }
    }

    /// Rows with aligned columns. A terminal's edge cuts the last column.
    pub(super) fn table<const N: usize>(
        &self,
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if self.terminal {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(u16::try_from(self.columns).unwrap_or(u16::MAX))
                .set_truncation_indicator("…");
        }
        for row in rows {
            let mut row = Row::from(row.map(|cell| printable::line(&cell).into_owned()));
            if self.terminal {
                row.max_height(1);
            }
            table.add_row(row);
        }
        for (number, column) in table.column_iter_mut().enumerate() {
            let is_last = number + 1 == N;
            column.set_padding((0, if is_last { 0 } else { 2 }));
            if !is_last {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let lines = table.lines();
        lines.map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// Writes `text` to stderr; a failure there has nowhere to be reported.
    pub(super) fn print_error(&self, text: impl Into<Text>) {
        let _ = io::stderr().write_all(text.into().as_str().as_bytes());
    }

    /// Prints everything that is wrong with `file`; the error ends the command
    /// with 1. `document` is how `--json` shows one of them.
    pub(super) fn report_diagnostics<C>(
        &self,
        file: &Path,
        diagnostics: &[Diagnostic<C>],
        document: impl Fn(&Diagnostic<C>) -> Value,
    ) -> anyhow::Error {
        let file = file.display().to_string();
        if self.json {
            let errors: Vec<Value> = diagnostics.iter().map(document).collect();
            let printed = self.document(&json!({"ok": false, "file": file, "errors": errors}));
            return printed.err().unwrap_or_else(|| Exit(1).into());
        }
        let count = counted(diagnostics.len(), "mistake", "mistakes");
        let mut text = format!("mimo: {file} has {count}\n");
        for diagnostic in diagnostics {
            text.push_str(&format!(
                "\n{}\n",
                printable::quoted(&diagnostic.to_string())
            ));
            if let Some(value) = &diagnostic.value {
                text.push_str(&format!("  value: {value}\n"));
            }
            text.push_str(&format!("  next: {}\n", diagnostic.fix));
        }
        self.print_error(text);
        Exit(1).into()
    }

    /// Prints why a command failed and what to do next, and returns the exit code. With
    /// `--json` this is a document on stdout, as scripts expect.
    pub(super) fn report(&self, error: &anyhow::Error) -> ExitCode {
        if let Some(Exit(code)) = error.downcast_ref() {
            return ExitCode::from(*code);
        }
        let io_error = error.downcast_ref::<io::Error>();
        // The reader of stdout has seen enough (`mimo tools | head -1`).
        if io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        let other = || match io_error {
            Some(_) => Failure::new(Kind::Unavailable, format!("{error:#}"))
                .hint("look at where the output goes: a full disk, a closed file?"),
            None => Failure::internal(format!("{error:#}")),
        };
        let (context, failure) = match error.downcast_ref::<Failure>() {
            Some(failure) => (context_of(error), failure),
            None => (String::new(), &other()),
        };
        match self.json {
            true => {
                let mut document = failure.document();
                document["error"]["message"] = json!(format!("{context}{}", failure.message));
                // A reader that left needs no answer.
                let _ = self.json_text(&document.to_string());
            }
            false => self.print_error(error_text(&context, failure)),
        }
        ExitCode::from(failure.kind.exit_code())
    }
}

/// The output of a command. Everything added to it is made printable: names and texts
/// come from skills and models, and must not control the terminal. Colors are Mimo's
/// own.
pub(super) struct Text {
    shown: String,
    color: bool,
}

impl Text {
    pub(super) fn push(&mut self, text: &str) {
        self.shown.push_str(&printable::text(text));
    }

    /// Adds text in a color (a number of SGR; 0 is none), where colors are wanted.
    pub(super) fn paint(&mut self, color: u8, text: &str) {
        match self.color && color != 0 {
            true => {
                self.shown.push_str(&format!("\x1b[{color}m"));
                self.push(text);
                self.shown.push_str("\x1b[0m");
            }
            false => self.push(text),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.shown
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text {
            shown: printable::text(text).into_owned(),
            color: false,
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        text.as_str().into()
    }
}

/// The operation that failed, as `doing this: `.
fn context_of(error: &anyhow::Error) -> String {
    let outer = error.chain().take_while(|cause| !cause.is::<Failure>());
    outer.map(|cause| format!("{cause}: ")).collect()
}

fn error_text(context: &str, failure: &Failure) -> String {
    let mut text = format!("mimo: {context}{}", failure.message);
    if let Some(path) = failure.path.as_deref().filter(|path| !path.is_empty()) {
        text.push_str(&format!(" (at {path})"));
    }
    text.push('\n');
    if let Some(hint) = failure.next_step() {
        text.push_str(&format!("  next: {hint}\n"));
    }
    text
}

/// The progress of long work, on one line of stderr if that is a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Counts things called `unit`.
    pub(super) fn new(output: &Output, unit: &'static str) -> Progress {
        let target = match output.is_watched() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let bar = bar.with_style(style("{pos} {prefix}{msg}"));
        Progress(bar.with_prefix(unit))
    }

    /// Shows how many are done, and the total if that is known.
    pub(super) fn show(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total
            && self.0.length() != Some(total)
        {
            let template = "[{bar:20}] {percent:>3} %  {pos} of {len} {prefix}";
            self.0.set_style(style(template).progress_chars("#."));
            self.0.set_length(total);
        }
        self.0.set_position(done);
    }

    /// Names the current part, if nothing is counted.
    pub(super) fn name(&self, part: impl Into<Cow<'static, str>>) {
        self.0.set_style(style("{prefix}: {msg}"));
        self.0.set_message(part);
    }

    /// Clears the line.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// A style from a template that is valid: a test draws each.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Columns that `text` fills: East Asian wide characters and emoji take two.
pub(super) fn display_width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `text` on one line, cut to `columns`, with `…` where something was left out.
pub(super) fn truncate(text: &str, columns: usize) -> String {
    console::truncate_str(&printable::line(text), columns, "…").into_owned()
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
            assert_eq!(truncate(text, columns), expected, "{text} in {columns}");
            assert!(display_width(&truncate(text, columns)) <= columns);
        }
    }

    #[test]
    fn only_own_colors_reach_a_terminal() {
        let mut output = Output {
            json: false,
            terminal: true,
            color: true,
            columns: 80,
        };
        let hostile = "a\x1b[2Jb\r\u{202e}c\x1b[0m";
        let shown = "a\\u{1b}[2Jb\\u{d}\\u{202e}c\\u{1b}[0m";
        for color in [true, false] {
            output.color = color;
            let mut text = output.text();
            text.paint(31, hostile);
            let expected = match color {
                true => format!("\x1b[31m{shown}\x1b[0m"),
                false => shown.to_owned(),
            };
            assert_eq!(text.shown, expected);
            assert_eq!(Text::from(hostile).shown, shown);
            let table = output.table([[hostile.to_owned(), "two\nlines".to_owned()]]);
            assert_eq!(table, format!("{shown}  two\\u{{a}}lines\n"));
        }
    }

    #[test]
    fn failure_shows_place_and_next_step() {
        let failure = Failure::invalid("/importance", "7 is more than 1").hint("use 0 to 1");
        assert_eq!(
            error_text("", &failure),
            "mimo: 7 is more than 1 (at /importance)\n  next: use 0 to 1\n"
        );
    }

    #[test]
    fn context_of_a_failure_comes_first() {
        let failure = Failure::invalid("", "7 is more than 1");
        let error = anyhow::Error::from(failure).context("line 3");
        assert_eq!(context_of(&error), "line 3: ");
        assert!(error.downcast_ref::<Failure>().is_some());
    }

    #[test]
    fn every_template_of_progress_is_valid() {
        for template in [
            "{pos} {prefix}{msg}",
            "[{bar:20}] {percent:>3} %  {pos} of {len} {prefix}",
            "{prefix}: {msg}",
        ] {
            ProgressStyle::with_template(template).expect(template);
        }
    }
}
