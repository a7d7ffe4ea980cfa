//! Keys: one row each in `api_key`, and a version that changes with them.

use rusqlite::{Connection, Row, Transaction, params};

use super::SqliteStore;
use crate::clock::Timestamp;
use crate::keys::{FormerText, Key, KeyHash, KeyId};
use crate::limits::{KEY_TOUCH_SECONDS_MIN, KEYS_KEPT_MAX};
use crate::meter::store::Op;
use crate::store::keys::{KeyStore, StoredKeys, rotate};
use crate::store::measured;
use crate::store::{StoreError, Stored};

const COLUMNS: &str = "id, name, hash, former_hash, former_until, grants, created_at, rotated_at, \
                       expires_at, revoked_at, last_used";

impl KeyStore for SqliteStore {
    fn keys(&self) -> Stored<'_, StoredKeys> {
        measured(
            Op::Keys,
            self.read_existing(|file| {
                Ok(StoredKeys {
                    version: version(file)?,
                    keys: all(file)?,
                })
            }),
        )
    }

    fn keys_version(&self) -> Stored<'_, i64> {
        measured(Op::KeysVersion, async {
            if let Some(version) = self.inline.try_run(&self.path, version) {
                return Ok(version);
            }
            if let Ok(false) = self.path.try_exists() {
                return Ok(i64::default());
            }
            let (inline, path) = (self.inline.clone(), self.path.clone());
            let job = move |connection: &mut Connection| {
                inline.open(&path)?;
                Ok(version(connection)?)
            };
            self.readers.run(job).await
        })
    }

    fn key(&self, id: KeyId) -> Stored<'_, Option<Key>> {
        measured(Op::Key, self.read_existing(move |file| find(file, &id)))
    }

    fn add_key(&self, key: Key) -> Stored<'_, ()> {
        measured(
            Op::AddKey,
            self.write(move |file| {
                make_room(file, key.created_at)?;
                insert(file, &key)?;
                mark_changed(file)
            }),
        )
    }

    fn rotate_key(
        &self,
        id: KeyId,
        hash: KeyHash,
        now: Timestamp,
        overlap_end: Timestamp,
    ) -> Stored<'_, Key> {
        measured(
            Op::RotateKey,
            self.write(move |file| {
                let mut key = find(file, &id)?.ok_or_else(|| unknown_key(&id))?;
                rotate(&mut key, hash, now, overlap_end)?;
                update_text(file, &key)?;
                mark_changed(file)?;
                Ok(key)
            }),
        )
    }

    fn revoke_key(&self, id: KeyId, now: Timestamp) -> Stored<'_, bool> {
        measured(
            Op::RevokeKey,
            self.write(move |file| {
                let sql = "UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL";
                let revoked = file.execute(sql, (now.0, id.as_str()))? > 0;
                if !revoked && find(file, &id)?.is_none() {
                    return Err(unknown_key(&id));
                }
                file.execute("DELETE FROM http_session WHERE key = ?", [id.as_str()])?;
                mark_changed(file)?;
                Ok(revoked)
            }),
        )
    }

    fn revoke_all_keys(&self, now: Timestamp) -> Stored<'_, usize> {
        measured(
            Op::RevokeAllKeys,
            self.write(move |file| {
                let sql = "UPDATE api_key SET revoked_at = ? WHERE revoked_at IS NULL";
                let revoked = file.execute(sql, [now.0])?;
                file.execute("DELETE FROM http_session", [])?;
                mark_changed(file)?;
                Ok(revoked)
            }),
        )
    }

    fn touch_key(&self, id: KeyId, at: Timestamp) -> Stored<'_, ()> {
        measured(
            Op::TouchKey,
            self.write(move |file| {
                let before = at.plus_seconds(-KEY_TOUCH_SECONDS_MIN);
                let sql = "UPDATE api_key SET last_used = ? \
                       WHERE id = ? AND ifnull(last_used, ?3) <= ?3";
                file.execute(sql, (at.0, id.as_str(), before.0))?;
                Ok(())
            }),
        )
    }
}

impl SqliteStore {
    /// Like `read`, but takes the default where there is no database.
    async fn read_existing<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.path.try_exists() {
            Ok(false) => Ok(T::default()),
            // A path that cannot be looked at is no proof that nothing is there.
            Ok(true) | Err(_) => self.read(work).await,
        }
    }
}

fn unknown_key(id: &KeyId) -> StoreError {
    StoreError::NoSuchKey(id.to_string())
}

fn version(file: &Connection) -> rusqlite::Result<i64> {
    let mut version = file.prepare_cached("SELECT version FROM api_key_version")?;
    version.query_row([], |row| row.get(0))
}

fn mark_changed(file: &Connection) -> Result<(), StoreError> {
    file.execute("UPDATE api_key_version SET version = random()", [])?;
    Ok(())
}

fn all(file: &Connection) -> Result<Vec<Key>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM api_key ORDER BY created_at, id");
    let mut keys = file.prepare_cached(&sql)?;
    let mut rows = keys.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(read(row)?);
    }
    Ok(keys)
}

