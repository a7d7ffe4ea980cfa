//! Files that commands write and read: lines of JSON, or one document.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::Value;

use crate::caller::PROJECT_SHARED;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::files::Replacement;
use crate::limits;
use crate::platform;
use crate::printable::{self, shell_word};

pub(super) enum ExportWriter {
    /// stdout, or a pipe or device that was named.
    Stream(BufWriter<File>, Option<PathBuf>),
    /// A file that only its owner may read; the old one stays until all is written.
    File(Replacement, PathBuf),
}

impl ExportWriter {
    pub(super) fn open(path: Option<PathBuf>) -> Result<ExportWriter, Failure> {
        let Some(path) = path else {
            let stdout = platform::stdout_file().map_err(Failure::internal)?;
            return Ok(ExportWriter::Stream(BufWriter::new(stdout), None));
        };
        let is_file = path.metadata().map_or(true, |found| found.is_file());
        let opened = match is_file {
            true => Replacement::begin(&path).map(|new| ExportWriter::File(new, path.clone())),
            false => OpenOptions::new()
                .write(true)
                .open(&path)
                .map(|file| ExportWriter::Stream(BufWriter::new(file), Some(path.clone()))),
        };
        opened.map_err(|error| {
            Failure::new(
                Kind::Unavailable,
                format!("{} cannot be written: {error}", path.display()),
            )
            .hint("name a file in a folder that you may write to")
        })
    }

    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        match self {
            // A terminal, or a pipe to one.
            ExportWriter::Stream(out, _) => out.write_all(printable::text(text).as_bytes()),
            ExportWriter::File(out, _) => out.write_all(text.as_bytes()),
        }
    }

    /// Flushes; a file replaces the old one. Returns the file, if one was named.
    pub(super) fn finish(self) -> io::Result<Option<PathBuf>> {
        match self {
            ExportWriter::Stream(mut out, path) => out.flush().map(|()| path),
            ExportWriter::File(out, path) => out.commit().map(|()| Some(path)),
        }
    }
}

/// The lines of an export, which a callback of the store writes from another thread.
#[derive(Clone)]
pub(super) struct ExportLines(Arc<Mutex<LinesState>>);

struct LinesState {
    /// `None` once it is finished.
    writer: Option<ExportWriter>,
    count: usize,
    /// What ended the export.
    error: Option<io::Error>,
}

impl ExportLines {
    pub(super) fn open(path: Option<PathBuf>) -> Result<ExportLines, Failure> {
        Ok(ExportLines(Arc::new(Mutex::new(LinesState {
            writer: Some(ExportWriter::open(path)?),
            count: 0,
            error: None,
        }))))
    }

    fn state(&self) -> MutexGuard<'_, LinesState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self, line: &str) -> Result<(), Failure> {
        let mut state = self.state();
        let Some(writer) = &mut state.writer else {
            return Ok(());
        };
        let written = writer.write(&printable::json(line));
        let written = written.and_then(|()| writer.write("\n"));
        state.count += 1;
        written.map_err(|error| {
            state.error = Some(error);
            Failure::new(Kind::Unavailable, "the export was cut off")
        })
    }

    /// The lines written so far.
    pub(super) fn count(&self) -> usize {
        self.state().count
    }

    /// Ends like [`ExportWriter::finish`] if everything was `exported`. An error of the
    /// file is the cause of any other.
    pub(super) fn finish(&self, exported: Result<()>) -> Result<Option<PathBuf>> {
        let mut state = self.state();
        if let Some(error) = state.error.take() {
            return Err(error.into());
        }
        exported?;
        let closed = state.writer.take().map(ExportWriter::finish).transpose()?;
        Ok(closed.flatten())
    }
}

/// The projects of an export; empty means all.
pub(super) fn export_projects(config: &Config, all: bool) -> Vec<String> {
    match all {
        true => Vec::new(),
        false => vec![config.project.clone(), PROJECT_SHARED.to_owned()],
    }
}

/// Opens `path` to read, `-` for stdin; `hint` is the next step if that fails.
pub(super) fn open_input(path: &Path, hint: &str) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).map_err(|error| {
        Failure::new(
            Kind::NotFound,
            format!("{} cannot be read: {error}", path.display()),
        )
        .hint(hint)
    })?;
    Ok(Box::new(BufReader::new(file)))
}

/// Refuses a file that is not UTF-8 as a whole, by its first bytes.
pub(super) fn refuse_other_encodings(input: &mut dyn BufRead, path: &Path) -> Result<(), Failure> {
    let word = shell_word(&path.to_string_lossy());
    let path = path.display();
    let (what, hint) = match input.fill_buf().map_err(unreadable)? {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => (
            "text in UTF-16",
            "save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)".to_owned(),
        ),
        [0x1F, 0x8B, ..] => ("compressed", format!("zcat {word} | mimo import -")),
        [b'P', b'K', 3, 4, ..] => ("a ZIP archive", "unpack it first".to_owned()),
        head if head.starts_with(b"SQLite format 3\0") => (
            "a SQLite database",
            format!("if Mimo wrote it, `mimo restore {word}` replaces the database with it"),
        ),
        _ => return Ok(()),
    };
    Err(Failure::invalid("", format!("{path} is {what}, not lines of JSON")).hint(hint))
}

