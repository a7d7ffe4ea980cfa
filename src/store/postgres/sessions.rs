//! Sessions over HTTP: one row each in `http_session`.

use tokio_postgres::Row;

use super::PostgresStore;
use super::locks::Lock;
use super::transaction::{Param, Tx};
use crate::clock::Timestamp;
use crate::keys::KeyId;
use crate::limits::{
    SESSION_CAPABILITIES_BYTES_MAX, SESSION_TOUCH_SECONDS_MIN, SESSIONS_OF_KEY_MAX,
};
use crate::meter::store::Op;
use crate::store::measured;
use crate::store::sessions::{Session, SessionChange, SessionStore, apply};
use crate::store::{StoreError, Stored};

impl SessionStore for PostgresStore {
    fn open_session(&self, session: Session, sessions_max: usize) -> Stored<'_, Vec<String>> {
        measured(Op::OpenSession, async move {
            if session.capabilities.len() > SESSION_CAPABILITIES_BYTES_MAX {
                return Err(StoreError::Conflict(format!(
                    "a client's capabilities have at most {SESSION_CAPABILITIES_BYTES_MAX} bytes"
                )));
            }
            let tx = self.begin_write(&[Lock::Sessions]).await?;
            // Before the new one is inserted, which never is among those that end.
            let mut ended = end_excess(&tx, Some(&session.key), SESSIONS_OF_KEY_MAX - 1).await?;
            ended.extend(end_excess(&tx, None, sessions_max.saturating_sub(1)).await?);
            insert(&tx, &session).await?;
            tx.commit().await?;
            Ok(ended)
        })
    }

    fn load_session(&self, id: String) -> Stored<'_, Option<Session>> {
        measured(Op::LoadSession, async move {
            let tx = self.begin_read().await?;
            let session = find(&tx, &id).await?;
            tx.commit().await?;
            Ok(session)
        })
    }

    fn touch_session(&self, session: &Session, at: Timestamp) -> Stored<'_, ()> {
        let before = at.plus_seconds(-SESSION_TOUCH_SECONDS_MIN);
        if session.touched_at > before {
            return Box::pin(std::future::ready(Ok(())));
        }
        let id = session.id.clone();
        measured(Op::TouchSession, async move {
            let tx = self.begin_write(&[]).await?;
            let sql = "UPDATE http_session SET touched_at = $1 WHERE id = $2 AND touched_at <= $3";
            tx.execute(sql, &[&at.0, &id, &before.0]).await?;
            tx.commit().await
        })
    }

    fn change_session(&self, id: String, change: SessionChange) -> Stored<'_, Option<Session>> {
        measured(Op::ChangeSession, async move {
            let tx = self.begin_write(&[Lock::Sessions]).await?;
            let Some(mut session) = find(&tx, &id).await? else {
                return Ok(None);
            };
            apply(&mut session, change)?;
            let sql = "UPDATE http_session SET log_level = $1, subscribed = $2 WHERE id = $3";
            let subscribed = json(&session.subscribed)?;
            tx.execute(sql, &[&session.log_level, &subscribed, &id])
                .await?;
            tx.commit().await?;
            Ok(Some(session))
        })
    }

    fn close_session(&self, id: String) -> Stored<'_, bool> {
        measured(Op::CloseSession, async move {
            let tx = self.begin_write(&[Lock::Sessions]).await?;
            let sql = "DELETE FROM http_session WHERE id = $1";
            let closed = tx.execute(sql, &[&id]).await?;
            tx.commit().await?;
            Ok(closed > 0)
        })
    }

    fn expire_sessions(
        &self,
        unused_since: Timestamp,
        sessions_max: usize,
    ) -> Stored<'_, Vec<String>> {
        measured(Op::ExpireSessions, async move {
            let tx = self.begin_write(&[Lock::Sessions]).await?;
            let sql = "DELETE FROM http_session WHERE touched_at < $1 RETURNING id";
            let mut ended = ids(tx.query(sql, &[&unused_since.0]).await?);
            ended.extend(end_excess(&tx, None, sessions_max).await?);
            tx.commit().await?;
            Ok(ended)
        })
    }
}

/// Ends the sessions, of one key or of all, that are too many: those that were
/// unused for longest.
async fn end_excess(tx: &Tx, key: Option<&KeyId>, kept: usize) -> Result<Vec<String>, StoreError> {
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    let sql = "DELETE FROM http_session WHERE id IN (SELECT id FROM http_session \
               WHERE $1::text IS NULL OR key = $1 \
               ORDER BY touched_at DESC, id OFFSET $2) RETURNING id";
    let key = key.map(KeyId::as_str);
    Ok(ids(tx.query(sql, &[&key, &kept]).await?))
}

fn ids(rows: Vec<Row>) -> Vec<String> {
    rows.iter().map(|row| row.get(0)).collect()
}

async fn find(tx: &Tx, id: &str) -> Result<Option<Session>, StoreError> {
    let sql = "SELECT id, key, capabilities, protocol_version, client_name, log_level, subscribed, \
               opened_at, touched_at FROM http_session WHERE id = $1";
    let found = tx.query_opt(sql, &[&id]).await?;
    found.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Session, StoreError> {
    let subscribed: &str = row.get("subscribed");
    let subscribed = serde_json::from_str(subscribed).map_err(|error| {
        StoreError::Damaged(format!(
            "the subscriptions of a session cannot be read: {error}"
        ))
    })?;
    Ok(Session {
        id: row.get("id"),
        key: KeyId::stored(row.get::<_, &str>("key")),
        capabilities: row.get("capabilities"),
        protocol_version: row.get("protocol_version"),
        client_name: row.get("client_name"),
        log_level: row.get("log_level"),
        subscribed,
        opened_at: Timestamp(row.get("opened_at")),
        touched_at: Timestamp(row.get("touched_at")),
    })
}

async fn insert(tx: &Tx, session: &Session) -> Result<(), StoreError> {
    let sql = "INSERT INTO http_session (id, key, capabilities, protocol_version, client_name, \
               log_level, subscribed, opened_at, touched_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values: &[Param<'_>] = &[
        &session.id,
        &session.key.as_str(),
        &session.capabilities,
        &session.protocol_version,
        &session.client_name,
        &session.log_level,
        &json(&session.subscribed)?,
        &session.opened_at.0,
        &session.touched_at.0,
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

fn json(list: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|error| StoreError::Defect(error.into()))
}
