//! Replaces the database with a backup, in one step, while nobody uses it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{backup, mark, verify};
use crate::files::{sync_folder_of, with_ending};
use crate::limits;
use crate::platform;
use crate::store::StoreError;
use crate::store::integrity::{Report, Restored};

/// Where SQLite locks a database file (its file format): pending, reserved and the
/// shared locks.
const LOCKS: (i64, i64) = (0x4000_0000, 512);

/// Replaces the database at `path` with a copy of the file `from`, after checking it.
/// What was there gets the name `aside`, or a free one like it. `unique` names the copy until then.
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
    let refused = |why: &str| StoreError::Unavailable {
        reason: format!("{} was not restored: {why}", from.display()),
        hint: "`mimo verify FILE` says what is wrong with it; restore another backup",
    };
    match backup::copy_to(from, part, &mut |_, _| ()) {
        Err(StoreError::Damaged(why)) => return Err(refused(&why)),
        copied => copied?,
    }
    let report = verify::verify(part, "", progress)?;
    match report.is_whole() {
        true => Ok(report),
        false => Err(refused("it is not whole")),
    }
}

/// Moves what is at `path` aside and `part` to `path`. Returns the name that the old
/// file got, if anything was there.
fn put(part: &Path, path: &Path, aside: &Path) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error: io::Error| StoreError::Unavailable {
        reason: format!("the backup could not be put in place: {error}"),
        hint: "check the folder and its permissions, then try again",
    };
    // Keeps others off until the new file is in its place, where the system can rename a
    // file that is open. Elsewhere one that another process opens meanwhile stays.
    let held = hold(path)?.filter(|_| platform::RENAMES_OPEN_DATABASES);
    let aside = &free_name(aside);
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
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(failed(error)),
        // Some disks know no second name of a file.
        Err(_) => {
            fs::rename(path, aside).map_err(failed)?;
            was_there = true;
        }
    }
    fs::rename(part, path)
        .and_then(|()| sync_folder_of(path))
        .map_err(failed)?;
    drop(held);
    Ok(was_there.then(|| aside.to_owned()))
}

/// `aside`, or the first of `aside-2`, `aside-3` and so on that is not taken.
fn free_name(aside: &Path) -> PathBuf {
    let is_taken = |name: &PathBuf| {
        let ends = ["", "-wal", "-shm"];
        ends.iter().any(|end| with_ending(name, end).exists())
    };
    let mut name = aside.to_owned();
    for number in 2.. {
        if !is_taken(&name) {
            break;
        }
        name = with_ending(aside, &format!("-{number}"));
    }
    name
}

/// The old file with an exclusive lock and without a log, so that the process which
/// waits for it finds nothing to apply. `None` if SQLite cannot use the file.
fn hold(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    // Works on a damaged file, and before SQLite has it open here.
    if platform::is_locked(path, LOCKS.0, LOCKS.1).unwrap_or(false) {
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

fn in_use() -> StoreError {
    StoreError::Unavailable {
        reason: "a running Mimo, or another program, uses the database, so nothing was changed"
            .to_owned(),
        hint: "close the clients that started it, then try again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replaced_is_never_replaced_itself() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let mut replaced = Vec::new();
        for text in ["one", "two", "three", "four"] {
            fs::write(at("part"), text).expect("a file");
            let old = put(&at("part"), &at("mimo.db"), &at("aside")).expect("replaced");
            replaced.push(old.map(|old| fs::read_to_string(old).expect("a file")));
        }
        let texts = |names: &[&str]| {
            let read = |name: &&str| fs::read_to_string(at(name)).expect("a file");
            names.iter().map(read).collect::<Vec<String>>()
        };
        let kept = texts(&["aside", "aside-2", "aside-3", "mimo.db"]);
        assert_eq!(kept, ["one", "two", "three", "four"]);
        let replaced: Vec<String> = replaced.into_iter().flatten().collect();
        assert_eq!(replaced, ["one", "two", "three"]);
    }
}
