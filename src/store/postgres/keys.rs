//! Keys: one row each in `api_key`, and a version that changes with them.

use tokio_postgres::Row;

use super::PostgresStore;
use super::locks::Lock;
use super::transaction::{Param, Tx};
use crate::clock::Timestamp;
use crate::keys::{FormerText, Key, KeyHash, KeyId};
use crate::limits::{KEY_TOUCH_SECONDS_MIN, KEYS_KEPT_MAX};
use crate::meter::store::Op;
use crate::store::changes::Topic;
use crate::store::keys::{KeyStore, StoredKeys, rotate};
use crate::store::measured;
use crate::store::{StoreError, Stored};

const COLUMNS: &str = "id, name, hash, former_hash, former_until, grants, created_at, rotated_at, \
                       expires_at, revoked_at, last_used";
const VERSION: &str = "SELECT version FROM api_key_version";

impl KeyStore for PostgresStore {
    fn keys(&self) -> Stored<'_, StoredKeys> {
        measured(Op::Keys, async move {
            let tx = self.begin_read().await?;
            let version = tx.query_one(VERSION, &[]).await?.get(0);
            let sql = format!("SELECT {COLUMNS} FROM api_key ORDER BY created_at, id");
            let rows = tx.query(&sql, &[]).await?;
            let keys = rows.iter().map(read).collect::<Result<_, _>>()?;
            tx.commit().await?;
            Ok(StoredKeys { version, keys })
        })
    }

    fn keys_version(&self) -> Stored<'_, i64> {
        // Read on each request: one round trip, without a transaction.
        measured(Op::KeysVersion, async move {
            Ok(self.query_row(VERSION).await?.get(0))
        })
    }

    fn key(&self, id: KeyId) -> Stored<'_, Option<Key>> {
        measured(Op::Key, async move {
            let tx = self.begin_read().await?;
            let key = find(&tx, &id).await?;
            tx.commit().await?;
            Ok(key)
        })
    }

    fn add_key(&self, key: Key) -> Stored<'_, ()> {
        measured(Op::AddKey, async move {
            let tx = self.begin_write(&[Lock::Keys]).await?;
            make_room(&tx, key.created_at).await?;
            insert(&tx, &key).await?;
            self.mark_changed(&tx).await?;
            tx.commit().await
        })
    }

    fn rotate_key(
        &self,
        id: KeyId,
        hash: KeyHash,
        now: Timestamp,
        overlap_end: Timestamp,
    ) -> Stored<'_, Key> {
        measured(Op::RotateKey, async move {
            let tx = self.begin_write(&[Lock::Keys]).await?;
            let mut key = find(&tx, &id).await?.ok_or_else(|| unknown_key(&id))?;
            rotate(&mut key, hash, now, overlap_end)?;
            update_text(&tx, &key).await?;
            self.mark_changed(&tx).await?;
            tx.commit().await?;
            Ok(key)
        })
    }

    fn revoke_key(&self, id: KeyId, now: Timestamp) -> Stored<'_, bool> {
        measured(Op::RevokeKey, async move {
            let tx = self.begin_write(&[Lock::Keys, Lock::Sessions]).await?;
            let sql = "UPDATE api_key SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
            let revoked = tx.execute(sql, &[&now.0, &id.as_str()]).await? > 0;
            if !revoked && find(&tx, &id).await?.is_none() {
                return Err(unknown_key(&id));
            }
            let sql = "DELETE FROM http_session WHERE key = $1";
            tx.execute(sql, &[&id.as_str()]).await?;
            self.mark_changed(&tx).await?;
            tx.commit().await?;
            Ok(revoked)
        })
    }

    fn revoke_all_keys(&self, now: Timestamp) -> Stored<'_, usize> {
        measured(Op::RevokeAllKeys, async move {
            let tx = self.begin_write(&[Lock::Keys, Lock::Sessions]).await?;
            let sql = "UPDATE api_key SET revoked_at = $1 WHERE revoked_at IS NULL";
            let revoked = tx.execute(sql, &[&now.0]).await?;
            tx.execute("DELETE FROM http_session", &[]).await?;
            self.mark_changed(&tx).await?;
            tx.commit().await?;
            Ok(usize::try_from(revoked).unwrap_or(usize::MAX))
        })
    }

    fn touch_key(&self, id: KeyId, at: Timestamp) -> Stored<'_, ()> {
        measured(Op::TouchKey, async move {
            let tx = self.begin_write(&[]).await?;
            let before = at.plus_seconds(-KEY_TOUCH_SECONDS_MIN);
            let sql = "UPDATE api_key SET last_used = $1 \
                       WHERE id = $2 AND coalesce(last_used, $3) <= $3";
            tx.execute(sql, &[&at.0, &id.as_str(), &before.0]).await?;
            tx.commit().await
        })
    }
}

