//! `subscriptions/listen` of revision 2026-07-28: a stream of changes, and the
//! resources it names are watched for as long as it lasts.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::service::SubscriptionContext;
use tokio::sync::broadcast::error::RecvError;

use super::errors::gateway_error;
use super::session::{ChangeNotice, Session};
use crate::catalog::{SubscriptionEnd, View};
use crate::failure::{CallError, Kind};

/// Serves a stream until it or the connection ends.
pub(super) async fn listen(
    session: &Arc<Session>,
    subscription: SubscriptionContext,
) -> Result<(), ErrorData> {
    let mut notices = session.notices();
    let mut watched = WatchedResources {
        session: session.clone(),
        uris: Vec::new(),
    };
    if let Some(catalog) = &session.catalog {
        watched.watch(catalog, &subscription).await?;
    }
    let sink = subscription.sink();
    loop {
        let received = tokio::select! {
            received = notices.recv() => received,
            () = subscription.cancelled() => return Ok(()),
            // With its final result: an open stream must not keep the connection
            // from ending.
            () = session.connection.draining().cancelled() => return Ok(()),
        };
        // The sink drops what the client did not ask for.
        let sent = match received {
            Ok(ChangeNotice::ToolList) | Err(RecvError::Lagged(_)) => {
                sink.notify_tool_list_changed().await
            }
            Ok(ChangeNotice::PromptList) => sink.notify_prompt_list_changed().await,
            Ok(ChangeNotice::ResourceList) => sink.notify_resource_list_changed().await,
            Ok(ChangeNotice::Resource(uri)) => sink.notify_resource_updated(uri).await,
            Err(RecvError::Closed) => return Ok(()),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a change was not announced");
        }
    }
}

/// Mimo's own resources that a stream names, watched until this is dropped.
struct WatchedResources {
    session: Arc<Session>,
    uris: Vec<String>,
}

impl WatchedResources {
    /// Begins to watch. The stream was acknowledged before, so a commit meanwhile
    /// may be a change that has to be announced.
    async fn watch(
        &mut self,
        catalog: &View,
        subscription: &SubscriptionContext,
    ) -> Result<(), ErrorData> {
        let accepted = subscription.accepted();
        let cancel = &subscription.request_context().ct;
        let before = catalog.commits();
        let session = self.session.clone();
        let announce_since = |notice: ChangeNotice| {
            if catalog.commits() != before {
                session.announce(notice);
            }
        };
        for uri in accepted.resource_subscriptions.iter().flatten() {
            match catalog
                .subscribe(uri, SubscriptionEnd::StreamEnds, cancel)
                .await
            {
                Ok(_) if catalog.owns(uri) => {
                    self.uris.push(uri.clone());
                    announce_since(ChangeNotice::Resource(uri.clone()));
                }
                Ok(_) => {}
                Err(CallError::Gateway(failure)) if failure.kind == Kind::LimitExceeded => {
                    return Err(gateway_error(&failure));
                }
                Err(error) => {
                    let failure = error.into_failure();
                    tracing::debug!(uri, %failure, "changes of a resource are not announced");
                }
            }
        }
        if accepted.prompts_list_changed == Some(true) {
            catalog.watch_prompt_list().await;
            announce_since(ChangeNotice::PromptList);
        }
        if accepted.resources_list_changed == Some(true) {
            catalog.watch_resource_list().await;
            announce_since(ChangeNotice::ResourceList);
        }
        Ok(())
    }
}

impl Drop for WatchedResources {
    fn drop(&mut self) {
        for uri in &self.uris {
            if let Some(catalog) = &self.session.catalog {
                catalog.unwatch(uri, SubscriptionEnd::StreamEnds);
            }
        }
    }
}
