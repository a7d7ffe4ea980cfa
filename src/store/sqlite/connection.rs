//! Opens the database file: pragmas, file mode and migrations.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::extension::register_sqlite_vec;
use super::worker::file_at;
use super::{checksum, codes, derived, features, graph, lock_wait, mark, trust};
use crate::limits;
use crate::platform;
use crate::store::StoreError;

/// "Mimo" in ASCII: marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x4d69_6d6f;

/// Five vectors of 384 numbers fit one page with little left over, and so does a
/// block of 141 of their codes. Against the usual 4096 the file of 5,000 memories
/// is a sixth smaller, and while searches read every vector they took 4.2 ms
/// instead of 5.7; 16384 gave 3.8 ms, but reads four times what it needs wherever
/// single rows are looked up.
const PAGE_BYTES: i32 = 8192;

/// Every migration, oldest first. Append only: a released one never changes.
const MIGRATIONS: [&str; 16] = [
    include_str!("migrations/0001_memory.sql"),
    include_str!("migrations/0002_graph.sql"),
    include_str!("migrations/0003_procedure.sql"),
    include_str!("migrations/0004_codes.sql"),
    include_str!("migrations/0005_retention.sql"),
    include_str!("migrations/0006_pins.sql"),
    include_str!("migrations/0007_procedure_project.sql"),
    include_str!("migrations/0008_skill_identity.sql"),
    include_str!("migrations/0009_http.sql"),
    include_str!("migrations/0010_entity_names.sql"),
    include_str!("migrations/0011_mark.sql"),
    include_str!("migrations/0012_edits.sql"),
    include_str!("migrations/0013_ranking.sql"),
    include_str!("migrations/0014_checksums.sql"),
    include_str!("migrations/0015_said_at.sql"),
    include_str!("migrations/0016_listings.sql"),
];

/// The current schema version (`PRAGMA user_version`).
pub(super) const SCHEMA: i32 = MIGRATIONS.len() as i32;

/// The schema whose migration rebuilds the names of entities.
const ENTITY_NAMES: i32 = 10;
/// The schema whose migration derives the features of memories.
const FEATURES: i32 = 13;
/// The schema whose migration writes checksums.
const CHECKSUMS: i32 = 14;
/// The schema whose keyword index has one spelling for words.
const SPELLINGS: i32 = 15;

/// A connection that writes; the file is made (mode 0600) and migrated where
/// that is needed.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = open(path, false)?;
    mark::begin_session(&mut connection, path)?;
    keep_pages(&connection, limits::STORE_WRITER_CACHE_KIB_MAX)?;
    Ok(connection)
}

/// A connection that only reads. It migrates too, because the first reader
/// may come before the first writer.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    open(path, true)
}

/// A read-only connection with a larger page cache: following triples reads pages at
/// random, while a search scans one table in order.
pub(super) fn open_graph_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, true)?;
    keep_pages(&connection, limits::STORE_GRAPH_CACHE_KIB_MAX)?;
    Ok(connection)
}

/// A connection to an existing file that changes nothing, not even an older schema;
/// and the file's schema version.
pub(super) fn open_as_it_is(path: &Path) -> Result<(Connection, i32), StoreError> {
    register_sqlite_vec();
    mark::check_log(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let as_it_is = |mut connection: Connection| {
        lock_wait::install(&mut connection)?;
        trust::limit_schema(&connection)?;
        refuse_others(&connection)?;
        match version(&connection)? {
            0 => Err(StoreError::Damaged("the file is empty".to_owned())),
            schema => Ok((connection, schema)),
        }
    };
    let opened = Connection::open_with_flags(path, flags).map_err(StoreError::from);
    opened
        .and_then(as_it_is)
        .or_else(|error| match mark::is_read_only(path) {
            true => as_it_is(mark::open_without_log(path)?),
            false => Err(error),
        })
        .map_err(|error| named(error, path))
}

/// A connection to a file that cannot be written to, which nobody writes to either:
/// SQLite could not make its log beside it.
fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let connection = mark::open_without_log(path)?;
    trust::limit_schema(&connection)?;
    refuse_others(&connection)?;
    match version(&connection)? {
        SCHEMA => Ok(connection),
        found => Err(StoreError::Unavailable {
            reason: format!(
                "the database has the schema {found} and this Mimo needs {SCHEMA}, but it cannot \
                 be written to"
            ),
            hint: "check the permissions of the file and of its folder",
        }),
    }
}

