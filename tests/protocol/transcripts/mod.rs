//! Golden transcripts: files of sent and received lines, played against the
//! real binary. What a transcript cannot show (signals, exit codes, memory) is
//! in `effects.rs`; `http.rs` plays them over HTTP.
//!
//! Each line of a transcript is one step, an object:
//! - `{"about": ".."}` says what it shows;
//! - `{"send": message}` sends a message as a line;
//! - `{"raw": "text"}` sends text as it is, `{"bytes": [..]}` bytes; with
//!   `"chunk": n` in writes of n bytes each;
//! - `{"recv": pattern}` the next line matches; `{"any": [patterns]}` the next
//!   lines match in whatever order; `{"text": "line"}` it is exactly this;
//! - `{"end": true}` closes the input.
//!
//! At the end the input is closed, nothing more may come, and the exit code is
//! 0. In a pattern `"<any>"` matches everything, `"<string>"` any string,
//! `"<has: x>"` a string that contains x, `{"<json>": pattern}` a string that
//! holds a matching JSON document, and an object with a key `"<more>"` may
//! have other members than those named.

mod effects;
mod http;

use std::path::PathBuf;

use crate::support::Server;
use serde_json::Value;

/// The files of the transcripts.
fn transcripts() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the transcripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect();
    files.sort();
    assert!(files.len() > 20, "the transcripts are there");
    files
}

#[test]
fn every_transcript_holds() {
    let mut failed = Vec::new();
    for file in transcripts() {
        let text = std::fs::read_to_string(&file).expect("a transcript");
        if let Err(why) = play(&text, Server::start()) {
            failed.push(format!("{file:?}: {why}"));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// A server that takes lines and sends lines.
trait Lines {
    fn write(&mut self, bytes: &[u8], chunk: usize);
    /// The end of what is sent.
    fn end(&mut self);
    /// The next line, or nothing after the last one.
    fn line(&mut self) -> Option<String>;
    /// Waits for the last line and the exit: a line that nobody expected, or another
    /// failure.
    fn finish(self) -> Result<(), String>;
}

impl Lines for Server {
    fn write(&mut self, bytes: &[u8], chunk: usize) {
        for part in bytes.chunks(chunk.min(bytes.len()).max(1)) {
            Server::write(self, part);
        }
    }

    fn end(&mut self) {
        Server::end(self);
    }

    fn line(&mut self) -> Option<String> {
        Server::line(self)
    }

    fn finish(mut self) -> Result<(), String> {
        Server::end(&mut self);
        if let Some(line) = Server::line(&mut self) {
            return Err(format!("one line too many: {line}"));
        }
        match self.exit() {
            status if status.success() => Ok(()),
            status => Err(format!("the exit was {status}")),
        }
    }
}

/// Plays a transcript; the lines that came.
fn play(transcript: &str, mut server: impl Lines) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for (number, line) in transcript.lines().enumerate() {
        let number = number + 1;
        let step: Value =
            serde_json::from_str(line).map_err(|error| format!("{number}: {error}"))?;
        let (name, value) = step
            .as_object()
            .and_then(|step| step.iter().find(|(name, _)| *name != "chunk"))
            .ok_or_else(|| format!("{number}: no step"))?;
        let chunk = step["chunk"].as_u64().unwrap_or(u64::MAX) as usize;
        let text = value.as_str().unwrap_or_default();
        let mut next = || -> Result<Value, String> {
            let line = server.line().ok_or("the output ended")?;
            let message = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"));
            lines.push(line);
            message
        };
        let done = match name.as_str() {
            "about" => Ok(()),
            "send" => {
                server.write(format!("{value}\n").as_bytes(), chunk);
                Ok(())
            }
            "raw" => {
                server.write(text.as_bytes(), chunk);
                Ok(())
            }
            "bytes" => {
                let bytes: Vec<u8> = serde_json::from_value(value.clone()).unwrap_or_default();
                server.write(&bytes, chunk);
                Ok(())
            }
            "end" => {
                server.end();
                Ok(())
            }
            "recv" => next().and_then(|got| matches(value, &got)),
            "any" => any(next, value.as_array().map_or(&[], Vec::as_slice)),
            "text" => match next() {
                Ok(_) if lines.last().is_some_and(|line| line == text) => Ok(()),
                other => Err(format!("not that text: {other:?}")),
            },
            other => Err(format!("an unknown step {other}")),
        };
        done.map_err(|why| format!("{number}: {why}"))?;
    }
    server.finish()?;
    Ok(lines)
}

fn any(mut next: impl FnMut() -> Result<Value, String>, patterns: &[Value]) -> Result<(), String> {
    let mut open: Vec<&Value> = patterns.iter().collect();
    while !open.is_empty() {
        let got = next()?;
        match open
            .iter()
            .position(|pattern| matches(pattern, &got).is_ok())
        {
            Some(found) => drop(open.remove(found)),
            None => return Err(format!("none of the patterns matches {got}")),
        }
    }
    Ok(())
}

fn matches(pattern: &Value, got: &Value) -> Result<(), String> {
    let differs = || Err(format!("wanted {pattern}, got {got}"));
    match (pattern, got) {
        (Value::String(word), _) if word == "<any>" => Ok(()),
        (Value::String(word), Value::String(_)) if word == "<string>" => Ok(()),
        (Value::String(word), Value::String(text)) if word.starts_with("<has: ") => {
            let part = word.trim_start_matches("<has: ").trim_end_matches('>');
            if text.contains(part) {
                Ok(())
            } else {
                differs()
            }
        }
        (Value::Object(wanted), Value::String(text)) if wanted.contains_key("<json>") => {
            let inner: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            matches(&wanted["<json>"], &inner)
        }
        (Value::Object(wanted), Value::Object(members)) => {
            if !wanted.contains_key("<more>") && wanted.len() != members.len() {
                return differs();
            }
            for (name, pattern) in wanted.iter().filter(|(name, _)| *name != "<more>") {
                match members.get(name) {
                    Some(got) => matches(pattern, got)?,
                    None => return differs(),
                }
            }
            Ok(())
        }
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => wanted
            .iter()
            .zip(items)
            .try_for_each(|(pattern, got)| matches(pattern, got)),
        (pattern, got) if pattern == got => Ok(()),
        _ => differs(),
    }
}
