//! From a method's name and its parameters to a typed request: a table by name,
//! so that a fault is reported for the method that was meant. Pure.

// Log levels are of the older revisions only, and those are served.
#![expect(deprecated)]

use rmcp::model::*;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::json_kind;

/// A request that Mimo answers itself. For rmcp it is a custom request, so that
/// its result can be text; rmcp keeps the lifecycle and cancellation.
///
/// It is in the extensions of the custom request.
#[derive(Clone, Debug)]
pub(crate) enum GatewayRequest {
    CallTool(ToolCall),
    ListTools,
    ListPrompts,
    GetPrompt(GetPromptRequestParams),
    ListResources,
    ListResourceTemplates,
    ReadResource(ReadResourceRequestParams),
    Subscribe(SubscribeRequestParams),
    Unsubscribe(UnsubscribeRequestParams),
    Complete(CompleteRequestParams),
    SetLevel(SetLevelRequestParams),
}

#[derive(Clone, Debug)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// Not always an object: some clients send it as a string. The tool's schema
    /// decides.
    pub(crate) arguments: Value,
    /// The `requestState` that a retry repeats from the incomplete result.
    pub(crate) request_state: Option<String>,
    pub(crate) input_responses: Option<InputResponses>,
}

/// Parameters that do not match their method, to be answered with -32602. They
/// are in the extensions of a custom request, as a [`GatewayRequest`] is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BadParams {
    pub(crate) reason: String,
    /// The tool that was meant, where the method is `tools/call`.
    pub(crate) tool: Option<String>,
}

impl From<String> for BadParams {
    fn from(reason: String) -> Self {
        BadParams { reason, tool: None }
    }
}

/// The one long-lived request without a session, which receives changes.
pub(crate) const LISTEN: &str = "subscriptions/listen";

/// The parts of a request that a client over HTTP repeats in headers.
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// The tool, the prompt or the URI; absent for other methods, and where it cannot
    /// be read.
    pub(crate) name: Option<&'a str>,
    /// The revision in its `_meta`.
    pub(crate) version: Option<ProtocolVersion>,
    /// The missing members that revision 2026-07-28 requires in `_meta`.
    pub(crate) missing: Vec<&'static str>,
}

pub(crate) fn head(request: &ClientRequest) -> Head<'_> {
    let gateway: Option<&GatewayRequest> = request.extensions().get();
    let name = match gateway {
        Some(GatewayRequest::CallTool(call)) => Some(call.name.as_str()),
        Some(GatewayRequest::GetPrompt(params)) => Some(params.name.as_str()),
        Some(GatewayRequest::ReadResource(params)) => Some(params.uri.as_str()),
        Some(GatewayRequest::Subscribe(params)) => Some(params.uri.as_str()),
        Some(GatewayRequest::Unsubscribe(params)) => Some(params.uri.as_str()),
        _ => None,
    };
    Head {
        method: request.method(),
        name,
        version: request.get_meta().protocol_version(),
        missing: request
            .get_meta()
            .missing_required_keys(&ProtocolVersion::V_2026_07_28),
    }
}

/// Methods that revision 2026-07-28 removed.
const REMOVED: [&str; 5] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
];

/// The request as rmcp takes it.
pub(super) fn request(method: &str, params: Option<Value>) -> ClientRequest {
    parse_request(method, params).unwrap_or_else(|bad| {
        let mut extensions = Extensions::new();
        extensions.insert(bad);
        custom(method, extensions)
    })
}

/// The notification as rmcp takes it, or `None` where its parameters do not match:
/// nobody waits for an answer to it. `notifications/cancelled` is not for here.
pub(super) fn notification(method: &str, params: Option<Value>) -> Option<ClientNotification> {
    let (params, meta) = split(params).ok()?;
    let mut extensions = Extensions::new();
    if let Some(meta) = meta {
        extensions.insert(NotificationMetaObject::from(meta));
    }
    Some(match method {
        "notifications/initialized" => {
            ClientNotification::InitializedNotification(InitializedNotification {
                method: Default::default(),
                extensions,
            })
        }
        "notifications/roots/list_changed" => {
            ClientNotification::RootsListChangedNotification(RootsListChangedNotification {
                method: Default::default(),
                extensions,
            })
        }
        "notifications/progress" => {
            let mut typed = ProgressNotification::new(parse(params).ok()?);
            typed.extensions = extensions;
            ClientNotification::ProgressNotification(typed)
        }
        _ => ClientNotification::CustomNotification(CustomNotification {
            method: method.to_owned(),
            params: Some(Value::Object(params)),
            extensions,
        }),
    })
}

