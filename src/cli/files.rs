//! Files that commands write and read: lines of JSON, or one document.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::caller::PROJECT_SHARED;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::files::Replacement;
use crate::limits;
use crate::printable;

pub(super) enum ExportWriter {
    /// stdout, or a pipe or device that was named.
    Stream(BufWriter<File>, Option<PathBuf>),
    /// A file that only its owner may read; the old one stays until all is written.
    File(Replacement, PathBuf),
}

impl ExportWriter {
    pub(super) fn open(path: Option<PathBuf>) -> Result<ExportWriter, Failure> {
        let Some(path) = path else {
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            let stdout = stdout.map_err(Failure::internal)?;
            return Ok(ExportWriter::Stream(BufWriter::new(stdout.into()), None));
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

/// One document per line, with the line number; if the first line is not a
/// complete document, the whole file is one.
pub(super) fn read_documents(
    mut input: Box<dyn BufRead>,
) -> impl Iterator<Item = (usize, Result<Value, Failure>)> {
    let (mut number, mut first) = (0, true);
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let line = match read_line(&mut *input) {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(failure) => return Some((number, Err(failure))),
            };
            if line.trim().is_empty() {
                continue;
            }
            let was_first = std::mem::replace(&mut first, false);
            let parsed = match serde_json::from_str(&line) {
                Err(error) if was_first => read_single_document(line, &mut *input, &error),
                parsed => parsed.map_err(not_json),
            };
            return Some((number, parsed));
        }
    })
}

fn not_json(error: serde_json::Error) -> Failure {
    Failure::invalid("", format!("this is not JSON: {error}"))
}

fn read_line(input: &mut dyn BufRead) -> Result<Option<String>, Failure> {
    let mut line = String::new();
    let mut input = input.take(limits::LINE_BYTES_MAX as u64);
    let read = input.read_line(&mut line).map_err(unreadable)?;
    if line.len() == limits::LINE_BYTES_MAX {
        return Err(Failure::new(
            Kind::LimitExceeded,
            format!("a line is longer than {} bytes", limits::LINE_BYTES_MAX),
        ));
    }
    Ok((read > 0).then_some(line))
}

/// Reads to the end of a document that `text` begins; `first` is why `text` alone
/// is none.
fn read_single_document(
    mut text: String,
    input: &mut dyn BufRead,
    first: &serde_json::Error,
) -> Result<Value, Failure> {
    if !first.is_eof() {
        return Err(Failure::invalid("", format!("this is not JSON: {first}")));
    }
    let most = limits::IMPORT_DOCUMENT_BYTES_MAX;
    let mut rest = input.take(most as u64);
    rest.read_to_string(&mut text).map_err(unreadable)?;
    if text.len() >= most {
        return Err(Failure::new(
            Kind::LimitExceeded,
            format!("the file is one document of more than {most} bytes"),
        )
        .hint("leave out the embeddings, or split it"));
    }
    serde_json::from_str(&text).map_err(not_json)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(
        Kind::Unavailable,
        format!("the file cannot be read: {error}"),
    )
}

/// Adds the line number to a failure's message.
pub(super) fn with_line_number(number: usize, failure: Failure) -> Failure {
    let hint = failure.hint.clone().unwrap_or_default();
    let place = failure.path.as_deref().unwrap_or_default();
    let message = format!(
        "line {number}: {}{}",
        failure.message,
        match place {
            "" => String::new(),
            place => format!(" (at {place})"),
        }
    );
    let again = "correct it and import again: what is in already is not doubled";
    let hint = match hint.as_str() {
        "" => again.to_owned(),
        hint => format!("{hint}; {again}"),
    };
    // The file's fault, not the command line's.
    Failure::new(Kind::Refused, message).hint(hint)
}