fn unknown_key(id: &KeyId) -> StoreError {
    StoreError::NoSuchKey(id.to_string())
}

impl PostgresStore {
    async fn mark_changed(&self, tx: &Tx) -> Result<(), StoreError> {
        let sql = "UPDATE api_key_version SET version = (random() * 9007199254740991)::bigint";
        tx.execute(sql, &[]).await?;
        self.announce(tx, Topic::Keys).await
    }
}

async fn find(tx: &Tx, id: &KeyId) -> Result<Option<Key>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM api_key WHERE id = $1");
    let found = tx.query_opt(&sql, &[&id.as_str()]).await?;
    found.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Key, StoreError> {
    let time = |column| row.get::<_, Option<i64>>(column).map(Timestamp);
    let id: String = row.get("id");
    let hash = |bytes: &[u8]| match bytes.try_into() {
        Ok(hash) => Ok(KeyHash(hash)),
        Err(_) => Err(StoreError::Damaged(format!(
            "the hash of the key {id} cannot be read"
        ))),
    };
    let grants: &str = row.get("grants");
    let grant = serde_json::from_str(grants).map_err(|error| {
        StoreError::Damaged(format!(
            "the grants of the key {id} cannot be read: {error}"
        ))
    })?;
    let former: Option<&[u8]> = row.get("former_hash");
    let former = Option::zip(former.map(hash).transpose()?, time("former_until"));
    Ok(Key {
        name: row.get("name"),
        hash: hash(row.get("hash"))?,
        former: former.map(|(hash, until)| FormerText { hash, until }),
        grant,
        created_at: Timestamp(row.get("created_at")),
        rotated_at: time("rotated_at"),
        expires_at: time("expires_at"),
        revoked_at: time("revoked_at"),
        last_used: time("last_used"),
        id: KeyId::stored(id),
    })
}

/// Makes room for one more key.
async fn make_room(tx: &Tx, now: Timestamp) -> Result<(), StoreError> {
    let count = tx.query_one("SELECT count(*) FROM api_key", &[]).await?;
    if count.get::<_, i64>(0) < KEYS_KEPT_MAX as i64 {
        return Ok(());
    }
    let sql = "DELETE FROM api_key WHERE id = (SELECT id FROM api_key \
               WHERE revoked_at IS NOT NULL OR expires_at <= $1 \
               ORDER BY coalesce(revoked_at, expires_at), id LIMIT 1)";
    match tx.execute(sql, &[&now.0]).await? {
        0 => Err(StoreError::Conflict(format!(
            "there are {KEYS_KEPT_MAX} usable keys already; revoke one that nobody needs"
        ))),
        _ => Ok(()),
    }
}

async fn insert(tx: &Tx, key: &Key) -> Result<(), StoreError> {
    let grants =
        serde_json::to_string(&key.grant).map_err(|error| StoreError::Defect(error.into()))?;
    let sql = format!(
        "INSERT INTO api_key ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT DO NOTHING"
    );
    let former = key.former.as_ref();
    let values: &[Param<'_>] = &[
        &key.id.as_str(),
        &key.name,
        &key.hash.0.as_slice(),
        &former.map(|former| former.hash.0.as_slice()),
        &former.map(|former| former.until.0),
        &grants,
        &key.created_at.0,
        &key.rotated_at.map(|at| at.0),
        &key.expires_at.map(|at| at.0),
        &key.revoked_at.map(|at| at.0),
        &key.last_used.map(|at| at.0),
    ];
    match tx.execute(&sql, values).await? {
        0 => Err(StoreError::Conflict(format!(
            "another key has the id {} already; make the key again",
            key.id
        ))),
        _ => Ok(()),
    }
}

async fn update_text(tx: &Tx, key: &Key) -> Result<(), StoreError> {
    let former = key.former.as_ref();
    let sql = "UPDATE api_key SET hash = $1, former_hash = $2, former_until = $3, rotated_at = $4 \
               WHERE id = $5";
    let values: &[Param<'_>] = &[
        &key.hash.0.as_slice(),
        &former.map(|former| former.hash.0.as_slice()),
        &former.map(|former| former.until.0),
        &key.rotated_at.map(|at| at.0),
        &key.id.as_str(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}
