//! Sessions over HTTP: one row each in `http_session`.

use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use crate::clock::Timestamp;
use crate::keys::KeyId;
use crate::limits::{
    SESSION_CAPABILITIES_BYTES_MAX, SESSION_TOUCH_SECONDS_MIN, SESSIONS_OF_KEY_MAX,
};
use crate::meter::store::Op;
use crate::store::measured;
use crate::store::sessions::{Session, SessionChange, SessionStore, apply};
use crate::store::{StoreError, Stored};

impl SessionStore for SqliteStore {
    fn open_session(&self, session: Session, sessions_max: usize) -> Stored<'_, Vec<String>> {
        measured(Op::OpenSession, self.write(move |file| {
            if session.capabilities.len() > SESSION_CAPABILITIES_BYTES_MAX {
                return Err(StoreError::Conflict(format!(
                    "a client's capabilities have at most {SESSION_CAPABILITIES_BYTES_MAX} bytes"
                )));
            }
            // Before the new one is inserted, which never is among those that end.
            let mut ended = end_excess(file, Some(&session.key), SESSIONS_OF_KEY_MAX - 1)?;
            ended.extend(end_excess(file, None, sessions_max.saturating_sub(1))?);
            insert(file, &session)?;
            Ok(ended)
        }))
    }

    fn load_session(&self, id: String) -> Stored<'_, Option<Session>> {
        measured(Op::LoadSession, self.read(move |file| find(file, &id)))
    }

    fn touch_session(&self, session: &Session, at: Timestamp) -> Stored<'_, ()> {
        let before = at.plus_seconds(-SESSION_TOUCH_SECONDS_MIN);
        if session.touched_at > before {
            return Box::pin(std::future::ready(Ok(())));
        }
        let id = session.id.clone();
        measured(
            Op::TouchSession,
            self.write(move |file| {
                let sql = "UPDATE http_session SET touched_at = ? WHERE id = ? AND touched_at <= ?";
                file.execute(sql, (at.0, id, before.0))?;
                Ok(())
            }),
        )
    }

    fn change_session(&self, id: String, change: SessionChange) -> Stored<'_, Option<Session>> {
        measured(
            Op::ChangeSession,
            self.write(move |file| {
                let Some(mut session) = find(file, &id)? else {
                    return Ok(None);
                };
                apply(&mut session, change)?;
                let sql = "UPDATE http_session SET log_level = ?, subscribed = ? WHERE id = ?";
                let subscribed = json(&session.subscribed)?;
                file.execute(sql, (&session.log_level, subscribed, &id))?;
                Ok(Some(session))
            }),
        )
    }

    fn close_session(&self, id: String) -> Stored<'_, bool> {
        measured(
            Op::CloseSession,
            self.write(move |file| {
                let closed = file.execute("DELETE FROM http_session WHERE id = ?", [id])?;
                Ok(closed > 0)
            }),
        )
    }

    fn expire_sessions(
        &self,
        unused_since: Timestamp,
        sessions_max: usize,
    ) -> Stored<'_, Vec<String>> {
        measured(
            Op::ExpireSessions,
            self.write(move |file| {
                let sql = "DELETE FROM http_session WHERE touched_at < ? RETURNING id";
                let mut ended = ids(file, sql, params![unused_since.0])?;
                ended.extend(end_excess(file, None, sessions_max)?);
                Ok(ended)
            }),
        )
    }
}

/// Ends the sessions, of one key or of all, that are too many: those that were
/// unused for longest.
fn end_excess(
    file: &Connection,
    key: Option<&KeyId>,
    kept: usize,
) -> Result<Vec<String>, StoreError> {
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    match key {
        Some(key) => ids(
            file,
            "DELETE FROM http_session WHERE id IN (SELECT id FROM http_session WHERE key = ? \
             ORDER BY touched_at DESC, id LIMIT -1 OFFSET ?) RETURNING id",
            params![key.as_str(), kept],
        ),
        None => ids(
            file,
            "DELETE FROM http_session WHERE id IN (SELECT id FROM http_session \
             ORDER BY touched_at DESC, id LIMIT -1 OFFSET ?) RETURNING id",
            params![kept],
        ),
    }
}

fn ids(
    file: &Connection,
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<String>, StoreError> {
    let mut ended = file.prepare_cached(sql)?;
    let ended = ended.query_map(parameters, |row| row.get(0))?;
    Ok(ended.collect::<Result<_, _>>()?)
}

fn find(file: &Connection, id: &str) -> Result<Option<Session>, StoreError> {
    let mut session = file.prepare_cached(
        "SELECT id, key, capabilities, protocol_version, client_name, log_level, subscribed, \
         opened_at, touched_at FROM http_session WHERE id = ?",
    )?;
    let mut rows = session.query([id])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<Session, StoreError> {
    let id: String = row.get("id")?;
    let subscribed: String = row.get("subscribed")?;
    let subscribed = serde_json::from_str(&subscribed).map_err(|error| {
        StoreError::Damaged(format!(
            "the subscriptions of a session cannot be read: {error}"
        ))
    })?;
    let key: String = row.get("key")?;
    Ok(Session {
        id,
        key: KeyId::stored(key),
        capabilities: row.get("capabilities")?,
        protocol_version: row.get("protocol_version")?,
        client_name: row.get("client_name")?,
        log_level: row.get("log_level")?,
        subscribed,
        opened_at: Timestamp(row.get("opened_at")?),
        touched_at: Timestamp(row.get("touched_at")?),
    })
}

fn insert(file: &Connection, session: &Session) -> Result<(), StoreError> {
    let sql = "INSERT INTO http_session (id, key, capabilities, protocol_version, client_name, \
               log_level, subscribed, opened_at, touched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    file.prepare_cached(sql)?.execute(params![
        session.id,
        session.key.as_str(),
        session.capabilities,
        session.protocol_version,
        session.client_name,
        session.log_level,
        json(&session.subscribed)?,
        session.opened_at.0,
        session.touched_at.0,
    ])?;
    Ok(())
}

fn json(list: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|error| StoreError::Defect(error.into()))
}
