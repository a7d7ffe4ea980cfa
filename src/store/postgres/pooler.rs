//! A pooler between here and the server, which may mix up sessions.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::error::unavailable;
use crate::store::StoreError;

/// Whether a pooler between gives its connections to whoever has a transaction. Two
/// sessions that are open at the same time otherwise have two processes of the server,
/// and keep them. A pooler by transaction gives the one that was used last.
pub(super) async fn is_pooled(one: &Client, two: &Client) -> Result<bool, StoreError> {
    let mut processes = Vec::new();
    for client in [one, two, one, two] {
        let process = client.query_one("SELECT pg_backend_pid()", &[]).await;
        match process {
            Ok(process) => processes.push(process.get::<_, i32>(0)),
            // The statement was prepared on another connection.
            Err(error) if error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME) => {
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let [first, second, again_first, again_second] = processes[..] else {
        return Ok(false);
    };
    Ok(first == second || first != again_first || second != again_second)
}

pub(super) fn refusal() -> StoreError {
    unavailable(
        "a pooler between here and the server shares its connections by transaction, and Mimo \
         keeps settings, prepared statements and a lock in its sessions",
        "connect to the server itself, or let the pooler pool by session (PgBouncer: \
         pool_mode = session)",
    )
}
