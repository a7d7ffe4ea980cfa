//! The database file: permissions, refusals and recovery.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mimo::store::Store;
use mimo::store::StoreError;
use mimo::store::sqlite::SqliteStore;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::support::tools::Mimo;

fn open(path: &Path) -> Result<(), StoreError> {
    let store = SqliteStore::start(path.to_owned()).expect("threads start");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(store.ready())
}

#[test]
fn database_file_is_private_and_has_our_application_id() {
    let mimo = Mimo::new();
    mimo.store_texts(&["a secret"]);
    for name in ["mimo.db", "mimo.db-wal", "mimo.db-shm"] {
        let file = std::fs::metadata(mimo.folder.path().join(name)).expect(name);
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let file = Connection::open(mimo.folder.path().join("mimo.db")).expect("opens");
    let pragma = |name: &str| -> i64 {
        file.pragma_query_value(None, name, |row| row.get(0))
            .expect(name)
    };
    assert_eq!(pragma("application_id"), 0x4d69_6d6f);
    assert_eq!(pragma("user_version"), 16);
    assert_eq!(pragma("page_size"), 8192);
    let mode: String = file
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .expect("journal_mode");
    assert_eq!(mode, "wal");
}

#[test]
fn foreign_files_are_refused_and_unchanged() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("mimo.db");

    std::fs::write(
        &path,
        "certainly not a database, and long enough to be read as one",
    )
    .expect("written");
    let error = open(&path).expect_err("refused");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("mimo.db"), "{error}");
    assert!(
        std::fs::read(&path)
            .expect("there")
            .starts_with(b"certainly")
    );

    std::fs::remove_file(&path).expect("removed");
    let other = Connection::open(&path).expect("opens");
    other
        .execute_batch("CREATE TABLE photos (id INTEGER)")
        .expect("made");
    drop(other);
    let error = open(&path).expect_err("refused");
    assert!(error.to_string().contains("another program"), "{error}");

    std::fs::remove_file(&path).expect("removed");
    open(&path).expect("made");
    let newer = Connection::open(&path).expect("opens");
    newer.pragma_update(None, "user_version", 99).expect("set");
    drop(newer);
    let error = open(&path).expect_err("refused");
    assert!(error.to_string().contains("newer Mimo"), "{error}");

    let error = open(&folder.path().join("no/such/folder/mimo.db")).expect_err("refused");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

#[test]
fn store_recovers_once_the_file_can_be_opened() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("mimo.db");
    std::fs::write(&path, "not a database at all, not even a little bit of one").expect("written");
    let store = SqliteStore::start(path.clone()).expect("threads start");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(store.ready()).expect_err("refused");
    std::fs::remove_file(&path).expect("removed");
    runtime
        .block_on(store.ready())
        .expect("opened at the next call");
}

#[test]
fn scan_agrees_with_sqlite_vec() {
    let mimo = Mimo::new();
    let texts: Vec<String> = (0..60)
        .map(|n| format!("item {} of lot {} in row {}", n % 7, n % 5, n % 3 * n))
        .collect();
    mimo.store_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let query = "item 3 of lot 2";
    let found =
        mimo.search(json!({"query": query, "mode": "semantic", "threshold": -1, "limit": 20}));
    let probe = mimo::embed::Embedder::embed_query(&*mimo.encoder, query).expect("encoded");
    let bytes: Vec<u8> = probe.iter().flat_map(|x| x.to_le_bytes()).collect();
    // The store registered sqlite-vec for all connections of this process.
    let file = Connection::open(mimo.folder.path().join("mimo.db")).expect("opens");
    let cosine = |id: i64| -> f64 {
        file.query_row(
            "SELECT 1 - vec_distance_cosine(vector, ?) FROM memory_vector WHERE memory_id = ?",
            rusqlite::params![bytes, id],
            |row| row.get(0),
        )
        .expect("a distance")
    };
    let found: Vec<f64> = found
        .iter()
        .map(|i| cosine(i["id"].as_i64().expect("id")))
        .collect();
    let mut all: Vec<f64> = (1..=60).map(cosine).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    // Neighbor support reorders the best results, so they are compared as a
    // set.
    let least = found.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(found.len() == 20 && least > all[40], "{found:?}");
    assert!((found.iter().copied().fold(0.0, f64::max) - all[0]).abs() < 1e-5);
}