fn find(file: &Connection, id: &KeyId) -> Result<Option<Key>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM api_key WHERE id = ?");
    let mut key = file.prepare_cached(&sql)?;
    let mut rows = key.query([id.as_str()])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<Key, StoreError> {
    let time =
        |column| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp)) };
    let id: String = row.get("id")?;
    let grants: String = row.get("grants")?;
    let grant = serde_json::from_str(&grants).map_err(|error| {
        StoreError::Damaged(format!(
            "the grants of the key {id} cannot be read: {error}"
        ))
    })?;
    let former = row.get("former_hash")?;
    let former = Option::zip(former, time("former_until")?);
    Ok(Key {
        id: KeyId::stored(id),
        name: row.get("name")?,
        hash: KeyHash(row.get("hash")?),
        former: former.map(|(hash, until)| FormerText {
            hash: KeyHash(hash),
            until,
        }),
        grant,
        created_at: Timestamp(row.get("created_at")?),
        rotated_at: time("rotated_at")?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
        last_used: time("last_used")?,
    })
}

/// Makes room for one more key.
fn make_room(file: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let count: i64 = file.query_row("SELECT count(*) FROM api_key", [], |row| row.get(0))?;
    if count < KEYS_KEPT_MAX as i64 {
        return Ok(());
    }
    let sql = "DELETE FROM api_key WHERE id = (SELECT id FROM api_key \
               WHERE revoked_at IS NOT NULL OR expires_at <= ? \
               ORDER BY ifnull(revoked_at, expires_at), id LIMIT 1)";
    match file.execute(sql, [now.0])? {
        0 => Err(StoreError::Conflict(format!(
            "there are {KEYS_KEPT_MAX} usable keys already; revoke one that nobody needs"
        ))),
        _ => Ok(()),
    }
}

fn insert(file: &Connection, key: &Key) -> Result<(), StoreError> {
    let grants =
        serde_json::to_string(&key.grant).map_err(|error| StoreError::Defect(error.into()))?;
    let sql = format!(
        "INSERT INTO api_key ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO NOTHING"
    );
    let former = key.former.as_ref();
    let inserted = file.prepare_cached(&sql)?.execute(params![
        key.id.as_str(),
        key.name,
        key.hash.0,
        former.map(|former| former.hash.0),
        former.map(|former| former.until.0),
        grants,
        key.created_at.0,
        key.rotated_at.map(|at| at.0),
        key.expires_at.map(|at| at.0),
        key.revoked_at.map(|at| at.0),
        key.last_used.map(|at| at.0),
    ])?;
    match inserted {
        0 => Err(StoreError::Conflict(format!(
            "another key has the id {} already; make the key again",
            key.id
        ))),
        _ => Ok(()),
    }
}

fn update_text(file: &Connection, key: &Key) -> Result<(), StoreError> {
    let former = key.former.as_ref();
    let sql = "UPDATE api_key SET hash = ?, former_hash = ?, former_until = ?, rotated_at = ? \
               WHERE id = ?";
    file.execute(
        sql,
        params![
            key.hash.0,
            former.map(|former| former.hash.0),
            former.map(|former| former.until.0),
            key.rotated_at.map(|at| at.0),
            key.id.as_str(),
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock, FixedClock};
    use crate::keys::{Grant, KeyRing};
    use crate::store::keys::refresh;

    #[tokio::test]
    async fn reading_keys_makes_no_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mimo.db");
        let store = SqliteStore::start(path.clone()).expect("a store");
        let ring = KeyRing::new(Arc::new(FixedClock::default()));
        refresh(&store, &ring).await.expect("read");
        assert!(store.keys().await.expect("keys") == StoredKeys::default());
        assert!(!path.exists());
    }

    /// A backup that is restored under a running Mimo brings other keys.
    #[tokio::test]
    async fn a_replaced_file_is_read_again() {
        if !crate::platform::RENAMES_OPEN_DATABASES {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mimo.db");
        let clock = Arc::new(FixedClock::default());
        let ring = KeyRing::new(clock.clone());
        let new = |clock: &dyn Clock| Key::generate(clock, "a", Grant::default(), None);
        let other = folder.path().join("other.db");
        let (key, text) = new(&*clock).expect("a key");
        SqliteStore::start(other.clone())
            .expect("a store")
            .add_key(key)
            .await
            .expect("added");

        let store = SqliteStore::start(path.clone()).expect("a store");
        store
            .add_key(new(&*clock).expect("a key").0)
            .await
            .expect("added");
        refresh(&store, &ring).await.expect("read");
        assert!(ring.check(text.reveal().as_bytes()).is_err());
        fs::rename(&other, &path).expect("renamed");
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.path().join(format!("mimo.db{end}")));
        }
        refresh(&store, &ring).await.expect("read");
        assert!(ring.check(text.reveal().as_bytes()).is_ok());
    }
}
