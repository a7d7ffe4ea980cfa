//! Answers an exchange of one request in the task of its connection: a task of its own
//! would wake another thread.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{GetExtensions, GetMeta, JsonRpcMessage, JsonRpcRequest};
use rmcp::service::{Peer, RequestContext, RxJsonRpcMessage, TxJsonRpcMessage, serve_directly};
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServerHandler, Service};
use tokio::runtime::Handle;

use crate::server::mcp::Mcp;
use crate::wire::{Exchange, Messages, Outbox};

/// Work that runs in the task that awaits it. Dropped before its end, it is detached:
/// it continues in a task of its own.
pub(super) struct DetachOnDrop(Option<BoxFuture<'static, ()>>);

impl DetachOnDrop {
    pub(super) fn new(work: impl Future<Output = ()> + Send + 'static) -> DetachOnDrop {
        DetachOnDrop(Some(Box::pin(work)))
    }

    /// Runs in a task of its own from the start.
    pub(super) fn detached(work: impl Future<Output = ()> + Send + 'static) -> DetachOnDrop {
        tokio::spawn(work);
        DetachOnDrop(None)
    }

    /// The first messages of the exchange that this works on.
    pub(super) async fn first(&mut self, outbox: &Outbox) -> Option<Messages> {
        tokio::select! {
            biased;
            () = &mut *self => outbox.next().await,
            first = outbox.next() => first,
        }
    }
}

impl Future for DetachOnDrop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(work) = &mut self.0 else {
            return Poll::Pending;
        };
        ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(())
    }
}

impl Drop for DetachOnDrop {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

/// Answers the only request of an exchange, as rmcp's loop would.
pub(super) async fn answer(service: Mcp, mut exchange: Exchange, peer: NullPeer) {
    let Some(JsonRpcMessage::Request(JsonRpcRequest {
        id, mut request, ..
    })) = exchange.receive().await
    else {
        return;
    };
    let mut context = RequestContext::new(id.clone(), peer);
    std::mem::swap(&mut context.meta, request.get_meta_mut());
    std::mem::swap(&mut context.extensions, request.extensions_mut());
    let cancel = context.ct.clone();
    let handling = AssertUnwindSafe(service.handle_request(request, context)).catch_unwind();
    let mut handling = std::pin::pin!(handling);
    let handled = loop {
        tokio::select! {
            biased;
            handled = &mut handling => break handled,
            message = exchange.receive() => {
                // It was cancelled, or nobody reads its answer any more.
                cancel.cancel();
                if message.is_none() {
                    break handling.await;
                }
            }
        }
    };
    // A handler that panicked has been answered by the guard that counts handlers.
    if let Ok(result) = handled {
        let message = match result {
            Ok(result) => JsonRpcMessage::response(result, id),
            Err(error) => JsonRpcMessage::error(error, Some(id)),
        };
        let Ok(()) = exchange.send(message).await;
    }
    let _ended = exchange.receive().await;
}

/// The peer of requests that are answered without rmcp's loop. Nothing is sent to it.
pub(super) type NullPeer = Peer<RoleServer>;

pub(super) fn null_peer() -> NullPeer {
    serve_directly(NullHandler, NullTransport, None)
        .peer()
        .clone()
}

struct NullHandler;

impl ServerHandler for NullHandler {}

struct NullTransport;

impl Transport<RoleServer> for NullTransport {
    type Error = Infallible;

    fn send(
        &mut self,
        _: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        std::future::ready(Ok(()))
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        std::future::pending().await
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
