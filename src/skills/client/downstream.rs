//! The client that a skill may ask, as far as a skill knows it.

use futures::future::BoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::skills::spec::SkillName;

/// The client that Mimo serves over stdio, as far as skills may reach it.
pub trait DownstreamClient: Send + Sync {
    /// Ready once the client's capabilities are known, or never will be.
    fn wait_initialized(&self) -> BoxFuture<'static, ()>;
    /// The capabilities of the client that a skill may use.
    fn capabilities(&self) -> Map<String, Value>;
    /// Forwards a skill's request; gives the client's result or JSON-RPC error.
    fn send_request(
        &self,
        skill: &SkillName,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'static, Result<Box<RawValue>, Box<RawValue>>>;
    /// Forwards a skill's notification; never waits.
    fn notify(&self, skill: &SkillName, method: &str, params: Option<&RawValue>);
}

/// Used when there is no client: every question is refused.
pub(crate) struct NoClient;

impl DownstreamClient for NoClient {
    fn wait_initialized(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn capabilities(&self) -> Map<String, Value> {
        Map::new()
    }

    fn send_request(
        &self,
        _skill: &SkillName,
        method: String,
        _params: Option<Box<RawValue>>,
    ) -> BoxFuture<'static, Result<Box<RawValue>, Box<RawValue>>> {
        let error = serde_json::json!({
            "code": -32601,
            "message": format!("there is no client that could answer {method}"),
        });
        let refused = serde_json::value::to_raw_value(&error).unwrap_or_default();
        Box::pin(std::future::ready(Err(refused)))
    }

    fn notify(&self, _skill: &SkillName, _method: &str, _params: Option<&RawValue>) {}
}
