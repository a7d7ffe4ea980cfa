//! The node: this process as an owner of executions. A connection of its own holds a
//! lock that the server frees when the connection ends, however it ends, so a lease
//! needs no clock. Its loss makes another node, which owns nothing yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Client;

use super::connection::Connector;
use super::transaction::Tx;
use crate::clock::{Clock, SystemClock};
use crate::store::StoreError;

#[derive(Default)]
pub(super) struct Node {
    member: Mutex<Option<Member>>,
    /// Held while the connection is made.
    joining: tokio::sync::Mutex<()>,
}

struct Member {
    /// The value of `execution.owner`, and the lock.
    id: i64,
    /// Holds the lock.
    client: Client,
}

/// The server notices within about nine seconds that this machine is gone, and ends a
/// statement that nobody waits for.
const SETTINGS: &str = "SET statement_timeout = 0; SET idle_session_timeout = 0; \
     SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 2; \
     SET tcp_user_timeout = 9000";

impl Node {
    fn member(&self) -> MutexGuard<'_, Option<Member>> {
        self.member.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node that this process is, while its connection lives.
    pub(super) fn current(&self) -> Option<i64> {
        let member = self.member();
        let member = member.as_ref();
        let alive = member.filter(|member| !member.client.is_closed());
        alive.map(|member| member.id)
    }

    /// The same; becomes another node where there is none.
    pub(super) async fn join(&self, connector: &Connector) -> Result<i64, StoreError> {
        let _joining = self.joining.lock().await;
        if let Some(id) = self.current() {
            return Ok(id);
        }
        let client = connector.open().await?;
        client.batch_execute(SETTINGS).await?;
        let mut bytes = [0; 8];
        SystemClock.fill_random(&mut bytes);
        // Not the 0 of `claim_any`, and in a space of its own: other locks have two numbers.
        let id = i64::from_be_bytes(bytes) | 1;
        client
            .query_one("SELECT pg_advisory_lock($1)", &[&id])
            .await?;
        let lost = self.member().replace(Member { id, client });
        if lost.is_some() {
            tracing::warn!("the connection that holds this node's lock was lost");
        }
        Ok(id)
    }

    /// Gives up everything that it owns.
    pub(super) fn leave(&self) {
        self.member().take();
    }
}

/// Which of these nodes have ended.
pub(super) async fn gone(tx: &Tx, nodes: &[i64]) -> Result<Vec<i64>, StoreError> {
    // Shared, so that two that ask at once see the same.
    let sql = "SELECT node FROM unnest($1::bigint[]) node \
         WHERE pg_try_advisory_xact_lock_shared(node)";
    let gone = tx.query(sql, &[&nodes]).await?;
    Ok(gone.iter().map(|row| row.get(0)).collect())
}
