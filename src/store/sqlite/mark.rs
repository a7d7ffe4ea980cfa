//! Tells which write-ahead log belongs to which file. SQLite applies any intact log
//! that lies beside a file: one that was left by a killed process undoes a restored
//! backup, and that of another database replaces everything. So each write changes a
//! mark, which is then in the log, and the file has the mark of its last checkpoint.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::files::with_ending;
use crate::limits;
use crate::platform::may_write;
use crate::store::StoreError;

/// No text has these bytes, because they are not UTF-8.
const MAGIC: [u8; 16] = *b"\xf5mimo\xfastore\xfbmark";
const LENGTH: usize = 56;
/// SQLite's file format: the headers of a log and of each of its pages.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

type Id = [u8; 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// Identifies the session: a new one each time that writing begins without a log.
    session: Id,
    /// The session before.
    previous: Id,
    /// Writes so far.
    commits: u64,
}

impl Mark {
    fn from_bytes(bytes: &[u8]) -> Option<Mark> {
        let rest = bytes.get(..LENGTH)?.strip_prefix(&MAGIC)?;
        let (session, rest) = rest.split_first_chunk()?;
        let (previous, rest) = rest.split_first_chunk()?;
        Some(Mark {
            session: *session,
            previous: *previous,
            commits: u64::from_be_bytes(*rest.first_chunk()?),
        })
    }

    fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let parts: [&[u8]; 4] = [
            &MAGIC,
            &self.session,
            &self.previous,
            &self.commits.to_be_bytes(),
        ];
        bytes.copy_from_slice(&parts.concat());
        bytes
    }

    /// Whether a log that begins with this mark continues a file with the mark `file`.
    fn continues(&self, file: Option<Mark>) -> bool {
        let Some(file) = file else {
            // The log contains the first mark of a file of an older version.
            return self.commits <= 1;
        };
        let next = file.commits + 1;
        (self.session == file.session && self.commits <= next)
            || (self.previous == file.session && self.commits == next)
    }
}

/// Adds the first mark to a file without one.
pub(super) fn create(file: &Connection) -> Result<(), StoreError> {
    let session = random(file)?;
    let mark = Mark {
        session,
        previous: session,
        commits: 1,
    };
    file.execute(
        "INSERT INTO store_mark (mark) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM store_mark)",
        [mark.bytes()],
    )?;
    Ok(())
}

/// Marks a write, in its transaction.
pub(super) fn advance(file: &Connection) -> Result<(), StoreError> {
    change(file, |mark| mark.commits += 1)
}

