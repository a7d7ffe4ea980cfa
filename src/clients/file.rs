//! A client's settings file: read once, and replaced in one step only while it
//! is still what was read. The client may write it at any time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::failure::{Failure, Kind};
use crate::limits::CLIENT_FILE_BYTES_MAX;

/// A mark that some editors put before UTF-8.
const MARK: &str = "\u{feff}";

/// A settings file as it was when it was read.
#[derive(Debug)]
pub struct Settings {
    /// Where it really is: a link to it stays a link.
    path: PathBuf,
    /// Nothing where there was no file.
    bytes: Option<Vec<u8>>,
    mode: u32,
    /// The account and the group it belongs to.
    owner: Option<(u32, u32)>,
    marked: bool,
    text: String,
}

impl Settings {
    /// Reads the file at `path`, which need not exist.
    pub fn read(path: &Path) -> Result<Settings, Failure> {
        let real = real(path)?;
        let Some((file, bytes)) = open(&real)? else {
            return Ok(Settings {
                path: real,
                bytes: None,
                mode: 0o600,
                owner: None,
                marked: false,
                text: String::new(),
            });
        };
        let found = file
            .metadata()
            .map_err(|error| unusable(&real, format!("cannot be looked at: {error}")))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            unusable(&real, format!("is not UTF-8 text (in line {line})"))
        })?;
        let bare = text.strip_prefix(MARK);
        Ok(Settings {
            mode: found.mode() & 0o7777,
            owner: Some((found.uid(), found.gid())),
            marked: bare.is_some(),
            text: bare.unwrap_or(text).to_owned(),
            path: real,
            bytes: Some(bytes),
        })
    }

    /// Where it really is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.bytes.is_some()
    }

    /// What it says; empty where there is none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts `text` in its place: a reader sees the old or the new one, whole.
    /// Folders that are missing are made. `unique` keeps two writers apart.
    pub fn replace(&self, text: &str, unique: &str) -> Result<(), Failure> {
        if self.bytes.is_some() && self.mode & 0o200 == 0 {
            return Err(unusable(&self.path, "is read-only".to_owned()));
        }
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let cannot = |what: &str, error: io::Error| {
            let message = format!("{} cannot be {what}: {error}", self.path.display());
            Failure::new(Kind::Unavailable, message)
                .hint("nothing was changed; may your account write that folder?")
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| cannot("made", error))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let beside = self.path.with_file_name(format!(".{name}.{unique}"));
        let written = self
            .write(&beside, text)
            .map_err(|error| cannot("written", error))
            .and_then(|()| self.still())
            .and_then(|()| {
                let moved = fs::rename(&beside, &self.path);
                let kept = moved.and_then(|()| File::open(folder)?.sync_all());
                kept.map_err(|error| cannot("replaced", error))
            });
        if written.is_err() {
            // It may not even have been made.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn write(&self, beside: &Path, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(beside)?;
        if self.marked {
            file.write_all(MARK.as_bytes())?;
        }
        file.write_all(text.as_bytes())?;
        let made = file.metadata()?;
        if let Some((uid, gid)) = self.owner
            && (uid, gid) != (made.uid(), made.gid())
        {
            fchown(&file, Some(uid), Some(gid))?;
        }
        file.set_permissions(Permissions::from_mode(self.mode))?;
        file.sync_all()
    }

    /// Refuses where somebody else wrote it since it was read.
    fn still(&self) -> Result<(), Failure> {
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

/// Where the file is once links are followed; a link to nothing is refused, as
/// nobody can tell what should be there.
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
            "is a link to a file that is not there".to_owned(),
        )),
        Err(error) => Err(unusable(path, format!("cannot be reached: {error}"))),
    }
}

fn open(path: &Path) -> Result<Option<(File, Vec<u8>)>, Failure> {
    let unreadable = |error: io::Error| unusable(path, format!("cannot be read: {error}"));
    // A pipe without a writer would keep an ordinary open waiting.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unusable(path, "is no regular file".to_owned()));
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
        .hint("the file is as it was; put it right, then run the same command again")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that writes while Mimo does loses nothing.
    #[test]
    fn what_was_written_since_it_was_read_is_kept() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("settings.json");
        for before in [None, Some("{}")] {
            if let Some(text) = before {
                fs::write(&path, text).expect("a file");
            }
            let read = Settings::read(&path).expect("read");
            fs::write(&path, "{\"theirs\": 1}").expect("a file");
            let refused = read.replace("{\"ours\": 1}", "x").expect_err("changed");
            assert_eq!(refused.kind, Kind::Conflict);
            let now = fs::read_to_string(&path).expect("there");
            assert_eq!(now, "{\"theirs\": 1}");
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
            fs::remove_file(&path).expect("gone");
        }
        fs::write(&path, "{}").expect("a file");
        let read = Settings::read(&path).expect("read");
        fs::remove_file(&path).expect("gone");
        let refused = read.replace("{\"ours\": 1}", "x").expect_err("removed");
        assert_eq!(refused.kind, Kind::Conflict);
        assert!(!path.exists());
    }
}
