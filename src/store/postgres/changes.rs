//! Notices commits of any Mimo.

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_postgres::Row;

use super::PostgresStore;
use crate::meter::store::Op;
use crate::store::changes::{Changes, Topic};
use crate::store::{StoreError, Stored, measured};

impl Changes for PostgresStore {
    fn stored(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// The server's snapshot does not change while nobody commits. Commits of other
    /// programs change it too, which costs a needless check and never misses a write.
    fn version(&self) -> Stored<'_, i64> {
        measured(Op::Version, async move {
            let snapshot = self.query_row("SELECT pg_current_snapshot()::text").await?;
            let hash = Sha256::digest(snapshot.get::<_, &str>(0));
            let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash);
            Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
        })
    }

    fn announced(&self, topic: Topic) -> watch::Receiver<u64> {
        self.node.announcements.of(topic)
    }
}

impl PostgresStore {
    /// The only row of one statement, which needs no transaction around it.
    pub(super) async fn query_row(&self, sql: &str) -> Result<Row, StoreError> {
        let client = self.pools.reader(&self.connector).await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query_one(&statement, &[]).await?)
    }
}
