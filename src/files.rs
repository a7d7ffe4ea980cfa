//! Replacing a file in one atomic step: a reader, a crash or a full disk meets the old file
//! or the new one, whole. Also reads the addresses of files.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::platform;

/// Distinguishes the concurrent replacements of one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The path of a `file:` URI without `..`.
pub(crate) fn file_path(uri: &str) -> Option<PathBuf> {
    let path = uri.strip_prefix("file://")?;
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let path = platform::path_of_uri(percent_decoded(path));
    let is_plain = |part| !matches!(part, Component::ParentDir);
    (path.is_absolute() && path.components().all(is_plain)).then_some(path)
}

/// `text` with percent-encoded bytes (`%41`) decoded.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match after {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = &after[if code.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A new file beside the one that it will replace. Only its owner may read it.
/// Dropped before `commit`, it is removed and the old file stays.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
}

impl Replacement {
    /// Begins to replace `path`, which need not exist. A symlink is followed: its
    /// target is replaced.
    pub(crate) fn begin(path: &Path) -> io::Result<Replacement> {
        let path = match path.canonicalize() {
            Ok(path) => path,
            // A dangling link fails: nobody can tell what should be there.
            Err(error)
                if error.kind() != io::ErrorKind::NotFound || path.symlink_metadata().is_ok() =>
            {
                return Err(error);
            }
            Err(_) => path.to_owned(),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(".{name}.{}-{number}.part", std::process::id());
        let temporary = path.with_file_name(temporary);
        // A process that had this id before may have been killed here.
        let _ = fs::remove_file(&temporary);
        let mut options = platform::private_options();
        let file = options.write(true).create_new(true).open(&temporary)?;
        Ok(Replacement {
            path,
            temporary,
            file: BufWriter::new(file),
        })
    }

    /// The new file before `commit`, to look at what was flushed.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives the new file the owner and the mode of the old one.
    pub(crate) fn keep_owner_and_mode(&self, old: &Metadata) -> io::Result<()> {
        platform::take_owner_and_mode(self.file.get_ref(), old)
    }

    /// Puts the new file in the old one's place once it is on the disk.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        sync_folder_of(&self.path)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After `commit` it has its final name.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// The file beside `path` whose name continues its name.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Replaces `path` by a private file that holds `bytes`.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = Replacement::begin(path)?;
    new.write_all(bytes)?;
    new.commit()
}

/// Renames the complete file `temporary` to `path`; fails with `AlreadyExists` if there
/// is such a file.
pub(crate) fn publish_new(temporary: &Path, path: &Path) -> io::Result<()> {
    platform::sync_file(temporary)?;
    match fs::hard_link(temporary, path) {
        // Some file systems, such as FAT, have no hard links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
            fs::rename(temporary, path)?;
        }
        linked => linked?,
    }
    sync_folder_of(path)
}

/// A rename is durable only once its folder is synced.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    platform::sync_folder(folder.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).to_string_lossy().into())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_committed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "old").expect("written");
        let mut new = Replacement::begin(&path).expect("begun");
        new.write_all(b"half").expect("written");
        drop(new);
        assert_eq!(fs::read_to_string(&path).expect("read"), "old");
        assert_eq!(names(folder.path()), ["file"]);
        replace(&path, b"new").expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(names(folder.path()), ["file"]);
        let found = path.metadata().expect("there");
        assert_ne!(platform::is_open_to_others(&found), Some(true));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_one_to_nothing_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        replace(&link, b"new").expect_err("it leads nowhere");
        fs::write(&file, "old").expect("written");
        replace(&link, b"new").expect("replaced");
        assert!(link.symlink_metadata().expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("read"), "new");
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_of_the_old_file_can_be_kept() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
        let new = Replacement::begin(&path).expect("begun");
        new.keep_owner_and_mode(&path.metadata().expect("there"))
            .expect("kept");
        new.commit().expect("replaced");
        assert_eq!(mode(&path), 0o640);
    }

    #[test]
    fn a_new_file_never_takes_a_name_that_is_in_use() {
        let folder = tempfile::tempdir().expect("a folder");
        let (new, path) = (folder.path().join("new"), folder.path().join("file"));
        fs::write(&new, "new").expect("written");
        publish_new(&new, &path).expect("named");
        let refused = publish_new(&new, &path).expect_err("it is in use");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }
}
