//! The connections of the server: their number, from one address and in total, and how
//! long a request may stay unsent or an answer unread.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Peer;
use crate::limits::{
    HTTP_ADDRESS_CONNECTIONS_PERCENT_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_SECONDS_MAX,
    HTTP_HEADERS_MAX, HTTP_UNREAD_MILLIS_MAX,
};
use crate::meter::http::{self as meter, RateLimit};

/// The slots for connections. No single address can take all of them, because
/// connecting takes no key; trusted proxies can.
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    per_address_max: usize,
    trusted_proxies: Vec<IpAddr>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One slot, released when it is dropped.
struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionSlots {
    pub(super) fn new(connections: usize, trusted_proxies: Vec<IpAddr>) -> ConnectionSlots {
        ConnectionSlots {
            free: Arc::new(Semaphore::new(connections)),
            per_address_max: (connections * HTTP_ADDRESS_CONNECTIONS_PERCENT_MAX).div_ceil(100),
            trusted_proxies,
            by_address: Mutex::default(),
        }
    }

    fn acquire(self: &Arc<ConnectionSlots>, address: IpAddr) -> Option<ConnectionSlot> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        let mut by_address = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let own = by_address.entry(address).or_default();
        if *own >= self.per_address_max && !self.trusted_proxies.contains(&address) {
            return None;
        }
        *own += 1;
        Some(ConnectionSlot {
            slots: self.clone(),
            address,
            _permit: permit,
        })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let by_address = self.slots.by_address.lock();
        let mut by_address = by_address.unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut own) = by_address.entry(self.address) {
            match own.get() {
                0 | 1 => drop(own.remove()),
                more => *own.get_mut() = more - 1,
            }
        }
    }
}

/// The open connections of all listeners.
pub(super) struct Connections {
    slots: Arc<ConnectionSlots>,
    open: TaskTracker,
    /// Cancelled when they are to be closed.
    end: CancellationToken,
}

impl Connections {
    pub(super) fn new(slots: ConnectionSlots) -> Connections {
        Connections {
            slots: Arc::new(slots),
            open: TaskTracker::new(),
            end: CancellationToken::new(),
        }
    }

    /// Serves the connections of a listener until it is dropped.
    pub(super) async fn accept_all(&self, listener: TcpListener, router: Router) {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, for example: others have to end first.
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(slot) = self.slots.acquire(peer.ip()) else {
                // Closed at once: a queue would hide that the bound is reached.
                meter::RATE_LIMITED.increment(RateLimit::Connections);
                continue;
            };
            // Answers are small, and waiting for more bytes would cost 40 ms.
            let _ = stream.set_nodelay(true);
            limit_unread(&stream, HTTP_UNREAD_MILLIS_MAX);
            let serving = serve_connection(stream, peer.ip(), router.clone(), self.end.clone());
            self.open.spawn(async move {
                let _slot = slot;
                serving.await;
            });
        }
    }

    /// Closes the connections, each after the answer that it is sending.
    pub(super) async fn close(&self) {
        self.end.cancel();
        self.open.close();
        // Their last bytes; a client that does not read them is not waited for.
        let _ = timeout(Duration::from_secs(1), self.open.wait()).await;
    }
}

/// Lets the kernel end a connection whose client has read nothing for so long: it would
/// hold its slot for ever, without a key.
fn limit_unread(stream: &TcpStream, millis: u32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = setsockopt(stream, sockopt::TcpUserTimeout, &millis) {
        tracing::debug!(%error, "a connection has no limit for what it leaves unread");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, millis);
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: IpAddr,
    router: Router,
    end: CancellationToken,
) {
    let _counted = meter::CONNECTIONS.hold(());
    let service = TowerToHyperService::new(router.layer(axum::Extension(Peer(peer))));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HTTP_HEAD_SECONDS_MAX))
        .max_headers(HTTP_HEADERS_MAX)
        .max_buf_size(HTTP_HEAD_BYTES_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    /// How long a connection lasts on which `byte` comes each second.
    async fn lasts(byte: Option<&[u8]>) -> Duration {
        let (mut client, stream) = duplex(1024);
        let begun = Instant::now();
        let peer = IpAddr::from([127, 0, 0, 1]);
        let serving = serve_connection(stream, peer, Router::new(), CancellationToken::new());
        let sending = async {
            let head = b"GET / HTTP/1.1\r\nHost: ";
            client.write_all(head).await.expect("written");
            while let Some(byte) = byte {
                sleep(Duration::from_secs(1)).await;
                if client.write_all(byte).await.is_err() {
                    break;
                }
            }
            let mut rest = Vec::new();
            let _ = client.read_to_end(&mut rest).await;
        };
        tokio::select! {
            () = serving => {}
            () = sending => {}
        }
        begun.elapsed()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn client_that_reads_nothing_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let _client = TcpStream::connect(address).await.expect("connected");
        let (mut stream, _) = listener.accept().await.expect("accepted");
        limit_unread(&stream, 500);
        let error = loop {
            if let Err(error) = stream.write_all(&[0; 64 * 1024]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn head_that_does_not_end_in_time_ends_its_connection() {
        let most = Duration::from_secs(HTTP_HEAD_SECONDS_MAX);
        for byte in [None, Some(&b"x"[..])] {
            let lasted = lasts(byte).await;
            assert!(lasted >= most && lasted < most * 2, "{lasted:?}");
        }
    }
}