fn keep_pages(connection: &Connection, kib: i64) -> rusqlite::Result<()> {
    // Negative: in KiB instead of pages.
    connection.pragma_update(None, "cache_size", -kib)
}

/// Keeps SQLite from compiling a cached statement again each time other values
/// are bound. Without statistics no plan depends on values, and compiling took
/// a quarter of the time of a short graph query and half of that of a search.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn open(path: &Path, read_only: bool) -> Result<Connection, StoreError> {
    // One at a time, so that no connection exists while the file is created.
    static OPENING: Mutex<()> = Mutex::new(());
    let _turn = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    register_sqlite_vec();
    refuse_lost(path)?;
    create_private(path)?;
    mark::check_log(path)?;
    prepare(path, read_only)
        .or_else(|error| match read_only && mark::is_read_only(path) {
            true => open_read_only(path),
            false => Err(error),
        })
        .map_err(|error| named(error, path))
}

/// Refuses to create a database where other files show that there was one.
fn refuse_lost(path: &Path) -> Result<(), StoreError> {
    let is_empty = path.metadata().map_or(true, |file| file.len() == 0);
    match is_empty && !mark::log_is_empty(path) {
        false => Ok(()),
        true => Err(StoreError::Unavailable {
            reason: format!(
                "{} is empty or gone, but its log {} is there, so a database was lost",
                path.display(),
                mark::log_of(path).display()
            ),
            hint: "put the file back, or go back to a backup with mimo restore FILE; to begin \
                   anew, move the log away",
        }),
    }
}

/// The error of a database that a newer Mimo has written.
pub(super) fn newer(found: i32) -> StoreError {
    StoreError::Unavailable {
        reason: format!(
            "the database was written by a newer Mimo (schema {found}, this one knows {SCHEMA})"
        ),
        hint: "update this Mimo, then start it again",
    }
}

fn prepare(path: &Path, read_only: bool) -> Result<Connection, StoreError> {
    // Each worker thread owns its connection, so SQLite need not lock it. No
    // URI flag: a path may hold any character.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let before = file_at(path);
    let mut connection = Connection::open_with_flags(path, flags)?;
    lock_wait::install(&mut connection)?;
    trust::limit_schema(&connection)?;
    keep_plans(&connection)?;
    // Applies to a new file only; an existing one keeps its page size.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    // Before anything that writes: even the journal's mode is kept in the file.
    refuse_others(&connection)?;
    // From here on its lock keeps the file in its place. A restore may have replaced it
    // before, and the log beside it is that of the new file.
    if file_at(path) != before {
        return Err(StoreError::Unavailable {
            reason: "the database was replaced while it was being opened".to_owned(),
            hint: "try again",
        });
    }
    log_ahead(&connection)?;
    // An acknowledged write survives the end of the process; only a crash of
    // the whole machine may take back the last few.
    connection.pragma_update(None, "synchronous", "normal")?;
    // About 4 MB of log, then it is folded back.
    connection.pragma_update(None, "wal_autocheckpoint", 512)?;
    connection.pragma_update(None, "journal_size_limit", limits::STORE_LOG_KEPT_BYTES_MAX)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(limits::STORE_STATEMENTS_CACHED_MAX);
    migrate(&mut connection)?;
    connection.pragma_update(None, "query_only", read_only)?;
    Ok(connection)
}

/// Switches to write-ahead logging. That needs an exclusive lock on a new file, for
/// which SQLite does not wait: it fails at once, so this retries.
fn log_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let is_busy =
        |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error) if is_busy(&error) && lock_wait::pause() => {}
            done => return done,
        }
    }
}

