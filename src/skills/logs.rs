//! Keeps what skills write to stderr in a small rotating file for each skill, with
//! the time of each line and the start and end of each run. Several Mimos append
//! to a file while others read it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::spec::SkillName;
use crate::clock::Clock;
use crate::limits;
use crate::platform::{file_id, file_id_at};
use crate::telemetry::RotatingFile;

/// The folder of the logs.
pub(crate) struct Logs {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

/// The log of one run. Appending never fails: a full disk does not stop a skill.
pub struct Log {
    file: RotatingFile,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pid: u32,
    /// A line that is not complete yet.
    line: Vec<u8>,
    /// The current second, and the bytes kept and dropped in it.
    second: i64,
    kept: usize,
    dropped: u64,
}

/// One entry: a line of JSON in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: String,
    /// The process of the run; 0 where none was started.
    pub(crate) pid: u32,
    #[serde(flatten)]
    pub(crate) event: LogEvent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogEvent {
    /// A run began under the Mimo with this process id.
    Started(u32),
    Line(String),
    /// This many bytes were dropped because too much came within a second.
    LeftOut(u64),
    /// The run ended; why.
    Ended(String),
}

impl Logs {
    /// The logs in `folder`, which the first log creates.
    pub(crate) fn in_folder(folder: PathBuf, clock: Arc<dyn Clock>) -> Logs {
        Logs { folder, clock }
    }

    /// The log for the next run of `skill`; `None` where it cannot be written.
    pub(crate) fn open(&self, skill: &SkillName) -> Option<Log> {
        let name = file_name(skill);
        let (bytes, files) = (
            limits::SKILL_LOG_FILE_BYTES_MAX,
            limits::SKILL_LOG_FILES_MAX,
        );
        match RotatingFile::open(&self.folder, &name, bytes, files) {
            Ok(file) => Some(Log {
                file,
                clock: self.clock.clone(),
                state: Mutex::default(),
            }),
            Err(failure) => {
                tracing::warn!(%skill, "the stderr of this skill is not logged: {failure}");
                None
            }
        }
    }
}

impl Log {
    pub(crate) fn started(&self, pid: u32) {
        let mut state = self.state();
        state.pid = pid;
        self.write(pid, &[LogEvent::Started(std::process::id())]);
    }

    pub(crate) fn append(&self, bytes: &[u8]) {
        let mut state = self.state();
        let state = &mut *state;
        let mut complete = self.next_second(state);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(limits::SKILL_LOG_LINE_BYTES_MAX) {
                state.line.extend_from_slice(piece);
                let ends = piece.ends_with(b"\n");
                if ends || state.line.len() >= limits::SKILL_LOG_LINE_BYTES_MAX {
                    complete.extend(state.end_line());
                }
            }
        }
        self.write(state.pid, &complete);
    }

    pub(crate) fn ended(&self, why: &str) {
        let mut state = self.state();
        let mut last: Vec<LogEvent> = state.end_line().into_iter().collect();
        last.extend(state.take_dropped());
        last.push(LogEvent::Ended(why.to_owned()));
        self.write(state.pid, &last);
    }

    /// Resets the budget when a new second begins.
    fn next_second(&self, state: &mut State) -> Vec<LogEvent> {
        let second = self.clock.now().0.div_euclid(1_000_000);
        if second == state.second {
            return Vec::new();
        }
        state.second = second;
        state.kept = 0;
        state.take_dropped().into_iter().collect()
    }

    /// One write for each line, so that lines of several processes never mix.
    fn write(&self, pid: u32, events: &[LogEvent]) {
        let at = self.clock.now().to_iso();
        for event in events {
            let (at, event) = (at.clone(), event.clone());
            let Ok(mut line) = serde_json::to_vec(&Entry { at, pid, event }) else {
                continue;
            };
            line.push(b'\n');
            // The file logs its own write errors.
            let _ = (&self.file).write_all(&line);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end_line(&mut self) -> Option<LogEvent> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return None;
        }
        if self.kept + line.len() > limits::SKILL_LOG_SECOND_BYTES_MAX {
            self.dropped += line.len() as u64;
            return None;
        }
        self.kept += line.len();
        let text = String::from_utf8_lossy(&line);
        Some(LogEvent::Line(
            text.trim_end_matches(['\n', '\r']).to_owned(),
        ))
    }

    fn take_dropped(&mut self) -> Option<LogEvent> {
        match std::mem::take(&mut self.dropped) {
            0 => None,
            bytes => Some(LogEvent::LeftOut(bytes)),
        }
    }
}

fn file_name(skill: &SkillName) -> String {
    format!("{skill}.log")
}

/// The skills that have a log in `folder`.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<SkillName>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let skill = name.to_str().and_then(|name| name.strip_suffix(".log"));
        names.extend(skill.and_then(SkillName::new));
    }
    names.sort();
    Ok(names)
}

