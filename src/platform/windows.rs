//! Windows. Files have no modes there: a new file has the access list of its folder, and
//! the folders of a person's profile let in this person, the system and administrators.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsHandle;
use std::os::windows::process::CommandExt;
use std::path::{Component, Path, PathBuf, Prefix};
use std::process::Command;
use std::time::Duration;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};
use winapi_util::Handle;
use winapi_util::file::information;

use super::{FileId, HomeFolders};

/// Options for new files, which are as private as their folder.
pub(crate) fn private_options() -> OpenOptions {
    OpenOptions::new()
}

/// Creates `path` and its missing parents, as private as the folder that they are in.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// Opens `path` to read. No path of a file system keeps an open waiting.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Writes what `file` holds to the disk, which needs the right to write it.
pub(crate) fn sync_file(file: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.sync_all()
}

/// Does nothing: NTFS keeps a journal of names, and Windows syncs no folder.
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// The space that this user may still fill on the volume of `path`.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    fs4::available_space(path).ok()
}

/// Does nothing: the owner and the access list are those of the folder.
pub(crate) fn take_owner_and_mode(_file: &File, _old: &Metadata) -> io::Result<()> {
    Ok(())
}

pub(crate) fn file_id(file: &File) -> io::Result<FileId> {
    let found = information(file)?;
    Ok((found.volume_serial_number(), found.file_index()))
}

pub(crate) fn file_id_at(path: &Path) -> io::Result<FileId> {
    file_id(Handle::from_path_any(path)?.as_file())
}

/// Like `file_id_at`, and the same after the machine was started again.
pub(crate) fn lasting_file_id_at(path: &Path) -> io::Result<FileId> {
    file_id_at(path)
}

/// Shows others that this process has the open `file` in use, until it is closed, however
/// this process ends: `is_held` sees that it is open. A lock would keep others from
/// reading the file.
pub(crate) fn hold(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Whether anybody has the file open.
pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
    const ERROR_SHARING_VIOLATION: i32 = 32;
    match OpenOptions::new().read(true).share_mode(0).open(path) {
        Ok(_) => Ok(false),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether anybody holds a lock on any byte of the file. The lock that this tries ends
/// with the file's handle.
pub(crate) fn is_locked(path: &Path, _start: i64, _length: i64) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(path)?;
    Ok(file.try_lock().is_err())
}

/// Whether a file that SQLite has open can be renamed, and replaced by another one.
pub(crate) const RENAMES_OPEN_DATABASES: bool = false;

/// Tries it: an access list does not tell what the system makes of it.
pub(crate) fn may_write(path: &Path) -> bool {
    match path.is_dir() {
        true => may_write_in_folder(path),
        false => OpenOptions::new().write(true).open(path).is_ok(),
    }
}

pub(crate) fn may_read_and_write(path: &Path) -> bool {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(path).is_ok()
}

pub(crate) fn may_write_in_folder(path: &Path) -> bool {
    let probe = path.join(format!(".mimo-{}.part", std::process::id()));
    let is_made = File::create(&probe).is_ok();
    let _ = std::fs::remove_file(&probe);
    is_made
}

pub(crate) fn is_read_only(found: &Metadata) -> bool {
    found.permissions().readonly()
}

/// Unknown: it is in access lists, which Mimo does not read.
pub(crate) fn is_open_to_others(_found: &Metadata) -> Option<bool> {
    None
}

/// Not looked at, as all that follows: only what skills run depends on it.
pub(crate) fn is_own(_found: &Metadata) -> bool {
    true
}

pub(crate) fn is_of_another_account(_found: &Metadata) -> bool {
    false
}

pub(crate) fn others_may_write(_found: &Metadata) -> bool {
    false
}

pub(crate) fn anyone_may_replace_in(_folder: &Metadata) -> bool {
    false
}

pub(crate) fn is_executable(_found: &Metadata) -> bool {
    true
}

pub(crate) fn why_others_can_change(_found: &Metadata, _root_groups: &[u32]) -> Option<String> {
    None
}

/// None: only the grants of skills ask, and no skill runs here.
pub(crate) fn homes() -> HomeFolders {
    HomeFolders::default()
}

/// None: the home folder does not come from a variable here.
pub(crate) fn account_folder() -> Option<PathBuf> {
    None
}

/// The name of the account that runs Mimo.
pub(crate) fn user_name() -> String {
    whoami::username().unwrap_or_else(|_| "unknown".to_owned())
}

pub(crate) fn host_name() -> String {
    whoami::hostname().unwrap_or_default()
}

/// Characters besides letters and digits that need no quotes in cmd and PowerShell.
pub(crate) const PLAIN_IN_SHELLS: &str = r"/\._-+:";

/// The path of a URI whose decoded path is `text`: `/C:/folder` is `C:\folder`.
pub(crate) fn path_of_uri(text: String) -> PathBuf {
    let path = match text.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => &text[1..],
        _ => &text,
    };
    path.replace('/', "\\").into()
}

