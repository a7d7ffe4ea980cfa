//! Copies the database while others use it: one snapshot, page by page. The copy gets
//! its name only once it is complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connection::{create_private, open_as_it_is};
use super::mark;
use crate::files::publish_new;
use crate::limits;
use crate::platform;
use crate::store::StoreError;

/// Copies the database `from` to `to`, which must not exist, and gives the
/// copy's size in bytes. Readers and writers of `from` go on meanwhile. `unique`
/// names the unfinished copy; `report` gets the number of pages copied and the total.
pub(super) fn back_up(
    from: &Path,
    to: &Path,
    unique: &str,
    report: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<u64, StoreError> {
    if to.symlink_metadata().is_ok() {
        return Err(taken(to));
    }
    remove_leftovers(to);
    let part = part_of(to, unique);
    let copied = copy_to(from, &part, report).and_then(|()| publish(&part, to));
    // A complete copy has its final name by now.
    let _ = fs::remove_file(&part);
    copied
}

/// The name of an unfinished copy.
pub(super) fn part_of(to: &Path, unique: &str) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{unique}.part"));
    to.with_file_name(name)
}

/// Copies the database `from` to the new file `part`, with a mark of its own, and runs
/// SQLite's check on it.
pub(super) fn copy_to(
    from: &Path,
    part: &Path,
    report: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<(), StoreError> {
    let (source, _) = open_as_it_is(from)?;
    create_private(part)?;
    // Shows others that it is not a leftover.
    let file = File::options().append(true).open(part);
    let held = file.and_then(|file| platform::hold(&file).map(|()| file));
    let _held = held.inspect_err(|error| tracing::warn!(%error, "the copy is not locked"));
    copy(&source, part, report)?;
    check(part)
}

/// Removes unfinished copies beside `to` that killed processes left.
fn remove_leftovers(to: &Path) {
    let entries = to.parent().and_then(|folder| fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten();
    let is_part = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".part") && name.contains(".db.") && !name.starts_with('.')
    };
    for path in paths.map(|entry| entry.path()).filter(is_part) {
        let is_left = platform::is_held(&path).is_ok_and(|is_held| !is_held);
        if is_left && let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "an unfinished copy stays");
        }
    }
}

fn copy(
    source: &Connection,
    part: &Path,
    report: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<(), StoreError> {
    // Held to the end: a write by others neither appears in the copy nor
    // restarts it, and with write-ahead logging no writer waits for it.
    let snapshot = source.unchecked_transaction()?;
    let _: i64 = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let mut copy = open(part)?;
    // An interrupted copy is discarded, so it needs no journal.
    copy.pragma_update(None, "journal_mode", "off")?;
    copy.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(source, &mut copy)?;
    loop {
        match backup.step(limits::BACKUP_STEP_PAGES_MAX)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                let pages = |count: i32| u64::try_from(count).unwrap_or(0);
                let progress = backup.progress();
                let all = pages(progress.pagecount);
                report(all.saturating_sub(pages(progress.remaining)), all);
            }
            _ => {
                return Err(StoreError::Unavailable {
                    reason: "another program holds the database for itself".to_owned(),
                    hint: "try again once it has ended",
                });
            }
        }
    }
}

/// Folds the log into the copy and runs SQLite's check on it.
fn check(part: &Path) -> Result<(), StoreError> {
    let copy = open(part)?;
    copy.pragma_update(None, "locking_mode", "exclusive")?;
    copy.pragma_update(None, "journal_mode", "delete")?;
    let found: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match found == "ok" {
        true => mark::renew(&copy),
        false => Err(StoreError::Damaged(format!(
            "the database is damaged, so no backup was made of it: {found}"
        ))),
    }
}

fn open(part: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(part, flags)
}

/// Renames the complete copy; fails if the name is taken.
fn publish(part: &Path, to: &Path) -> Result<u64, StoreError> {
    let named = || {
        publish_new(part, to)?;
        Ok(to.metadata()?.len())
    };
    named().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(to),
        _ => StoreError::Unavailable {
            reason: format!("the backup {} cannot be written: {error}", to.display()),
            hint: "check the disk and its free space, then try again",
        },
    })
}

fn taken(to: &Path) -> StoreError {
    StoreError::Unavailable {
        reason: format!(
            "{} already exists, and a backup replaces nothing",
            to.display()
        ),
        hint: "name another file, or move that one away",
    }
}
