//! From a method's name and its parameters to rmcp's typed request: a table by
//! name, so that a fault is reported for the method that was meant. Pure.

use rmcp::model::*;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::json_kind;

/// Stands in a request's extensions when the method is known and its
/// parameters do not fit: the server layer answers it with -32602.
#[derive(Clone, Debug, PartialEq)]
pub struct BadParams {
    /// What does not fit, in words.
    pub reason: String,
    /// The tool that was meant, where the method is `tools/call`.
    pub tool: Option<String>,
}

/// Stands in a `tools/call` request's extensions when `arguments` was not an
/// object: some clients send the object as a string. The tool's schema judges.
#[derive(Clone, Debug, PartialEq)]
pub struct LooseArguments(pub Value);

impl From<String> for BadParams {
    fn from(reason: String) -> Self {
        BadParams { reason, tool: None }
    }
}

/// Methods that the stateless revision has no more.
const REMOVED: [&str; 5] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
];

/// The typed request. Parameters that do not fit become a [`CustomRequest`]
/// that carries [`BadParams`], so every request takes the same way.
pub fn request(method: &str, params: Option<Value>) -> ClientRequest {
    typed(method, params).unwrap_or_else(|bad| {
        let mut request = CustomRequest::new(method, None);
        request.extensions.insert(bad);
        ClientRequest::CustomRequest(request)
    })
}

/// The typed notification, or nothing where its parameters do not fit: nobody
/// waits for an answer to it. `notifications/cancelled` is not for here.
pub fn notification(method: &str, params: Option<Value>) -> Option<ClientNotification> {
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
            let mut typed = ProgressNotification::new(fit(params).ok()?);
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

fn typed(method: &str, params: Option<Value>) -> Result<ClientRequest, BadParams> {
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
    match method {
        "tools/call" => call(params, extensions).map(ClientRequest::CallToolRequest),
        // Methods like any unknown one there, whatever their parameters.
        method if stateless && REMOVED.contains(&method) => Ok(unknown(method, params, extensions)),
        "ping" => Ok(ClientRequest::PingRequest(PingRequest {
            method: Default::default(),
            extensions,
        })),
        "tools/list" => listing(params, extensions).map(ClientRequest::ListToolsRequest),
        "prompts/list" => listing(params, extensions).map(ClientRequest::ListPromptsRequest),
        "resources/list" => listing(params, extensions).map(ClientRequest::ListResourcesRequest),
        "resources/templates/list" => {
            listing(params, extensions).map(ClientRequest::ListResourceTemplatesRequest)
        }
        "initialize" => with(params, extensions).map(ClientRequest::InitializeRequest),
        "server/discover" => with(params, extensions).map(ClientRequest::DiscoverRequest),
        "completion/complete" => with(params, extensions).map(ClientRequest::CompleteRequest),
        "logging/setLevel" => with(params, extensions).map(ClientRequest::SetLevelRequest),
        "prompts/get" => with(params, extensions).map(ClientRequest::GetPromptRequest),
        "resources/read" => with(params, extensions).map(ClientRequest::ReadResourceRequest),
        "resources/subscribe" => with(params, extensions).map(ClientRequest::SubscribeRequest),
        "resources/unsubscribe" => with(params, extensions).map(ClientRequest::UnsubscribeRequest),
        "subscriptions/listen" => {
            with(params, extensions).map(ClientRequest::SubscriptionsListenRequest)
        }
        _ => Ok(unknown(method, params, extensions)),
    }
}

fn unknown(method: &str, params: JsonObject, extensions: Extensions) -> ClientRequest {
    ClientRequest::CustomRequest(CustomRequest {
        method: method.to_owned(),
        params: Some(Value::Object(params)),
        extensions,
    })
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
fn call(mut params: JsonObject, mut extensions: Extensions) -> Result<CallToolRequest, BadParams> {
    let mut typed = match params.remove("name") {
        Some(Value::String(name)) => CallToolRequestParams::new(name),
        None => {
            return Err("params.name, the tool to call, is missing"
                .to_owned()
                .into());
        }
        Some(other) => {
            let reason = format!("params.name must be a string, not {}", json_kind(&other));
            return Err(reason.into());
        }
    };
    match params.remove("arguments") {
        None | Some(Value::Null) => {}
        Some(Value::Object(arguments)) => typed.arguments = Some(arguments),
        Some(other) => {
            extensions.insert(LooseArguments(other));
        }
    }
    if !params.is_empty() {
        retry(&mut params, &mut typed).map_err(|reason| BadParams {
            reason,
            tool: Some(typed.name.to_string()),
        })?;
    }
    let mut request = CallToolRequest::new(typed);
    request.extensions = extensions;
    Ok(request)
}

/// What a call repeats of an earlier, incomplete result of its own.
fn retry(params: &mut JsonObject, typed: &mut CallToolRequestParams) -> Result<(), String> {
    if let Some(responses) = params.remove("inputResponses") {
        typed.input_responses = fit_value(responses, "inputResponses")?;
    }
    if let Some(state) = params.remove("requestState") {
        typed.request_state = fit_value(state, "requestState")?;
    }
    Ok(())
}

fn with<M: Default, P: DeserializeOwned>(
    params: JsonObject,
    extensions: Extensions,
) -> Result<Request<M, P>, BadParams> {
    let mut request = Request::new(fit(params)?);
    request.extensions = extensions;
    Ok(request)
}

fn listing<M: Default>(
    params: JsonObject,
    extensions: Extensions,
) -> Result<RequestOptionalParam<M, PaginatedRequestParams>, BadParams> {
    Ok(RequestOptionalParam {
        method: M::default(),
        params: if params.is_empty() {
            None
        } else {
            Some(fit(params)?)
        },
        extensions,
    })
}

fn fit<P: DeserializeOwned>(params: JsonObject) -> Result<P, String> {
    serde_json::from_value(Value::Object(params)).map_err(|error| format!("params: {error}"))
}

fn fit_value<P: DeserializeOwned>(value: Value, name: &str) -> Result<P, String> {
    serde_json::from_value(value).map_err(|error| format!("params.{name}: {error}"))
}
