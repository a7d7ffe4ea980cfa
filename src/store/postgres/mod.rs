//! The PostgreSQL room: one schema of a database, which several Mimos on several
//! machines may use at once. Reads see one snapshot each; writes are ordered by
//! advisory locks, so that none has to be repeated.

mod announcements;
mod changes;
mod connection;
mod erasure;
mod error;
mod graph;
mod inventory;
mod keys;
mod locks;
mod memory;
mod migrate;
mod names;
mod node;
mod nodes;
mod pins;
mod pooler;
mod procedure;
mod retention;
mod server;
mod sessions;
mod settings;
mod store;
mod transaction;
pub(super) mod transfer;
mod values;
mod verify;

use std::sync::Arc;

use tokio::sync::watch;

pub use self::settings::PostgresSettings;

use self::connection::{Connector, Pools};
use self::locks::Lock;
use self::node::Node;
use self::transaction::Tx;
use super::StoreError;

/// The store in one schema of a PostgreSQL database. Connects at the first call; if
/// that fails, the next call tries again.
pub struct PostgresStore {
    connector: Arc<Connector>,
    pools: Pools,
    node: Node,
    /// Incremented after each commit.
    stored: watch::Sender<u64>,
}

impl PostgresStore {
    /// Fails if the settings cannot be understood; does not wait for the server.
    pub fn start(settings: PostgresSettings) -> Result<PostgresStore, StoreError> {
        let connector = Arc::new(Connector::new(settings)?);
        Ok(PostgresStore {
            pools: Pools::new(&connector)?,
            connector,
            node: Node::default(),
            stored: watch::Sender::new(0),
        })
    }

    /// A transaction that sees one snapshot and changes nothing.
    async fn begin_read(&self) -> Result<Tx, StoreError> {
        let client = self.pools.reader(&self.connector).await?;
        Ok(Tx::read_only(client))
    }

    /// A transaction that begins by waiting for `locks`, which are in the order of
    /// [`Lock`]. Each of its statements sees what was committed before it.
    async fn begin_write(&self, locks: &[Lock]) -> Result<Tx, StoreError> {
        let client = self.pools.writer(&self.connector).await?;
        let locks = locks::statements(locks, self.connector.schema_key());
        Ok(Tx::read_write(client, &locks, self.stored.clone()))
    }
}
