//! Subscriptions of the newest revision: what they name is watched, and told of,
//! for as long as they last.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::service::SubscriptionContext;
use tokio::sync::broadcast::error::RecvError;

use super::client::{Client, News};
use super::errors::refused;
use crate::catalog::{Until, View};
use crate::failure::{CallError, Kind};
use crate::wire::Handle;

/// What serves a subscription.
pub struct Listening<'a> {
    /// Where news come from.
    pub client: &'a Client,
    /// What can be watched, if anything.
    pub catalog: Option<&'a Arc<View>>,
    /// Where it all goes.
    pub connection: &'a Handle,
}

impl Listening<'_> {
    /// Serves one until it or the connection ends.
    pub async fn serve(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut news = self.client.listen();
        // Until it ends.
        let _watching = match self.catalog {
            Some(catalog) => Some(self.watch(catalog, &subscription).await?),
            None => None,
        };
        let sink = subscription.sink();
        loop {
            let told = tokio::select! {
                told = news.recv() => told,
                () = subscription.cancelled() => return Ok(()),
                // With its final result: an open subscription must not hold
                // the end of the connection.
                () = self.connection.draining().cancelled() => return Ok(()),
            };
            let sent = match told {
                // What was not asked for is not sent: the sink sees to that.
                Ok(News::Tools) => sink.notify_tool_list_changed().await,
                Ok(News::Prompts) => sink.notify_prompt_list_changed().await,
                Ok(News::Resources) => sink.notify_resource_list_changed().await,
                Ok(News::Updated(uri)) => sink.notify_resource_updated(uri).await,
                Err(RecvError::Lagged(_)) => sink.notify_tool_list_changed().await,
                Err(RecvError::Closed) => return Ok(()),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "not told");
            }
        }
    }

    /// Begins to watch what a subscription names. It was acknowledged already, so
    /// what was stored meanwhile may be a change that it is to be told of.
    async fn watch(
        &self,
        catalog: &Arc<View>,
        subscription: &SubscriptionContext,
    ) -> Result<Watching, ErrorData> {
        let accepted = subscription.accepted();
        let cancel = &subscription.request_context().ct;
        let before = catalog.commits();
        let mut watching = Watching {
            catalog: catalog.clone(),
            uris: Vec::new(),
        };
        for uri in accepted.resource_subscriptions.iter().flatten() {
            match catalog.subscribe(uri, Until::StreamEnds, cancel).await {
                Ok(_) if catalog.owns(uri) => {
                    watching.uris.push(uri.clone());
                    if catalog.commits() != before {
                        self.client.announce(News::Updated(uri.clone()));
                    }
                }
                Ok(_) => {}
                Err(CallError::Gateway(failure)) if failure.kind == Kind::LimitExceeded => {
                    return Err(refused(&failure));
                }
                Err(miss) => {
                    let failure = miss.into_failure();
                    tracing::debug!(uri, %failure, "changes of a resource will not be told");
                }
            }
        }
        if accepted.prompts_list_changed == Some(true) {
            catalog.watch_prompt_list().await;
            if catalog.commits() != before {
                self.client.announce(News::Prompts);
            }
        }
        if accepted.resources_list_changed == Some(true) {
            catalog.watch_resource_list().await;
            if catalog.commits() != before {
                self.client.announce(News::Resources);
            }
        }
        Ok(watching)
    }
}

/// Resources of ours that a subscription names, for as long as it lasts.
struct Watching {
    catalog: Arc<View>,
    uris: Vec<String>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        for uri in &self.uris {
            self.catalog.unwatch(uri, Until::StreamEnds);
        }
    }
}
