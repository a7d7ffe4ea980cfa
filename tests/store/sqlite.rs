//! The SQLite room. It is made to fail by triggers, which a store refuses elsewhere.

use std::sync::Arc;

use mimo::store::Store;
use mimo::store::sqlite::{self, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::Room;

pub(crate) struct Sqlite {
    folder: TempDir,
}

/// Tables whose changes are counted. The keyword index is none of them: SQLite
/// has no triggers on virtual tables.
const TABLES: [&str; 13] = [
    "memory",
    "memory_tag",
    "memory_vector",
    "memory_edit",
    "memory_entity",
    "memory_code",
    "embedding_model",
    "retention_run",
    "execution",
    "journal",
    "api_key",
    "api_key_version",
    "http_session",
];

impl Sqlite {
    fn connection(&self) -> Connection {
        Connection::open(self.folder.path().join("mimo.db")).expect("the file opens")
    }
}

impl Room for Sqlite {
    async fn fresh() -> Sqlite {
        let room = Sqlite {
            folder: TempDir::new().expect("a folder"),
        };
        sqlite::allow_added_code();
        room.open().ready().await.expect("it opens");
        let mut sql = "CREATE TABLE fault (changes_left INTEGER);\
                       INSERT INTO fault VALUES (NULL);"
            .to_owned();
        for table in TABLES {
            for change in ["INSERT", "UPDATE", "DELETE"] {
                sql.push_str(&format!(
                    "CREATE TRIGGER fault_{table}_{change} AFTER {change} ON {table} \
                     WHEN (SELECT changes_left FROM fault) IS NOT NULL BEGIN \
                     UPDATE fault SET changes_left = changes_left - 1; \
                     SELECT RAISE(ABORT, 'fault') WHERE (SELECT changes_left FROM fault) = 0; \
                     END;"
                ));
            }
        }
        room.connection().execute_batch(&sql).expect("triggers");
        room
    }

    fn open(&self) -> Arc<dyn Store> {
        let store = SqliteStore::start(self.folder.path().join("mimo.db"));
        Arc::new(store.expect("threads start"))
    }

    fn fail_at(&self, change: Option<u32>) {
        let set = self
            .connection()
            .execute("UPDATE fault SET changes_left = ?", [change]);
        set.expect("set");
    }
}
