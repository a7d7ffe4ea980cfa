//! Detects a pooler before the server, which may mix up sessions.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::error::unavailable;
use crate::store::StoreError;

/// Whether a pooler between gives its connections to whoever has a transaction. Two
/// sessions that are open at the same time otherwise have two processes of the server,
/// and keep them. A pooler by transaction gives the one that was used last.
pub(super) async fn is_pooled(one: &Client, two: &Client) -> Result<bool, StoreError> {
    let before = (process(one).await?, process(two).await?);
    let after = (process(one).await?, process(two).await?);
    Ok(before.0 == before.1 || before != after)
}

/// The process that serves this session now.
async fn process(client: &Client) -> Result<Option<String>, StoreError> {
    // In one message: a prepared statement is closed later, and until then the pooler
    // would give the other session another connection.
    let answer = client.simple_query("SELECT pg_backend_pid()").await?;
    Ok(answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

pub(super) fn refusal() -> StoreError {
    unavailable(
        "a pooler between here and the server shares its connections by transaction, and Mimo \
         keeps settings, prepared statements and a lock in its sessions",
        "connect to the server itself, or let the pooler pool by session (PgBouncer: \
         pool_mode = session)",
    )
}
