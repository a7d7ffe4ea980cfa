//! A client's settings file: read once, and replaced atomically unless it has changed
//! since. The client may write it at any time.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::files::Replacement;
use crate::limits::CLIENT_FILE_BYTES_MAX;
use crate::platform;

/// Some editors put this before UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

#[derive(Debug)]
pub(crate) struct Settings {
    /// Links are followed: a link to the file stays a link.
    path: PathBuf,
    /// `None` where there was no file.
    bytes: Option<Vec<u8>>,
    metadata: Option<Metadata>,
    has_mark: bool,
    text: String,
}

impl Settings {
    /// Reads the file at `path`, which need not exist.
    pub(crate) fn read(path: &Path) -> Result<Settings, Failure> {
        let real = real(path)?;
        let Some((file, bytes)) = open(&real)? else {
            return Ok(Settings {
                path: real,
                bytes: None,
                metadata: None,
                has_mark: false,
                text: String::new(),
            });
        };
        let found = file
            .metadata()
            .map_err(|error| unusable(&real, format!("cannot be examined: {error}")))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            unusable(&real, format!("is not UTF-8 text (in line {line})"))
        })?;
        let bare = text.strip_prefix(BYTE_ORDER_MARK);
        Ok(Settings {
            metadata: Some(found),
            has_mark: bare.is_some(),
            text: bare.unwrap_or(text).to_owned(),
            path: real,
            bytes: Some(bytes),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn exists(&self) -> bool {
        self.bytes.is_some()
    }

    /// Empty where there is no file.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the file in one atomic step. Makes missing folders.
    pub(crate) fn replace(&self, text: &str) -> Result<(), Failure> {
        if self.metadata.as_ref().is_some_and(platform::is_read_only) {
            return Err(unusable(&self.path, "is read-only".to_owned()));
        }
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let cannot = |what: &str, error: io::Error| {
            let message = format!("{} cannot be {what}: {error}", self.path.display());
            Failure::new(Kind::Unavailable, message)
                .hint("nothing was changed; check that your account may write to that folder")
        };
        platform::create_private_folder(folder).map_err(|error| cannot("made", error))?;
        let new = self.write(text).map_err(|error| cannot("written", error))?;
        self.check_unchanged()?;
        new.commit().map_err(|error| cannot("replaced", error))
    }

    /// Removes the file, if it did not change since.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        self.check_unchanged()?;
        std::fs::remove_file(&self.path)
            .map_err(|error| unusable(&self.path, format!("cannot be removed: {error}")))
    }

    fn write(&self, text: &str) -> io::Result<Replacement> {
        let mut new = Replacement::begin(&self.path)?;
        if self.has_mark {
            new.write_all(BYTE_ORDER_MARK.as_bytes())?;
        }
        new.write_all(text.as_bytes())?;
        if let Some(old) = &self.metadata {
            new.keep_owner_and_mode(old)?;
        }
        Ok(new)
    }

    /// Fails where another program wrote the file since it was read.
    fn check_unchanged(&self) -> Result<(), Failure> {
        let now = open(&self.path)?.map(|(_, bytes)| bytes);
        match now == self.bytes {
            true => Ok(()),
            false => Err(Failure::new(
                Kind::Conflict,
                format!(
                    "{} was changed by another program meanwhile",
                    self.path.display()
                ),
            )
            .hint("that change was kept; run the same command again")),
        }
    }
}

/// The path with links followed; a dangling link is refused, because its target is
/// unknown.
fn real(path: &Path) -> Result<PathBuf, Failure> {
    match path.canonicalize() {
        Ok(path) => Ok(path),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() =>
        {
            Ok(path.to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unusable(
            path,
            "is a link to a file that does not exist".to_owned(),
        )),
        Err(error) => Err(unusable(path, format!("cannot be reached: {error}"))),
    }
}

fn open(path: &Path) -> Result<Option<(File, Vec<u8>)>, Failure> {
    let unreadable = |error: io::Error| unusable(path, format!("cannot be read: {error}"));
    let file = match platform::open_at_once(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unusable(path, "is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let most = CLIENT_FILE_BYTES_MAX as u64 + 1;
    (&file)
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    match bytes.len() > CLIENT_FILE_BYTES_MAX {
        true => Err(unusable(
            path,
            format!("is longer than {CLIENT_FILE_BYTES_MAX} bytes"),
        )),
        false => Ok(Some((file, bytes))),
    }
}

fn unusable(path: &Path, why: String) -> Failure {
    Failure::new(Kind::Unavailable, format!("{} {why}", path.display()))
        .hint("the file is unchanged; fix it, then run the same command again")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_by_another_program_is_kept() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("settings.json");
        for before in [None, Some("{}")] {
            if let Some(text) = before {
                fs::write(&path, text).expect("a file");
            }
            let read = Settings::read(&path).expect("read");
            fs::write(&path, "{\"theirs\": 1}").expect("a file");
            let refused = read.replace("{\"ours\": 1}").expect_err("changed");
            assert_eq!(refused.kind, Kind::Conflict);
            let now = fs::read_to_string(&path).expect("there");
            assert_eq!(now, "{\"theirs\": 1}");
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
            fs::remove_file(&path).expect("gone");
        }
        fs::write(&path, "{}").expect("a file");
        let read = Settings::read(&path).expect("read");
        fs::remove_file(&path).expect("gone");
        let refused = read.replace("{\"ours\": 1}").expect_err("removed");
        assert_eq!(refused.kind, Kind::Conflict);
        assert!(!path.exists());
    }
}
