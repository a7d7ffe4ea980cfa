//! rmcp on one side, the dispatch and the catalog on the other: translation
//! only. rmcp keeps the lifecycle of a connection; the requests whose results are
//! Mimo's or a skill's come as custom requests, and are answered with text.

// Log levels are of the older revisions only, and those are served.
#![expect(deprecated)]

use std::sync::Arc;

use rmcp::model::*;
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::Server;
use super::encode::{ResultMembers, encode};
use super::errors::{call_error, defect, upstream_error};
use super::input_requests::{BackgroundCall, CallStatus};
use super::instructions::instructions;
use super::listen::listen;
use super::session::{SAMPLING, Session, is_any_usable, within_capabilities};
use crate::caller::{Caller, PROJECT_SHARED, Reach, ToolGrants};
use crate::catalog::{SubscriptionEnd, View};
use crate::dispatch::Dispatch;
use crate::failure::{CallError, Kind};
use crate::tools::{Context, Progress, Reply};
use crate::wire::{BadParams, Connection, GatewayRequest, ToolCall};

/// The MCP service of one connection.
pub(super) struct Mcp {
    server: Arc<Server>,
    session: Arc<Session>,
    connection: Arc<dyn Connection>,
}

impl Mcp {
    pub(super) fn new(
        server: Arc<Server>,
        session: Arc<Session>,
        connection: Arc<dyn Connection>,
    ) -> Mcp {
        Mcp {
            server,
            session,
            connection,
        }
    }

    fn dispatch(&self) -> &Arc<Dispatch> {
        &self.server.dispatch
    }

    fn grants(&self) -> &ToolGrants {
        &self.session.caller.grants.tools
    }

    fn catalog(&self) -> Result<&View, ErrorData> {
        let none = "nothing is offered beside tools";
        let catalog = self.session.catalog.as_ref();
        catalog.ok_or_else(|| ErrorData::new(ErrorCode::METHOD_NOT_FOUND, none, None))
    }

    fn remember_capabilities(&self, capabilities: &Map<String, Value>, is_askable: bool) {
        let session = &self.session;
        if session.remember_capabilities(capabilities, is_askable) {
            self.server.hub.initialized(session);
        }
    }

    /// A client of the newest revision introduces itself with each request, a
    /// client that skips `initialize` never does.
    fn remember_client(&self, meta: &RequestMetaObject) {
        let capabilities = meta.client_capabilities();
        let capabilities = capabilities.map(|each| object(&each)).unwrap_or_default();
        self.remember_capabilities(&capabilities, false);
    }

    /// The reply to a request.
    async fn answer(
        &self,
        request: GatewayRequest,
        context: &RequestContext<RoleServer>,
    ) -> Result<Reply, ErrorData> {
        let cancel = &context.ct;
        // What the catalog shows is of the project too.
        let caller = self.session.current_caller().await;
        let reply = match request {
            GatewayRequest::CallTool(call) => return self.call_tool(call, caller, context).await,
            GatewayRequest::ListTools => {
                if let Some(skills) = self.dispatch().skills() {
                    skills.ready().await;
                }
                let listings = &self.server.listings;
                let mut choice = self.session.auto_choice();
                let tools = listings.tools(self.dispatch(), &caller.grants, &mut choice);
                tools.map(Reply::Forwarded).map_err(CallError::Gateway)
            }
            GatewayRequest::ListPrompts => self.catalog()?.prompts(cancel).await,
            GatewayRequest::GetPrompt(params) => {
                let catalog = self.catalog()?;
                catalog.prompt(&params.name, params.arguments, cancel).await
            }
            GatewayRequest::ListResources => self.catalog()?.resources(cancel).await,
            GatewayRequest::ListResourceTemplates => self.catalog()?.templates(cancel).await,
            GatewayRequest::ReadResource(params) => {
                let contents = self.catalog()?.read(&params.uri, cancel).await;
                return contents.map_err(|error| resource_error(&params.uri, &error));
            }
            GatewayRequest::Subscribe(params) => {
                let until = SubscriptionEnd::Unsubscribed;
                let subscribed = self.catalog()?.subscribe(&params.uri, until, cancel).await;
                return subscribed.map_err(|error| resource_error(&params.uri, &error));
            }
            GatewayRequest::Unsubscribe(params) => {
                let unsubscribed = self.catalog()?.unsubscribe(&params.uri, cancel).await;
                return unsubscribed.map_err(|error| resource_error(&params.uri, &error));
            }
            GatewayRequest::Complete(params) => {
                let params = serde_json::to_value(&params).map_err(|_| defect())?;
                self.catalog()?.complete(params, cancel).await
            }
            GatewayRequest::SetLevel(params) => {
                self.session.set_level(params.level);
                self.catalog()?.set_level(params.level, cancel).await;
                Ok(Reply::Object(json!({})))
            }
        };
        reply.map_err(|error| call_error(&error))
    }