/// Creates the file with mode 0600 before SQLite would create it with the umask's
/// mode. An existing file is not opened: closing it again would release every POSIX
/// lock of this process on it, SQLite's included.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let mut options = platform::private_options();
    options
        .create(true)
        .append(true)
        .open(path)
        .map(|_| ())
        .map_err(|error| StoreError::Unavailable {
            reason: format!("the database {} cannot be opened: {error}", path.display()),
            hint: "check the folder and its permissions, or name another with --data-dir",
        })
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if version(connection)? == SCHEMA && is_ours(connection)? {
        return Ok(());
    }
    // Another Mimo may be doing the same: the version is read again inside.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    refuse_others(&transaction)?;
    let found = version(&transaction)?;
    for migration in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(migration)?;
    }
    if found < ENTITY_NAMES {
        graph::rekey(&transaction)?;
    }
    if found < FEATURES {
        features::derive_all(&transaction)?;
    }
    if found < CHECKSUMS {
        checksum::seal_all(&transaction)?;
    }
    if found < SPELLINGS {
        derived::rebuild_words(&transaction)?;
    }
    // Codes every vector that was stored before codes existed.
    while codes::pack(&transaction)? {}
    mark::create(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()?;
    Ok(())
}

/// Refuses the database of another program or of a newer Mimo, or with code of others.
fn refuse_others(connection: &Connection) -> Result<(), StoreError> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && !is_ours(connection)? {
        return Err(StoreError::Damaged(
            "the file is a database of another program".to_owned(),
        ));
    }
    let found = version(connection)?;
    if found > SCHEMA {
        return Err(newer(found));
    }
    trust::refuse_added_code(connection, &MIGRATIONS)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))
        .map(|id| id == APPLICATION_ID)
}