fn parse_request(method: &str, params: Option<Value>) -> Result<ClientRequest, BadParams> {
    let (params, meta) = split(params)?;
    let mut extensions = Extensions::new();
    if let Some(meta) = meta {
        extensions.insert(RequestMetaObject::from(meta));
    }
    let stateless = extensions
        .get::<RequestMetaObject>()
        .and_then(RequestMetaObject::protocol_version)
        // Revisions are dates, which compare as text.
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
    // Methods like any unknown one there, whatever their parameters.
    if stateless && REMOVED.contains(&method) {
        return Ok(custom(method, extensions));
    }
    let request = match method {
        "ping" => {
            return Ok(ClientRequest::PingRequest(PingRequest {
                method: Default::default(),
                extensions,
            }));
        }
        "initialize" => {
            return with(params, extensions).map(ClientRequest::InitializeRequest);
        }
        "server/discover" => {
            return with(params, extensions).map(ClientRequest::DiscoverRequest);
        }
        LISTEN => {
            return with(params, extensions).map(ClientRequest::SubscriptionsListenRequest);
        }
        "tools/call" => GatewayRequest::CallTool(tool_call(params)?),
        "tools/list" => page(params, GatewayRequest::ListTools)?,
        "prompts/list" => page(params, GatewayRequest::ListPrompts)?,
        "prompts/get" => GatewayRequest::GetPrompt(parse(params)?),
        "resources/list" => page(params, GatewayRequest::ListResources)?,
        "resources/templates/list" => page(params, GatewayRequest::ListResourceTemplates)?,
        "resources/read" => GatewayRequest::ReadResource(parse(params)?),
        "resources/subscribe" => GatewayRequest::Subscribe(parse(params)?),
        "resources/unsubscribe" => GatewayRequest::Unsubscribe(parse(params)?),
        "completion/complete" => GatewayRequest::Complete(parse(params)?),
        "logging/setLevel" => GatewayRequest::SetLevel(parse(params)?),
        _ => return Ok(custom(method, extensions)),
    };
    extensions.insert(request);
    Ok(custom(method, extensions))
}

fn custom(method: &str, extensions: Extensions) -> ClientRequest {
    let mut request = CustomRequest::new(method, None);
    request.extensions = extensions;
    ClientRequest::CustomRequest(request)
}

/// The parameters as an object, and the `_meta` taken out of it: rmcp keeps
/// that in the extensions.
fn split(params: Option<Value>) -> Result<(JsonObject, Option<JsonObject>), BadParams> {
    let mut params = match params {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(params)) => params,
        Some(other) => {
            let reason = format!("params must be an object, not {}", json_kind(&other));
            return Err(reason.into());
        }
    };
    match params.remove("_meta") {
        None | Some(Value::Null) => Ok((params, None)),
        Some(Value::Object(meta)) => Ok((params, Some(meta))),
        Some(other) => Err(BadParams {
            reason: format!("params._meta must be an object, not {}", json_kind(&other)),
            // Of the methods that have a `name`, only tools have schemas.
            tool: params
                .get("name")
                .and_then(Value::as_str)
                .map(str::to_owned),
        }),
    }
}

/// `tools/call` by hand: it is the hot path, and the arguments move over as
/// they are instead of being read a second time.
fn tool_call(mut params: JsonObject) -> Result<ToolCall, BadParams> {
    let name = match params.remove("name") {
        Some(Value::String(name)) => name,
        None => {
            let reason = "params.name, the tool to call, is missing";
            return Err(reason.to_owned().into());
        }
        Some(other) => {
            let reason = format!("params.name must be a string, not {}", json_kind(&other));
            return Err(reason.into());
        }
    };
    let arguments = params.remove("arguments").unwrap_or_default();
    let bad = |reason| BadParams {
        reason,
        tool: Some(name.clone()),
    };
    let input_responses = optional(&mut params, "inputResponses").map_err(bad)?;
    let request_state = optional(&mut params, "requestState").map_err(bad)?;
    Ok(ToolCall {
        name,
        arguments,
        request_state,
        input_responses,
    })
}

fn optional<P: DeserializeOwned>(params: &mut JsonObject, name: &str) -> Result<Option<P>, String> {
    let value = params.remove(name).unwrap_or_default();
    serde_json::from_value(value).map_err(|error| format!("params.{name}: {error}"))
}

fn with<M: Default, P: DeserializeOwned>(
    params: JsonObject,
    extensions: Extensions,
) -> Result<Request<M, P>, BadParams> {
    let mut request = Request::new(parse(params)?);
    request.extensions = extensions;
    Ok(request)
}

/// The request for a list, if its cursor is one. Every list is a single page.
fn page(params: JsonObject, request: GatewayRequest) -> Result<GatewayRequest, BadParams> {
    if !params.is_empty() {
        parse::<PaginatedRequestParams>(params)?;
    }
    Ok(request)
}

fn parse<P: DeserializeOwned>(params: JsonObject) -> Result<P, String> {
    serde_json::from_value(Value::Object(params)).map_err(|error| format!("params: {error}"))
}