    /// A failed tool is a result that the model reads; a tool that does not exist
    /// or panicked is an error of the protocol.
    async fn call_tool(
        &self,
        call: ToolCall,
        caller: Caller,
        request: &RequestContext<RoleServer>,
    ) -> Result<Reply, ErrorData> {
        let dispatch = self.dispatch();
        dispatch.await_tool(&call.name, self.grants()).await;
        if !dispatch.serves(&call.name, self.grants()) {
            let unknown = dispatch.unknown_tool(&call.name, self.grants());
            return Err(ErrorData::invalid_params(unknown.to_string(), None));
        }
        let name = call.name.clone();
        let capabilities = request.meta.client_capabilities();
        let capabilities = capabilities.map(|each| object(&each));
        let mut context = self.context(caller, request);
        let reply = if let Some(usable) = capabilities.as_ref().filter(|it| is_any_usable(it)) {
            let status = tokio::select! {
                status = self.call_in_background(call, usable, context) => status?,
                // The request was cancelled, so this answer is dropped.
                () = request.ct.cancelled() => return Err(defect()),
            };
            match status {
                CallStatus::Done(reply) => reply,
                CallStatus::InputRequired(result) => return Ok(result),
            }
        } else {
            if capabilities.is_none() {
                context.caller.ask = self.session.ask_client(&self.connection);
                context.caller.sample = self.session.sampling_client(&self.connection);
            }
            let ready = self.connection.ready();
            dispatch
                .call_when(ready, &name, call.arguments, context)
                .await
        };
        match reply {
            Ok(reply) => Ok(reply),
            Err(CallError::Panicked) => Err(defect()),
            // A skill's tool called by its own name forwards its error as it is.
            Err(CallError::Upstream(error)) if !dispatch.owns(&name) => Err(upstream_error(&error)),
            Err(error) => Ok(Reply::failed(&error.into_failure())),
        }
    }

    /// Performs a call for a client that cannot be asked while it waits.
    async fn call_in_background(
        &self,
        call: ToolCall,
        capabilities: &Map<String, Value>,
        context: Context,
    ) -> Result<CallStatus, ErrorData> {
        let input_requests = &self.server.input_requests;
        let session = &self.session.caller.session;
        let call = match call.request_state {
            Some(state) => {
                let responses = call.input_responses.unwrap_or_default();
                let resumed = input_requests.resume(session, &state, responses);
                resumed.map_err(|unknown| ErrorData::invalid_params(unknown.to_string(), None))?
            }
            None => BackgroundCall::start(|ask| {
                let (dispatch, connection) = (self.dispatch().clone(), self.connection.clone());
                let context = Context {
                    caller: Caller {
                        sample: capabilities.contains_key(SAMPLING).then(|| ask.clone()),
                        ask: Some(within_capabilities(ask, capabilities)),
                        ..context.caller
                    },
                    // The request that begins the call may be over before it.
                    cancel: CancellationToken::new(),
                    ..context
                };
                async move {
                    let ready = connection.ready();
                    dispatch
                        .call_when(ready, &call.name, call.arguments, context)
                        .await
                }
            }),
        };
        Ok(input_requests.advance(session, call).await)
    }

    fn context(&self, caller: Caller, request: &RequestContext<RoleServer>) -> Context {
        Context {
            cancel: request.ct.clone(),
            progress: self.progress(request),
            meta: forwarded_meta(&request.meta),
            ..Context::new(caller)
        }
    }

    /// Progress goes to the client only where it sent a token for it.
    fn progress(&self, request: &RequestContext<RoleServer>) -> Progress {
        let Some(token) = request.meta.get_progress_token() else {
            return Progress::default();
        };
        let (connection, id) = (self.connection.clone(), request.id.clone());
        Progress::to(move |done, total, message| {
            let mut param = ProgressNotificationParam::new(token.clone(), done);
            param.total = total;
            param.message = message;
            // Straight to the connection, so that it precedes the answer.
            let progress = ProgressNotification::new(param);
            connection.notify_about(&id, ServerNotification::ProgressNotification(progress));
        })
    }