/// Adds the path to an error of opening.
fn named(error: StoreError, path: &Path) -> StoreError {
    let path = path.display();
    match error {
        StoreError::Damaged(reason) => StoreError::Damaged(format!("{path}: {reason}")),
        StoreError::Unavailable { reason, hint } => StoreError::Unavailable {
            reason: format!("{path}: {reason}"),
            hint,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients that start together each start a Mimo on the same new file.
    #[test]
    fn concurrent_first_opens_all_succeed() {
        for _ in 0..40 {
            let folder = tempfile::TempDir::new().expect("a folder");
            let path = folder.path().join("new.db");
            std::thread::scope(|scope| {
                let open = |nth: usize| match nth % 2 {
                    0 => open_writer(&path),
                    _ => open_reader(&path),
                };
                let opened = (0..8).map(|nth| scope.spawn(move || open(nth).map(drop)));
                for each in opened.collect::<Vec<_>>() {
                    each.join().expect("no panic").expect("opened");
                }
            });
        }
    }

    /// A process that closes any descriptor of a file loses all its POSIX locks on it,
    /// SQLite's included: other processes would take the file for unused.
    #[cfg(target_os = "linux")]
    #[test]
    fn second_open_keeps_the_locks_of_the_first() {
        use std::os::fd::AsFd;

        use nix::fcntl::{FcntlArg, fcntl};

        /// Where SQLite keeps its shared locks (its file format, 510 bytes).
        const SHARED: (i64, i64) = (0x4000_0002, 510);
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("mimo.db");
        let first = open_writer(&path).expect("opened");
        let count = |file: &Connection| -> i64 {
            file.query_row("SELECT count(*) FROM memory", [], |row| row.get(0))
                .expect("counted")
        };
        assert_eq!(count(&first), 0);
        let second = open_reader(&path).expect("opened");
        assert_eq!(count(&second), 0);
        // A lock of another owner than this process, so that its own are seen.
        let file = std::fs::File::options().read(true).write(true).open(&path);
        let file = file.expect("the file");
        let mut lock = nix::libc::flock {
            l_type: nix::libc::F_WRLCK as _,
            l_whence: nix::libc::SEEK_SET as _,
            l_start: SHARED.0,
            l_len: SHARED.1,
            l_pid: 0,
        };
        fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock)).expect("asked");
        assert_eq!(i32::from(lock.l_type), nix::libc::F_RDLCK);
    }

    #[test]
    fn a_long_log_is_folded_back_after_the_write() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("mimo.db");
        let file = open_writer(&path).expect("opened");
        let log = || std::fs::metadata(mark::log_of(&path)).map_or(0, |log| log.len());
        // A reader keeps SQLite from folding the log back by itself.
        let reader = open_reader(&path).expect("opened");
        reader
            .execute_batch("BEGIN; SELECT * FROM memory")
            .expect("a snapshot");
        file.execute_batch(
            "CREATE TABLE large (x BLOB); INSERT INTO large VALUES (zeroblob(40000000))",
        )
        .expect("written");
        assert!(log() > limits::STORE_LOG_BYTES_MAX / 2);
        reader.execute_batch("COMMIT").expect("ended");
        crate::store::sqlite::bound_log(&file, &path);
        assert_eq!(log(), 0);
    }

    #[test]
    fn vectors_from_before_codes_get_codes() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("mimo.db");
        let old = Connection::open(&path).expect("opens");
        for migration in &MIGRATIONS[..3] {
            old.execute_batch(migration).expect("migrated");
        }
        old.pragma_update(None, "application_id", APPLICATION_ID)
            .expect("set");
        old.pragma_update(None, "user_version", 3).expect("set");
        old.execute_batch(
            "INSERT INTO embedding_model (id, name, dimensions) VALUES (1, 'made up', 2);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
             INSERT INTO memory (id, project, category, importance, state, created_at,
                                 updated_at, position, text_key, thread, content)
             SELECT n, 'p' || n % 3, 'fact', 0.5, 'active', 0, 0, n, CAST(n AS BLOB), 't', 'c' FROM n;
             INSERT INTO memory_vector (memory_id, model_id, window, vector)
             SELECT id, 1, 0, x'0000803f0000803f' FROM memory;",
        )
        .expect("filled");
        drop(old);

        let file = open_writer(&path).expect("migrated");
        let count =
            |sql: &str| -> i64 { file.query_row(sql, [], |row| row.get(0)).expect("a count") };
        assert_eq!(count("SELECT count(*) FROM memory_vector"), 5_000);
        assert_eq!(count("SELECT sum(vectors) FROM memory_code"), 5_000);
        assert_eq!(count("SELECT coded FROM embedding_model"), 5_000);
    }

    #[test]
    fn names_of_an_older_schema_get_their_identity() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("mimo.db");
        let old = Connection::open(&path).expect("opens");
        for migration in &MIGRATIONS[..9] {
            old.execute_batch(migration).expect("migrated");
        }
        old.pragma_update(None, "application_id", APPLICATION_ID)
            .expect("set");
        old.pragma_update(None, "user_version", 9).expect("set");
        old.execute_batch(
            "INSERT INTO graph_word (id, word) VALUES (1, 'global'), (2, 'thing');
             INSERT INTO entity (id, key, name) VALUES (8589934593, 'thing:c++', 'C++');
             INSERT INTO entity_name (key, project, entity, backwards, name)
             VALUES ('c', 1, 8589934593, 'c', 'C++'),
                    ('ally s', 1, 8589934593, 's ylla', 'Ally S.');",
        )
        .expect("filled");
        drop(old);

        let file = open_writer(&path).expect("migrated");
        let mut names = file
            .prepare("SELECT key, backwards, words, name FROM entity_name ORDER BY key")
            .expect("prepared");
        let row = |row: &rusqlite::Row<'_>| {
            let column = |nth| row.get::<_, String>(nth);
            Ok([column(0)?, column(1)?, column(2)?, column(3)?])
        };
        let names = names.query_map([], row).expect("names");
        let names: Vec<[String; 4]> = names.collect::<Result<_, _>>().expect("names");
        let expected = [
            ["ally_s.", ".s_ylla", "ally s", "Ally S."],
            ["c++", "++c", "c", "C++"],
        ];
        assert_eq!(names, expected);
    }
}
