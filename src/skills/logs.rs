//! What skills write to stderr, kept on disk: a small rotating file for each
//! skill, with the time of each line and marks where a run began and ended.
//! Several Mimos write to the same files, and others read them meanwhile.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::spec::SkillName;
use crate::clock::Clock;
use crate::limits;
use crate::telemetry::RotatingFile;

/// The folder of the logs.
pub struct Logs {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

/// The log of one run. It takes what comes and never fails: that a line cannot
/// be kept is no reason to stop a skill.
pub struct Log {
    file: RotatingFile,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pid: u32,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Which second it is, and what was kept and left out in it.
    second: i64,
    kept: usize,
    left_out: u64,
}

/// One entry of a log: a line of JSON in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: String,
    /// The process of the run; 0 for one that did not begin.
    pub pid: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What an entry tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A run began; with which Mimo.
    Started(u32),
    /// The skill wrote this.
    Line(String),
    /// It wrote so many bytes more than are kept.
    LeftOut(u64),
    /// The run is over; why.
    Ended(String),
}

impl Logs {
    /// The logs in `folder`, which is made by the first of them.
    pub fn in_folder(folder: PathBuf, clock: Arc<dyn Clock>) -> Logs {
        Logs { folder, clock }
    }

    /// The log for the next run of `skill`; none where it cannot be written.
    pub fn open(&self, skill: &SkillName) -> Option<Log> {
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
                tracing::warn!(%skill, "what it writes to stderr is not kept: {failure}");
                None
            }
        }
    }
}

impl Log {
    /// The run has a process.
    pub fn started(&self, pid: u32) {
        let mut state = self.state();
        state.pid = pid;
        self.write(pid, &[What::Started(std::process::id())]);
    }

    /// It wrote `bytes`.
    pub fn heard(&self, bytes: &[u8]) {
        let mut state = self.state();
        let state = &mut *state;
        let mut whole = self.turn(state);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(limits::SKILL_LOG_LINE_BYTES_MAX) {
                state.line.extend_from_slice(piece);
                let ends = piece.ends_with(b"\n");
                if ends || state.line.len() >= limits::SKILL_LOG_LINE_BYTES_MAX {
                    whole.extend(state.end_line());
                }
            }
        }
        self.write(state.pid, &whole);
    }

    /// The run is over.
    pub fn ended(&self, why: &str) {
        let mut state = self.state();
        let mut last: Vec<What> = state.end_line().into_iter().collect();
        last.extend(state.left_out());
        last.push(What::Ended(why.to_owned()));
        self.write(state.pid, &last);
    }

    /// Begins another second, if it is one.
    fn turn(&self, state: &mut State) -> Vec<What> {
        let second = self.clock.now().0.div_euclid(1_000_000);
        if second == state.second {
            return Vec::new();
        }
        state.second = second;
        state.kept = 0;
        state.left_out().into_iter().collect()
    }

    /// All in one go, so that lines of several processes never mix.
    fn write(&self, pid: u32, whats: &[What]) {
        let at = self.clock.now().to_iso();
        for what in whats {
            let (at, what) = (at.clone(), what.clone());
            let Ok(mut line) = serde_json::to_vec(&Entry { at, pid, what }) else {
                continue;
            };
            line.push(b'\n');
            // It says itself where it cannot write.
            let _ = (&self.file).write_all(&line);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end_line(&mut self) -> Option<What> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return None;
        }
        if self.kept + line.len() > limits::SKILL_LOG_SECOND_BYTES_MAX {
            self.left_out += line.len() as u64;
            return None;
        }
        self.kept += line.len();
        let text = String::from_utf8_lossy(&line);
        Some(What::Line(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    fn left_out(&mut self) -> Option<What> {
        match std::mem::take(&mut self.left_out) {
            0 => None,
            bytes => Some(What::LeftOut(bytes)),
        }
    }
}

fn file_name(skill: &SkillName) -> String {
    format!("{skill}.log")
}

/// The skills that have a log in `folder`.
pub fn names(folder: &Path) -> io::Result<Vec<SkillName>> {
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

/// Reads the log of one skill while it grows and turns over.
pub struct Reader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
}

impl Reader {
    /// The log of `skill` in `folder`, and the entries it has, oldest first.
    pub fn open(folder: &Path, skill: &SkillName) -> io::Result<(Reader, Vec<Entry>)> {
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

    /// The entries since the last time.
    pub fn more(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        if self.file.is_some() {
            // Looked at first: what is written until it turns over is read.
            let turned = self.has_turned_over();
            self.read(&mut entries)?;
            if !turned {
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

    fn has_turned_over(&self) -> bool {
        let ours = self.file.as_ref().map(|file| file.get_ref().metadata());
        match (ours, self.path.metadata()) {
            (Some(Ok(ours)), Ok(now)) => (ours.ino(), ours.dev()) != (now.ino(), now.dev()),
            _ => false,
        }
    }

    fn read(&mut self, entries: &mut Vec<Entry>) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        while file.read_until(b'\n', &mut self.line)? > 0 {
            if self.line.ends_with(b"\n") {
                // What is no entry was not written by Mimo.
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

    fn whats(folder: &Path) -> Vec<What> {
        let (_, entries) = Reader::open(folder, &name()).expect("read");
        entries.into_iter().map(|entry| entry.what).collect()
    }

    #[test]
    fn lines_are_put_together_and_a_flood_is_bounded_and_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(Timestamp(5_000_000)));
        let logs = Logs::in_folder(folder.path().to_owned(), clock.clone());
        let log = logs.open(&name()).expect("a log");
        log.started(7);
        log.heard(b"one li");
        log.heard(b"ne\r\nand \xff\n\nan");
        let flood = vec![b'x'; 10 * limits::SKILL_LOG_SECOND_BYTES_MAX];
        log.heard(&flood);
        clock.advance_seconds(1);
        log.heard(b"\nlater\nrest");
        log.ended("exit code 3");
        let whats = whats(folder.path());
        let line = |text: &str| What::Line(text.to_owned());
        assert_eq!(
            whats[1..4],
            [line("one line"), line("and \u{fffd}"), line("")]
        );
        let end = &whats[whats.len() - 4..];
        assert!(matches!(end[0], What::Line(_)), "{end:?}");
        assert_eq!(
            end[1..],
            [
                line("later"),
                line("rest"),
                What::Ended("exit code 3".into())
            ]
        );
        let left_out = whats.iter().filter_map(|what| match what {
            What::LeftOut(bytes) => Some(*bytes as usize),
            _ => None,
        });
        let kept = whats.iter().filter_map(|what| match what {
            What::Line(text) => Some(text.len()),
            _ => None,
        });
        let (left_out, kept) = (left_out.sum::<usize>(), kept.sum::<usize>());
        assert!(
            kept <= limits::SKILL_LOG_SECOND_BYTES_MAX + 100 + limits::SKILL_LOG_LINE_BYTES_MAX
        );
        assert!(left_out + kept >= flood.len(), "{left_out} {kept}");
    }

    #[test]
    fn a_reader_follows_through_the_files_and_two_writers() {
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
            log.heard(format!("{}\n", "y".repeat(2_000)).as_bytes());
            read += reader.more().expect("read").len();
        }
        assert_eq!(read, 400);
        let files = fs::read_dir(folder.path()).expect("a folder");
        assert_eq!(files.count(), limits::SKILL_LOG_FILES_MAX);
    }
}
