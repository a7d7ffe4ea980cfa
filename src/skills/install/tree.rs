//! The files of an install. Install scripts and build hooks are untrusted code and may
//! have left links and pipes there, so Mimo reads nothing outside of the tree, and
//! nothing but bounded regular files. No process of the install runs by then.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;

use crate::limits::{INSTALL_FILE_BYTES_MAX, INSTALL_NAMES_MAX};
use crate::skills::sandbox::folder;

pub(super) struct Tree {
    /// Without links.
    path: PathBuf,
}

impl Tree {
    /// The folder `name` in `folder`, which only Mimo changes. Fails where it is a link.
    pub(super) fn open(folder: &Path, name: &str) -> io::Result<Tree> {
        let mut parts = Path::new(name).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Err(outside());
        }
        let path = folder.canonicalize()?.join(name);
        folder::open(&path)?;
        Ok(Tree { path })
    }

    /// Where `file` leads, relative to the tree. Fails where that is outside of it.
    pub(super) fn place(&self, file: &Path) -> io::Result<PathBuf> {
        let real = self.path.join(file).canonicalize()?;
        let inside = real.strip_prefix(&self.path).map_err(|_| outside())?;
        Ok(inside.to_owned())
    }

    pub(super) fn is_file(&self, file: &Path) -> bool {
        self.place(file)
            .is_ok_and(|place| self.path.join(place).is_file())
    }

    /// The first bytes of a regular file.
    pub(super) fn start(&self, file: &Path, bytes: u64) -> io::Result<Vec<u8>> {
        let path = self.path.join(self.place(file)?);
        // Without O_NONBLOCK a pipe would wait for a writer.
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)?;
        if !opened.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut read = Vec::new();
        opened.take(bytes).read_to_end(&mut read)?;
        Ok(read)
    }

    /// A whole regular file.
    pub(super) fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let read = self.start(file, INSTALL_FILE_BYTES_MAX + 1)?;
        match read.len() as u64 > INSTALL_FILE_BYTES_MAX {
            true => Err(io::Error::other("it is too large")),
            false => Ok(read),
        }
    }

    /// The names in a folder; none where it cannot be read.
    pub(super) fn names(&self, folder: &Path) -> Vec<String> {
        let entries = self.place(folder).and_then(|place| {
            let entries = fs::read_dir(self.path.join(place))?;
            Ok(entries.flatten().map(|entry| entry.file_name()))
        });
        let text = |name: std::ffi::OsString| name.to_str().map(str::to_owned);
        entries
            .into_iter()
            .flatten()
            .filter_map(text)
            .take(INSTALL_NAMES_MAX)
            .collect()
    }
}

/// Removes the file, link or folder `name` in `parent`, which only Mimo changes.
pub(super) fn remove(parent: &Path, name: &OsStr) -> io::Result<()> {
    let path = parent.join(name);
    match path.symlink_metadata()?.is_dir() {
        true => folder::remove_in(parent, name),
        false => fs::remove_file(path),
    }
}

fn outside() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it leads out of the package",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_of_the_tree_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("tree/bin")).expect("made");
        fs::write(at("secret"), "secret").expect("written");
        fs::write(at("tree/file"), "own").expect("written");
        symlink("../file", at("tree/bin/inside")).expect("linked");
        symlink(at("secret"), at("tree/bin/leak")).expect("linked");
        symlink("../..", at("tree/up")).expect("linked");
        let pipe = at("tree/pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");

        let tree = Tree::open(folder.path(), "tree").expect("opened");
        let read = |name: &str| tree.read(Path::new(name)).ok();
        assert_eq!(read("bin/inside"), Some(b"own".to_vec()));
        for name in ["bin/leak", "up/secret", "../secret", "pipe", "bin"] {
            assert_eq!(read(name), None, "{name}");
        }
        assert!(tree.names(Path::new("up")).is_empty());
        symlink("tree", at("link")).expect("linked");
        for name in ["link", "tree/bin", "..", ""] {
            assert!(Tree::open(folder.path(), name).is_err(), "{name}");
        }
        remove(folder.path(), "link".as_ref()).expect("removed");
        remove(folder.path(), "tree".as_ref()).expect("removed");
        assert!(!at("tree").exists() && at("secret").exists());
    }
}