/// Begins a session where there is no log: a copy of the file that was made before
/// has another mark than every log from now on.
pub(super) fn begin_session(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    if !log_is_empty(path) {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have begun one meanwhile.
    if !log_is_empty(path) {
        return Ok(());
    }
    let session = random(&tx)?;
    change(&tx, |mark| {
        mark.previous = std::mem::replace(&mut mark.session, session);
        mark.commits += 1;
    })?;
    tx.commit()?;
    // If a reader prevents it, the log begins with the mark of the session before.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Sets a new mark in a copy of a file.
pub(super) fn renew(copy: &Connection) -> Result<(), StoreError> {
    let session = random(copy)?;
    match is_marked(copy)? {
        true => change(copy, |mark| {
            mark.session = session;
            mark.previous = session;
        }),
        false => Ok(()),
    }
}

fn change(file: &Connection, change: impl FnOnce(&mut Mark)) -> Result<(), StoreError> {
    let unknown = || StoreError::Damaged("the database has lost its mark".to_owned());
    let mut mark = read(file)?.ok_or_else(unknown)?;
    change(&mut mark);
    file.prepare_cached("UPDATE store_mark SET mark = ?")?
        .execute([mark.bytes()])?;
    Ok(())
}

fn read(file: &Connection) -> rusqlite::Result<Option<Mark>> {
    let mut statement = file.prepare_cached("SELECT mark FROM store_mark")?;
    let mark = statement.query_row([], |row| Ok(Mark::from_bytes(row.get_ref(0)?.as_blob()?)));
    Ok(mark.optional()?.flatten())
}

fn is_marked(file: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'store_mark'";
    file.query_row(sql, [], |row| row.get(0))
}

fn random(file: &Connection) -> rusqlite::Result<Id> {
    file.query_row("SELECT randomblob(16)", [], |row| row.get(0))
}

/// Refuses a log that belongs to another file than that at `path`, or to another
/// state of it. Reads the log before the file: others only carry the file forward.
pub(super) fn check_log(path: &Path) -> Result<(), StoreError> {
    for _ in 0..limits::STORE_LOG_CHECKS_MAX {
        let Ok(Some(log)) = first_mark(&log_of(path)) else {
            return Ok(());
        };
        // Opening reports a file that cannot be read.
        let Ok(file) = mark_without_log(path) else {
            return Ok(());
        };
        if log.continues(file) {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable {
        reason: format!(
            "{} belongs to another database, or to a later state of this one, so using it would \
             replace what {} holds; it was left when that file was put in place",
            log_of(path).display(),
            path.display()
        ),
        hint: "close the clients; to use the file as it is, move the two files beside it that end \
               in -wal and -shm away; to go back to a backup, use mimo restore FILE",
    })
}

pub(super) fn log_of(path: &Path) -> PathBuf {
    with_ending(path, "-wal")
}

pub(super) fn log_bytes(path: &Path) -> u64 {
    std::fs::metadata(log_of(path)).map_or(0, |log| log.len())
}

pub(super) fn log_is_empty(path: &Path) -> bool {
    log_bytes(path) == 0
}

/// The mark that the file itself has, whatever its log says.
fn mark_without_log(path: &Path) -> rusqlite::Result<Option<Mark>> {
    let file = open_without_log(path)?;
    match is_marked(&file)? {
        true => read(&file),
        false => Ok(None),
    }
}

/// Whether the file and its folder take no writes, and no log is there to be read.
pub(super) fn is_read_only(path: &Path) -> bool {
    let folder = path.parent().is_some_and(may_write);
    !(folder && may_write(path)) && log_is_empty(path)
}

/// Opens the file alone, without locks and without its log.
pub(super) fn open_without_log(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            true => uri.push(char::from(*byte)),
            false => uri += &format!("%{byte:02X}"),
        }
    }
    uri += "?immutable=1";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
}

/// The first mark in a log. `None` if there is none, or the log is empty or began
/// anew while it was read.
fn first_mark(log: &Path) -> io::Result<Option<Mark>> {
    let read_header = |file: &mut dyn Read| -> io::Result<[u8; LOG_HEADER]> {
        let mut header = [0; LOG_HEADER];
        file.read_exact(&mut header).map(|()| header)
    };
    let mut file = BufReader::new(File::open(log)?);
    let header = read_header(&mut file)?;
    let field = |at: usize| -> [u8; 4] { header[at..at + 4].try_into().unwrap_or_default() };
    let page_bytes = u32::from_be_bytes(field(8)) as usize;
    if !(512..=65_536).contains(&page_bytes) {
        return Ok(None);
    }
    let salt = &header[16..24];
    let mut frame = vec![0; FRAME_HEADER + page_bytes];
    // The log ends with the file, or where an older one begins.
    while file.read_exact(&mut frame).is_ok() && frame[8..16] == *salt {
        let page = &frame[FRAME_HEADER..];
        let found = memmem::find(page, &MAGIC).and_then(|at| Mark::from_bytes(&page[at..]));
        if found.is_some() {
            let same = read_header(&mut File::open(log)?)? == header;
            return Ok(found.filter(|_| same));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(session: u8, previous: u8, commits: u64) -> Mark {
        Mark {
            session: [session; 16],
            previous: [previous; 16],
            commits,
        }
    }

    #[test]
    fn a_log_continues_its_own_file_only() {
        let file = Some(mark(2, 1, 100));
        for (log, expected) in [
            (mark(2, 1, 101), true),
            (mark(2, 1, 40), true),
            // The file was copied while it held less, or before this session.
            (mark(2, 1, 102), false),
            (mark(3, 2, 102), false),
            // The beginning of a session that was not checkpointed.
            (mark(3, 2, 101), true),
            (mark(9, 9, 50), false),
        ] {
            assert_eq!(log.continues(file), expected, "{log:?}");
        }
        assert!(mark(1, 1, 1).continues(None));
        assert!(!mark(1, 1, 7).continues(None));
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = mark(7, 8, u64::MAX - 1);
        assert_eq!(Mark::from_bytes(&mark.bytes()), Some(mark));
        assert_eq!(Mark::from_bytes(&mark.bytes()[..LENGTH - 1]), None);
    }
}
