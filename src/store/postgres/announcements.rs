//! Announcements between nodes: NOTIFY on one channel for each schema. A node that is
//! not connected misses them, so each end of its connection counts as an announcement
//! of everything, and waiters also poll now and then.

use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Connection};

use super::PostgresStore;
use super::transaction::Tx;
use crate::store::StoreError;
use crate::store::changes::Topic;

/// Counters of announcements.
#[derive(Clone, Default)]
pub(super) struct Announcements {
    topics: [watch::Sender<u64>; Topic::ALL.len()],
    /// Of connections that ended.
    ended: watch::Sender<u64>,
}

impl Announcements {
    pub(crate) fn of(&self, topic: Topic) -> watch::Receiver<u64> {
        self.topics[topic as usize].subscribe()
    }

    pub(crate) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Announcements may have been missed.
    pub(crate) fn all(&self) {
        for topic in &self.topics {
            topic.send_modify(|count| *count += 1);
        }
    }

    fn receive(&self, name: &str) {
        // A newer Mimo may announce topics that this one does not know.
        if let Some(topic) = Topic::ALL.into_iter().find(|topic| topic.name() == name) {
            self.topics[topic as usize].send_modify(|count| *count += 1);
        }
    }

    /// Drives a connection that listens, to its end.
    pub(crate) async fn drive<S, T>(self, mut connection: Connection<S, T>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(note))) => self.receive(note.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "a connection to the database ended");
                    break;
                }
                None => break,
            }
        }
        self.ended.send_modify(|count| *count += 1);
        self.all();
    }
}

/// One channel for each schema, whose name is never too long.
fn channel(schema_key: i32) -> String {
    format!("mimo_{schema_key:08x}")
}

/// The statement after which a session receives announcements.
pub(super) fn listen(schema_key: i32) -> String {
    format!("LISTEN {}", channel(schema_key))
}

impl PostgresStore {
    /// Announces `topic` once the transaction is committed. Not for frequent writes:
    /// commits that announce something follow each other in the whole cluster.
    pub(super) async fn announce(&self, tx: &Tx, topic: Topic) -> Result<(), StoreError> {
        let (channel, name) = (channel(self.connector.schema_key()), topic.name());
        tx.batch(&format!("NOTIFY {channel}, '{name}'")).await
    }
}