/// Reads the log of one skill while it grows and rotates.
pub(crate) struct Reader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// A line that is not complete yet.
    line: Vec<u8>,
}

impl Reader {
    /// Opens the log of `skill`; gives the entries it has, oldest first.
    pub(crate) fn open(folder: &Path, skill: &SkillName) -> io::Result<(Reader, Vec<Entry>)> {
        let path = folder.join(file_name(skill));
        let mut entries = Vec::new();
        for number in (1..limits::SKILL_LOG_FILES_MAX).rev() {
            let older = path.with_extension(format!("log.{number}"));
            let mut reader = Reader::at(older);
            entries.extend(reader.more()?);
        }
        let mut reader = Reader::at(path);
        entries.extend(reader.more()?);
        Ok((reader, entries))
    }

    fn at(path: PathBuf) -> Reader {
        let (file, line) = (None, Vec::new());
        Reader { path, file, line }
    }

    /// The entries since the last read.
    pub(crate) fn more(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        if self.file.is_some() {
            // Checked first, so that the rest of a rotated file is read too.
            let rotated = self.has_rotated();
            self.read(&mut entries)?;
            if !rotated {
                return Ok(entries);
            }
        }
        self.file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
            file => Some(BufReader::new(file?)),
        };
        self.line.clear();
        self.read(&mut entries)?;
        Ok(entries)
    }

    fn has_rotated(&self) -> bool {
        let ours = self.file.as_ref().map(|file| file_id(file.get_ref()));
        match (ours, file_id_at(&self.path)) {
            (Some(Ok(ours)), Ok(now)) => ours != now,
            _ => false,
        }
    }

    fn read(&mut self, entries: &mut Vec<Entry>) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        while file.read_until(b'\n', &mut self.line)? > 0 {
            if self.line.ends_with(b"\n") {
                // Mimo did not write a line that cannot be parsed.
                entries.extend(serde_json::from_slice::<Entry>(&self.line));
                self.line.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, Timestamp};

    fn name() -> SkillName {
        SkillName::new("one").expect("a name")
    }

    fn events(folder: &Path) -> Vec<LogEvent> {
        let (_, entries) = Reader::open(folder, &name()).expect("read");
        entries.into_iter().map(|entry| entry.event).collect()
    }

    #[test]
    fn lines_are_joined_and_a_flood_is_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(Timestamp(5_000_000)));
        let logs = Logs::in_folder(folder.path().to_owned(), clock.clone());
        let log = logs.open(&name()).expect("a log");
        log.started(7);
        log.append(b"one li");
        log.append(b"ne\r\nand \xff\n\nan");
        let flood = vec![b'x'; 10 * limits::SKILL_LOG_SECOND_BYTES_MAX];
        log.append(&flood);
        clock.advance_seconds(1);
        log.append(b"\nlater\nrest");
        log.ended("exit code 3");
        let events = events(folder.path());
        let line = |text: &str| LogEvent::Line(text.to_owned());
        assert_eq!(
            events[1..4],
            [line("one line"), line("and \u{fffd}"), line("")]
        );
        let end = &events[events.len() - 4..];
        assert!(matches!(end[0], LogEvent::Line(_)), "{end:?}");
        assert_eq!(
            end[1..],
            [
                line("later"),
                line("rest"),
                LogEvent::Ended("exit code 3".into())
            ]
        );
        let dropped = events.iter().filter_map(|event| match event {
            LogEvent::LeftOut(bytes) => Some(*bytes as usize),
            _ => None,
        });
        let kept = events.iter().filter_map(|event| match event {
            LogEvent::Line(text) => Some(text.len()),
            _ => None,
        });
        let (dropped, kept) = (dropped.sum::<usize>(), kept.sum::<usize>());
        assert!(
            kept <= limits::SKILL_LOG_SECOND_BYTES_MAX + 100 + limits::SKILL_LOG_LINE_BYTES_MAX
        );
        assert!(dropped + kept >= flood.len(), "{dropped} {kept}");
    }

    #[test]
    fn a_reader_follows_rotation_and_two_writers() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(Timestamp(0)));
        let logs = Logs::in_folder(folder.path().to_owned(), clock.clone());
        let (one, two) = (logs.open(&name()), logs.open(&name()));
        let (one, two) = (one.expect("a log"), two.expect("a log"));
        let (mut reader, before) = Reader::open(folder.path(), &name()).expect("read");
        assert!(before.is_empty());
        let mut read = 0;
        for round in 0..400 {
            clock.advance_seconds(1);
            let log = if round % 3 == 0 { &one } else { &two };
            log.append(format!("{}\n", "y".repeat(2_000)).as_bytes());
            read += reader.more().expect("read").len();
        }
        assert_eq!(read, 400);
        let files = fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(files.count(), limits::SKILL_LOG_FILES_MAX);
    }
}