/// A document of a file.
pub(super) struct FileDocument {
    /// The number of its line.
    pub(crate) line: usize,
    pub(crate) value: Result<Value, Failure>,
    /// Whether the file ends within it.
    pub(crate) is_cut: bool,
}

/// The documents of a file: one or several per line or, if the first line is not
/// complete, one document for the whole file. A line that is not JSON is one failure.
pub(super) fn read_documents(mut input: Box<dyn BufRead>) -> impl Iterator<Item = FileDocument> {
    let (mut number, mut first, mut ended) = (0, true, false);
    let mut waiting: VecDeque<FileDocument> = VecDeque::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(document) = waiting.pop_front() {
                return Some(document);
            }
            if ended {
                return None;
            }
            number += 1;
            let line = match read_line(&mut *input) {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(failure) => {
                    ended = failure.kind == Kind::Unavailable;
                    return Some(FileDocument {
                        line: number,
                        value: Err(failure),
                        is_cut: ended,
                    });
                }
            };
            let line = match number {
                1 => line.strip_prefix('\u{feff}').unwrap_or(&line).to_owned(),
                _ => line,
            };
            if line.trim().is_empty() {
                continue;
            }
            let is_first = std::mem::replace(&mut first, false);
            let is_last = input.fill_buf().is_ok_and(<[u8]>::is_empty);
            let mut documents = parse_line(&line, number, is_last);
            let is_begun = documents.len() == 1 && documents[0].value.is_err();
            if is_first && is_begun && !is_last {
                documents = whole_or_lines(line, number, &mut *input);
                ended = true;
            }
            waiting.extend(documents);
        }
    })
}

/// The documents of one line; the last may be a failure.
fn parse_line(line: &str, number: usize, is_last: bool) -> Vec<FileDocument> {
    let documents = serde_json::Deserializer::from_str(line).into_iter::<Value>();
    let documents = documents.map(|parsed| FileDocument {
        line: number,
        is_cut: is_last && parsed.as_ref().is_err_and(serde_json::Error::is_eof),
        value: parsed.map_err(not_json),
    });
    documents.collect()
}

/// Reads to the end of the file that `text`, its line `number`, begins: as one document,
/// or as lines where another line is one.
fn whole_or_lines(mut text: String, number: usize, input: &mut dyn BufRead) -> Vec<FileDocument> {
    let most = limits::IMPORT_DOCUMENT_BYTES_MAX;
    let mut rest = Vec::new();
    let read = input.take(most as u64).read_to_end(&mut rest);
    let failed = |value: Failure, is_cut| {
        vec![FileDocument {
            line: number,
            value: Err(value),
            is_cut,
        }]
    };
    if let Err(error) = read {
        return failed(unreadable(error), true);
    }
    if text.len() + rest.len() >= most {
        let why = format!("the file is one document of more than {most} bytes");
        let failure = Failure::new(Kind::LimitExceeded, why);
        return failed(failure.hint("leave out the embeddings, or split it"), false);
    }
    text.push_str(&String::from_utf8_lossy(&rest));
    let whole = serde_json::from_str::<Value>(&text);
    let error = match whole {
        Ok(value) => {
            return vec![FileDocument {
                line: number,
                value: Ok(value),
                is_cut: false,
            }];
        }
        Err(error) => error,
    };
    let last = text.lines().count();
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let lines = lines.flat_map(|(nth, line)| parse_line(line, number + nth, nth + 1 == last));
    let lines: Vec<FileDocument> = lines.collect();
    let is_object = |line: &FileDocument| line.value.as_ref().is_ok_and(Value::is_object);
    match lines.iter().any(is_object) {
        true => lines,
        false => failed(document_error(&error), error.is_eof()),
    }
}

fn not_json(error: serde_json::Error) -> Failure {
    // A line is parsed alone, so its number in the error is always 1.
    let why = error.to_string();
    let why = why.split(" at line ").next().unwrap_or(&why);
    let column = error.column();
    Failure::invalid("", format!("this is not JSON: {why} at column {column}"))
}

fn document_error(error: &serde_json::Error) -> Failure {
    match error.is_eof() {
        true => Failure::invalid("", format!("the file is cut off: {error}")),
        false => Failure::invalid("", format!("this is not JSON: {error}")),
    }
}

/// The next line; one that is too long is passed over.
fn read_line(input: &mut dyn BufRead) -> Result<Option<String>, Failure> {
    let mut line = Vec::new();
    let most = limits::LINE_BYTES_MAX;
    let mut bounded = (&mut *input).take(most as u64);
    let read = bounded.read_until(b'\n', &mut line).map_err(unreadable)?;
    if line.len() == most {
        input.skip_until(b'\n').map_err(unreadable)?;
        let why = format!("a line is longer than {most} bytes");
        return Err(Failure::new(Kind::LimitExceeded, why));
    }
    let text = String::from_utf8(line);
    let text = text.map_err(|_| Failure::invalid("", "this line is not UTF-8"))?;
    Ok((read > 0).then_some(text))
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(
        Kind::Unavailable,
        format!("the file cannot be read: {error}"),
    )
}