/// `cifs` for a folder of another machine, whatever protocol is in use.
pub(crate) fn file_system(folder: &Path) -> Option<String> {
    let whole = folder.canonicalize().ok()?;
    match whole.components().next()? {
        Component::Prefix(prefix) => match prefix.kind() {
            Prefix::UNC(..) | Prefix::VerbatimUNC(..) => Some("cifs".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// A handle of its own for standard output.
pub(crate) fn stdout_file() -> io::Result<File> {
    io::stdout()
        .as_handle()
        .try_clone_to_owned()
        .map(File::from)
}

/// Waits that long. Only a write tells whether the reader of standard output has left.
pub(crate) fn stdout_closes_within(millis: u16) -> io::Result<bool> {
    std::thread::sleep(Duration::from_millis(millis.into()));
    Ok(false)
}

/// Keeps Ctrl-C, which is for Mimo, from the process that `command` starts.
pub(crate) fn without_our_signals(command: &mut Command) -> &mut Command {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP)
}

/// Ends this process at once, as by a crash: nothing of ours runs after this.
pub(crate) fn kill_ourselves() {
    std::process::abort();
}

/// The events that end a server, by the number of the signal that means the same.
pub(crate) struct Signals {
    interrupt: CtrlC,
    break_key: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// Takes them over. Needs a tokio runtime.
    pub(crate) fn install() -> io::Result<Signals> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Signals {
            interrupt: ctrl_c()?,
            break_key: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The number of the next one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> i32 {
        const INTERRUPT: i32 = 2;
        const TERMINATE: i32 = 15;
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPT,
            _ = self.break_key.recv() => INTERRUPT,
            _ = self.close.recv() => TERMINATE,
            _ = self.shutdown.recv() => TERMINATE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_uri_has_its_drive() {
        for (text, path) in [
            ("/C:/Users/me", r"C:\Users\me"),
            ("/c:", "c:"),
            ("/no/drive", r"\no\drive"),
        ] {
            assert_eq!(path_of_uri(text.to_owned()), Path::new(path), "{text}");
        }
    }

    #[test]
    fn a_path_needs_no_quotes_in_a_shell() {
        let path = r"C:\Users\me\mimo.exe";
        assert_eq!(crate::printable::shell_word(path), path);
    }

    #[test]
    fn a_file_is_told_from_another_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let file = File::create(&one).expect("a file");
        File::create(&two).expect("a file");
        let id = file_id(&file).expect("known");
        assert_eq!(file_id_at(&one).expect("known"), id);
        assert_ne!(file_id_at(&two).expect("known"), id);
    }

    #[test]
    fn a_file_is_held_while_it_is_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let file = File::create(&path).expect("a file");
        hold(&file).expect("held");
        assert!(is_held(&path).expect("tried"));
        std::fs::read(&path).expect("others may read it");
        drop(file);
        assert!(!is_held(&path).expect("tried"));
    }

    #[test]
    fn a_lock_of_another_handle_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let file = File::create(&path).expect("a file");
        assert!(!is_locked(&path, 0, 1).expect("tried"));
        file.lock_shared().expect("locked");
        assert!(is_locked(&path, 0, 1).expect("tried"));
    }
}
