//! Results of other servers, passed on as they came: rmcp's typed results would
//! drop every field they do not know. The lifecycle's rules stay rmcp's: the
//! typed handler runs as ever and leaves the whole result beside its own.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    ClientNotification, ClientRequest, CustomResult, Extensions, ProtocolVersion, ServerConfig,
    ServerResult,
};
use rmcp::service::{NotificationContext, RequestContext, Service};
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use super::Mcp;

/// The service of a connection, whose results may be those of other servers.
pub struct Passing(pub Mcp);

/// Where a handler leaves a result to be passed on.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Value>>>);

impl Slot {
    fn value(&self) -> std::sync::MutexGuard<'_, Option<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves `result` to be sent instead of what the handler returns; gives it
/// back where nothing passes results on.
pub fn leave(extensions: &Extensions, result: Value) -> Result<(), Value> {
    match extensions.get::<Slot>() {
        Some(slot) => {
            *slot.value() = Some(result);
            Ok(())
        }
        None => Err(result),
    }
}

impl Service<RoleServer> for Passing {
    async fn handle_request(
        &self,
        request: ClientRequest,
        mut context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        if !matches!(request, ClientRequest::CallToolRequest(_)) {
            return self.0.handle_request(request, context).await;
        }
        let slot = Slot::default();
        context.extensions.insert(slot.clone());
        let own = self.0.handle_request(request, context).await?;
        let left = slot.value().take();
        Ok(match left {
            Some(result) => ServerResult::CustomResult(CustomResult(dressed(result, &own))),
            None => own,
        })
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        Service::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.0)
    }
}

/// The result with the mark of completeness that our client's revision has or
/// has not, whatever the other server's has.
fn dressed(mut result: Value, own: &ServerResult) -> Value {
    const MARK: &str = "resultType";
    let own = serde_json::to_value(own).unwrap_or_default();
    if let Some(members) = result.as_object_mut() {
        match own.get(MARK) {
            Some(mark) => {
                members.entry(MARK).or_insert_with(|| mark.clone());
            }
            None => {
                members.remove(MARK);
            }
        }
    }
    result
}
