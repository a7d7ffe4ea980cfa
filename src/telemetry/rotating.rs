//! A log file of bounded size that is rotated into a bounded number of older ones.
//! Several Mimos on one folder write to the same files.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::config::{private_file, private_folder};
use crate::failure::Failure;
use crate::meter::calls::LOG_DROPPED;
use crate::platform::{file_id, file_id_at};

/// The newest events are in `NAME`, older ones in `NAME.1`, `NAME.2` and so on.
pub(crate) struct RotatingFile {
    folder: PathBuf,
    name: String,
    bytes_max: u64,
    files_max: usize,
    /// Absent after writing has failed: a full disk must not stop Mimo, and the
    /// events still go to stderr.
    file: Mutex<Option<File>>,
}

impl RotatingFile {
    /// Opens `name` in `folder` and creates both if they are missing. The file and
    /// `files_max - 1` older ones hold at most `bytes_max` each.
    pub(crate) fn open(
        folder: &Path,
        name: &str,
        bytes_max: u64,
        files_max: usize,
    ) -> Result<Self, Failure> {
        private_folder(folder)?;
        let file = private_file(&folder.join(name))?;
        Ok(RotatingFile {
            folder: folder.to_owned(),
            name: name.to_owned(),
            bytes_max,
            files_max,
            file: Mutex::new(Some(file)),
        })
    }

    /// Appends one event in one call, so that lines of several processes never mix.
    fn append(&self, file: &mut File, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if file.metadata()?.len().saturating_add(length) > self.bytes_max {
            *file = self.rotate(file)?;
        }
        let line = &line[..line
            .len()
            .min(usize::try_from(self.bytes_max).unwrap_or(usize::MAX))];
        file.write_all(line)
    }

    fn rotate(&self, full: &File) -> io::Result<File> {
        let name = &self.name;
        let newest = self.folder.join(name);
        // Another Mimo may have rotated it already.
        let ours = file_id(full)?;
        let same = file_id_at(&newest).is_ok_and(|now| now == ours);
        if same {
            for number in (1..self.files_max).rev() {
                let from = match number {
                    1 => newest.clone(),
                    _ => self.folder.join(format!("{name}.{}", number - 1)),
                };
                match std::fs::rename(from, self.folder.join(format!("{name}.{number}"))) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        private_file(&newest).map_err(io::Error::other)
    }
}

impl Write for &RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.as_mut().map(|file| self.append(file, line)) {
            Some(Ok(())) => {}
            None => LOG_DROPPED.increment(()),
            Some(Err(error)) => {
                LOG_DROPPED.increment(());
                *slot = None;
                let folder = self.folder.display();
                // tracing cannot be used inside one of its own events.
                let _ = writeln!(
                    io::stderr(),
                    "mimo: no more log is written to {folder}: {error}"
                );
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for RotatingFile {
    type Writer = &'a RotatingFile;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "mimo.log";
    const FILES: usize = 4;

    fn bounded(folder: &Path) -> RotatingFile {
        RotatingFile::open(folder, NAME, 100, FILES).expect("a log")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_stay_bounded_and_keep_the_newest_lines() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = bounded(folder.path());
        for number in 0..200 {
            let line = format!("event number {number:04}\n");
            (&log).write_all(line.as_bytes()).expect("written");
        }
        let names = names(folder.path());
        assert_eq!(names.len(), FILES, "{names:?}");
        for name in &names {
            let length = folder
                .path()
                .join(name)
                .metadata()
                .expect("it exists")
                .len();
            assert!(length <= 100, "{name} has {length} bytes");
        }
        let newest = std::fs::read_to_string(folder.path().join(NAME)).expect("the newest");
        assert!(newest.ends_with("event number 0199\n"), "{newest}");
    }

    #[test]
    fn two_writers_on_one_folder_lose_no_recent_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let one = bounded(folder.path());
        let two = bounded(folder.path());
        for number in 0..14 {
            let log = if number % 3 == 0 { &one } else { &two };
            let line = format!("event number {number:04}\n");
            { log }.write_all(line.as_bytes()).expect("written");
        }
        let all: String = names(folder.path())
            .iter()
            .map(|name| std::fs::read_to_string(folder.path().join(name)).expect("a log file"))
            .collect();
        for number in 0..14 {
            assert!(
                all.contains(&format!("number {number:04}")),
                "{number}:\n{all}"
            );
        }
    }

    #[test]
    fn unwritable_folder_is_a_failure() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("logs");
        std::fs::write(&file, "in the way").expect("a file");
        assert!(RotatingFile::open(&file, NAME, 100, FILES).is_err());
    }
}
