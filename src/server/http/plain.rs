//! `/v1/mimo`: tools without MCP, for scripts. One request, one document.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::gate::Principal;
use super::refusal::{Refusal, json_response};
use super::{Http, RequestId, body};
use crate::caller::{Caller, ToolGrants};
use crate::failure::{CallError, Failure};
use crate::telemetry::audit;
use crate::tools::skills::AutoChoice;
use crate::tools::{Context, Reply};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolRequest {
    tool: String,
    #[serde(default)]
    arguments: Value,
}

pub(super) async fn ask(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let arguments = document(&http, &headers, body, &id).await?;
    call(&http, &principal, &id, "ask_mimo", arguments).await
}

pub(super) async fn tool(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (tool, arguments) = request(&http, &headers, body, &id).await?;
    call(&http, &principal, &id, &tool, arguments).await
}

/// The name of a tool and its arguments.
pub(super) async fn request(
    http: &Http,
    headers: &HeaderMap,
    body: Body,
    id: &RequestId,
) -> Result<(String, Value), Refusal> {
    let request = document(http, headers, body, id).await?;
    let request: ToolRequest = serde_json::from_value(request).map_err(|error| {
        let failure = Failure::invalid("", format!("this is not a tool call: {error}")).hint(
            "send for example {\"tool\": \"memory_search\", \"arguments\": {\"query\": \"..\"}}",
        );
        Refusal::failure(&failure).with_request_id(&id.0)
    })?;
    let arguments = match request.arguments {
        Value::Null => json!({}),
        arguments => arguments,
    };
    Ok((request.tool, arguments))
}

pub(super) async fn tools(
    State(http): State<Arc<Http>>,
    Extension(principal): Extension<Principal>,
    Extension(id): Extension<RequestId>,
) -> Result<Response, Refusal> {
    let server = &http.server;
    if let Some(skills) = server.dispatch.skills() {
        skills.ready().await;
    }
    let mut choice = AutoChoice::default();
    let tools = server
        .listings
        .tools(&server.dispatch, &principal.grants, &mut choice);
    let tools = tools.map_err(|failure| Refusal::failure(&failure).with_request_id(&id.0))?;
    Ok(json_response(StatusCode::OK, tools.get().to_owned()))
}

pub(super) async fn call(
    http: &Arc<Http>,
    principal: &Principal,
    id: &RequestId,
    name: &str,
    arguments: Value,
) -> Result<Response, Refusal> {
    let dispatch = &http.server.dispatch;
    let grants = &principal.grants.tools;
    if !dispatch.serves(name, grants) && dispatch.serves(name, &ToolGrants::All) {
        audit::record(
            "scope.refused",
            &[
                ("key", principal.key.id.as_str()),
                ("tool", name),
                ("request_id", &id.0),
            ],
        );
        let challenge = "Bearer realm=\"mimo\", error=\"insufficient_scope\"";
        let message = "this key may not use the tool; GET /v1/mimo/tools lists those it may";
        return Err(
            Refusal::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
                .header(header::WWW_AUTHENTICATE, challenge)
                .with_request_id(&id.0),
        );
    }
    let context = Context::new(Caller::new(
        principal.grants.clone(),
        http.day_of(principal),
    ));
    // A client that goes away cancels its call.
    let _cancel = context.cancel.clone().drop_guard();
    let reply = dispatch.call(name, arguments, context).await;
    let failed = |error: CallError| {
        let mut failure = error.into_failure();
        if let Some(hint) = &mut failure.hint {
            *hint = hint.replace("tools/list names", "GET /v1/mimo/tools names");
        }
        Refusal::failure(&failure).with_request_id(&id.0)
    };
    let text = match reply.map_err(failed)? {
        Reply::Document(document) => document.0,
        Reply::Object(object) => object.to_string(),
        Reply::Forwarded(raw) => raw.get().to_owned(),
    };
    Ok(json_response(StatusCode::OK, text))
}

/// The JSON document of a body.
async fn document(
    http: &Http,
    headers: &HeaderMap,
    body: Body,
    id: &RequestId,
) -> Result<Value, Refusal> {
    let read = body::read(&http.bodies, headers, body).await;
    let (bytes, _space) = read.map_err(|refusal| refusal.with_request_id(&id.0))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let failure = Failure::invalid("", format!("the body is not JSON: {error}"))
            .hint("send one JSON object");
        Refusal::failure(&failure).with_request_id(&id.0)
    })
}
