//! Putting a backup in the database's place, in one step, while nobody uses it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{backup, mark, verify};
use crate::files::{sync_folder_of, with_ending};
use crate::limits;
use crate::store::StoreError;
use crate::store::integrity::{Report, Restored};

/// Where SQLite locks a database file (its file format): pending, reserved and the
/// shared locks.
const LOCKS: (i64, i64) = (0x4000_0000, 512);

/// Replaces the database at `path` with a copy of the file `from`, after checking it.
/// What was there gets the name `aside`. `unique` names the copy until then.
pub(super) fn restore(
    path: &Path,
    from: &Path,
    aside: &Path,
    unique: &str,
    progress: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Restored, StoreError> {
    if from.canonicalize().ok() == path.canonicalize().ok() {
        return Err(StoreError::Conflict(format!(
            "{} is the database itself",
            from.display()
        )));
    }
    progress("copy");
    let part = backup::part_of(path, unique);
    let restored = prepare(from, &part, progress).and_then(|report| {
        Ok(Restored {
            memories: report.memories,
            schema: report.schema,
            replaced: put(&part, path, aside)?,
        })
    });
    let _ = fs::remove_file(&part);
    restored
}

/// Copies the backup and checks the copy.
fn prepare(
    from: &Path,
    part: &Path,
    progress: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Report, StoreError> {
    backup::copy_to(from, part, &mut |_, _| ())?;
    let report = verify::verify(part, "", progress)?;
    match report.is_whole() {
        true => Ok(report),
        false => Err(StoreError::Damaged(format!(
            "{} is not whole, so it was not restored",
            from.display()
        ))),
    }
}

/// Moves what is at `path` to `aside` and `part` to `path`. Returns `aside` if
/// anything was there.
fn put(part: &Path, path: &Path, aside: &Path) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error: io::Error| StoreError::Unavailable {
        reason: format!("the backup could not be put in place: {error}"),
        hint: "check the folder and its permissions, then try again",
    };
    // Keeps others off until the new file is in its place.
    let _held = hold(path)?;
    let mut was_there = false;
    for end in ["-wal", "-shm"] {
        match fs::rename(with_ending(path, end), with_ending(aside, end)) {
            Ok(()) => was_there = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match fs::hard_link(path, aside) {
        Ok(()) => was_there = true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Some disks know no second name of a file.
        Err(_) => {
            fs::rename(path, aside).map_err(failed)?;
            was_there = true;
        }
    }
    fs::rename(part, path)
        .and_then(|()| sync_folder_of(path))
        .map_err(failed)?;
    Ok(was_there.then(|| aside.to_owned()))
}

/// The old file with an exclusive lock and without a log, so that the process which
/// waits for it finds nothing to apply. `None` if SQLite cannot use the file.
fn hold(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    if is_locked(path).unwrap_or(false) {
        return Err(in_use());
    }
    if mark::check_log(path).is_err() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let take = || {
        let connection = Connection::open_with_flags(path, flags)?;
        let timeout = Duration::from_millis(limits::RESTORE_WAIT_MILLIS_MAX);
        connection.busy_timeout(timeout)?;
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        connection.pragma_update(None, "journal_mode", "delete")?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    };
    match take() {
        Ok(connection) => Ok(Some(connection)),
        Err::<_, rusqlite::Error>(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(in_use()),
            // A damaged file is what backups are for.
            _ => Ok(None),
        },
    }
}

/// Whether another process has the file open as a database. Works on a damaged file,
/// and before SQLite opens it here: closing a file gives up this process's locks.
fn is_locked(path: &Path) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: LOCKS.0,
        l_len: LOCKS.1,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

fn in_use() -> StoreError {
    StoreError::Unavailable {
        reason: "a running Mimo, or another program, uses the database, so nothing was changed"
            .to_owned(),
        hint: "close the clients that started it, then try again",
    }
}