    /// Parameters that do not match their method: with the tool's schema for a
    /// call of a known tool.
    fn bad_params(&self, bad: &BadParams) -> ErrorData {
        let schema = bad.tool.as_deref().and_then(|name| {
            let definition = self.dispatch().definition(name, self.grants())?;
            Some(json!({"tool": name, "inputSchema": definition["inputSchema"]}))
        });
        ErrorData::invalid_params(bad.reason.clone(), schema)
    }
}

impl ServerHandler for Mcp {
    fn get_info(&self) -> ServerConfig {
        let tools = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed();
        let capabilities = match &self.session.catalog {
            None => tools.build(),
            Some(_) => tools
                .enable_completions()
                .enable_logging()
                .enable_prompts()
                .enable_prompts_list_changed()
                .enable_resources()
                .enable_resources_list_changed()
                .enable_resources_subscribe()
                .build(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let lists = |tool: &str| self.dispatch().lists(tool, self.grants());
        let reach = self.session.caller.reach();
        // Before the client has listed its root, a fence is around the shared project.
        let is_settled = !self.session.follows_root() || *reach == Reach::Everything;
        let writes_shared = is_settled && reach.can_write(PROJECT_SHARED);
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("mimo", version).with_title("Mimo"))
            .with_instructions(instructions(lists, writes_shared))
    }

    async fn initialize(
        &self,
        mut request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let result = self.negotiate_initialize(&request)?;
        // The negotiated version, not the requested one: it decides the shape of
        // every later answer.
        request.protocol_version = result.protocol_version.clone();
        self.remember_capabilities(&object(&request.capabilities), true);
        context.peer.set_peer_info(request);
        Ok(result)
    }

    /// The client accepts notifications from now on.
    async fn on_initialized(&self, _context: NotificationContext<RoleServer>) {
        let session = self.session.clone();
        tokio::spawn(self.session.clone().notify_changes());
        tokio::spawn(async move { session.current_caller().await });
    }

    async fn on_roots_list_changed(&self, _context: NotificationContext<RoleServer>) {
        self.session.on_roots_changed();
        if let Some(catalog) = &self.session.catalog {
            catalog.announce_roots_changed();
        }
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        self.remember_client(&subscription.request_context().meta);
        listen(&self.session, subscription).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if let Some(bad) = context.extensions.get::<BadParams>() {
            return Err(self.bad_params(bad));
        }
        let Some(gateway_request) = context.extensions.remove::<GatewayRequest>() else {
            let message = format!("there is no method \"{}\"", request.method);
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None));
        };
        self.remember_client(&context.meta);
        let members = result_members(&gateway_request, &context);
        let reply = self.answer(gateway_request, &context).await?;
        let text = encode(&reply, members).map_err(|error| {
            tracing::error!(%error, method = request.method, "a result is not a JSON object");
            defect()
        })?;
        Ok(self.connection.result(&context.id, text))
    }
}

/// The members that the client's revision wants in the result of a request.
fn result_members(request: &GatewayRequest, context: &RequestContext<RoleServer>) -> ResultMembers {
    let version = context.protocol_version();
    // Revisions are dates, which compare as text.
    if version.is_none_or(|it| it.as_str() < ProtocolVersion::V_2026_07_28.as_str()) {
        return ResultMembers::None;
    }
    match request {
        GatewayRequest::ListTools
        | GatewayRequest::ListPrompts
        | GatewayRequest::ListResources
        | GatewayRequest::ListResourceTemplates
        | GatewayRequest::ReadResource(_) => ResultMembers::Cacheable,
        _ => ResultMembers::Complete,
    }
}

/// The error of a request about a resource, which may not exist.
fn resource_error(uri: &str, error: &CallError) -> ErrorData {
    match error {
        CallError::Gateway(failure) if failure.kind == Kind::NotFound => {
            ErrorData::resource_not_found(failure.to_string(), Some(json!({ "uri": uri })))
        }
        error => call_error(error),
    }
}

/// The client's `_meta` without the members that concern only it and Mimo.
fn forwarded_meta(meta: &RequestMetaObject) -> Map<String, Value> {
    let is_own =
        |name: &String| name == "progressToken" || name.starts_with("io.modelcontextprotocol/");
    let forwarded = meta.0.iter().filter(|(name, _)| !is_own(name));
    forwarded
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn object(capabilities: &ClientCapabilities) -> Map<String, Value> {
    match serde_json::to_value(capabilities) {
        Ok(Value::Object(capabilities)) => capabilities,
        _ => Map::new(),
    }
}
