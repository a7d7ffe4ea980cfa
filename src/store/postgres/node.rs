//! The node: this process as an owner of executions. A connection of its own holds a
//! lock that the server frees when the connection ends, however it ends, so a lease
//! needs no clock. Its loss makes another node, which owns nothing yet. The same
//! connection hears what other nodes announce.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use super::announcements::{Announcements, listen};
use super::connection::Connector;
use super::transaction::Tx;
use crate::clock::{Clock, SystemClock};
use crate::limits::NODE_ANSWER_SECONDS_MAX;
use crate::store::StoreError;

#[derive(Default)]
pub(super) struct Node {
    member: Mutex<Option<Member>>,
    /// Held while the connection is made.
    joining: tokio::sync::Mutex<()>,
    pub(super) announcements: Announcements,
}

struct Member {
    /// The value of `execution.owner`, and the lock.
    id: i64,
    /// Holds the lock.
    client: Arc<Client>,
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

    /// The same; joins as a new node if there is none.
    pub(super) async fn join(&self, connector: &Connector) -> Result<i64, StoreError> {
        let _joining = self.joining.lock().await;
        if let Some(id) = self.current() {
            return Ok(id);
        }
        let (client, connection) = connector.connect().await?;
        tokio::spawn(self.announcements.clone().drive(connection));
        connector.begin_session(&client).await?;
        client.batch_execute(SETTINGS).await?;
        let mut bytes = [0; 8];
        SystemClock.fill_random(&mut bytes);
        // Not the 0 of `claim_any`, and in a space of its own: other locks have two numbers.
        let id = i64::from_be_bytes(bytes) | 1;
        client
            .query_one("SELECT pg_advisory_lock($1)", &[&id])
            .await?;
        client
            .batch_execute(&listen(connector.schema_key()))
            .await?;
        let client = Arc::new(client);
        let lost = self.member().replace(Member { id, client });
        if lost.is_some() {
            tracing::warn!("the connection that holds this node's lock was lost");
        }
        self.announcements.all();
        Ok(id)
    }

    /// Leaves if the server does not answer on the connection: a middlebox may keep it
    /// open although it is dead.
    pub(super) async fn check(&self) {
        let client = self.member().as_ref().map(|member| member.client.clone());
        let Some(client) = client else { return };
        let most = Duration::from_secs(NODE_ANSWER_SECONDS_MAX);
        let answer = timeout(most, client.batch_execute("SELECT 1")).await;
        if !matches!(answer, Ok(Ok(()))) {
            let mut member = self.member();
            // Another call may have joined meanwhile.
            if member
                .as_ref()
                .is_some_and(|now| Arc::ptr_eq(&now.client, &client))
            {
                tracing::warn!("the connection that holds this node's lock does not answer");
                member.take();
            }
        }
    }

    /// Gives up everything that it owns.
    pub(super) fn leave(&self) {
        self.member().take();
    }
}

/// The nodes among these that have ended.
pub(super) async fn ended(tx: &Tx, nodes: &[i64]) -> Result<Vec<i64>, StoreError> {
    // Shared, so that two that ask at once see the same.
    let sql = "SELECT node FROM unnest($1::bigint[]) node \
         WHERE pg_try_advisory_xact_lock_shared(node)";
    let gone = tx.query(sql, &[&nodes]).await?;
    Ok(gone.iter().map(|row| row.get(0)).collect())
}
