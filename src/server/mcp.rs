//! rmcp on one side, the dispatch on the other: translation only. Whatever is
//! true of every call is in `dispatch.rs`, whatever is true of lines in `wire/`.

use std::sync::Arc;

use rmcp::model::*;
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::Served;
use super::client::{self, Client, SAMPLING};
use super::errors::{defect, refused, theirs};
use super::instructions::instructions;
use super::listening::Listening;
use super::listing::Listing;
use super::rounds::{Round, Rounds, Step};
use crate::caller::Caller;
use crate::catalog::{Until, View};
use crate::dispatch::Dispatch;
use crate::failure::{CallError, Failure, Kind};
use crate::tools::{Context, Progress, Reply};
use crate::wire::{BadParams, Handle, LooseArguments};

/// The MCP service of one connection.
pub struct Mcp {
    dispatch: Arc<Dispatch>,
    /// Absent where tests of the protocol are served.
    catalog: Option<Arc<View>>,
    caller: Caller,
    connection: Handle,
    client: Arc<Client>,
    listing: Arc<Listing>,
    rounds: Rounds,
}

impl Mcp {
    /// A service for one connection, whose calls `caller` makes.
    pub fn new(
        served: Served,
        catalog: Option<Arc<View>>,
        caller: Caller,
        connection: Handle,
        listing: Arc<Listing>,
    ) -> Mcp {
        let rounds = Rounds::new(served.dispatch.clock().clone());
        Mcp {
            rounds,
            dispatch: served.dispatch,
            catalog,
            caller,
            connection,
            client: served.client,
            listing,
        }
    }

    /// A client of the newest revision introduces itself with each request, one
    /// that skips `initialize` not at all.
    fn meet(&self, context: &RequestContext<RoleServer>) {
        if !self.client.is_known() {
            let offered = context.meta.client_capabilities();
            let offered = offered.map(|offered| object(&offered)).unwrap_or_default();
            self.client.greeted(&offered, None);
        }
    }

    /// Performs a call for a client that cannot be asked while it waits.
    async fn in_rounds(
        &self,
        name: &str,
        arguments: Value,
        given: (Option<String>, Option<InputResponses>),
        offered: &Map<String, Value>,
        context: Context,
    ) -> Step {
        let round = match given {
            (Some(state), answers) => self.rounds.resume(&state, answers.unwrap_or_default()),
            (None, _) => Ok(Round::begin(|asks| {
                let (dispatch, connection) = (self.dispatch.clone(), self.connection.clone());
                let name = name.to_owned();
                let context = Context {
                    caller: Caller {
                        sample: offered.contains_key(SAMPLING).then(|| asks.clone()),
                        ask: Some(client::within(asks, offered)),
                        ..context.caller
                    },
                    // The request that begins the call may be over before it.
                    cancel: CancellationToken::new(),
                    ..context
                };
                async move {
                    let room = connection.room();
                    dispatch.call_when(room, &name, arguments, context).await
                }
            })),
        };
        match round {
            Ok(round) => self.rounds.step(round).await,
            Err(failure) => Step::Unknown(failure),
        }
    }

    fn catalog(&self, context: &RequestContext<RoleServer>) -> Result<&View, ErrorData> {
        self.meet(context);
        let none = "nothing is offered beside tools";
        self.catalog
            .as_deref()
            .ok_or_else(|| ErrorData::new(ErrorCode::METHOD_NOT_FOUND, none, None))
    }

    /// Sends another server's answer; what rmcp is given in its place is
    /// `stand_in`, of which only the marks of its revision are sent.
    fn pass<T>(
        &self,
        request: &RequestId,
        answer: Result<Reply, CallError>,
        stand_in: T,
    ) -> Result<T, ErrorData> {
        match answer {
            Ok(result) => {
                let result = to_raw_value(&result).map_err(|_| defect())?;
                self.connection.pass(request, result.into());
                Ok(stand_in)
            }
            Err(CallError::Upstream(error)) => Err(theirs(&error)),
            Err(CallError::Gateway(failure)) => Err(refused(&failure)),
            Err(CallError::Panicked) => Err(defect()),
        }
    }

    /// The same about a resource, of which there may be none.
    fn pass_of<T>(
        &self,
        uri: &str,
        request: &RequestId,
        answer: Result<Reply, CallError>,
        stand_in: T,
    ) -> Result<T, ErrorData> {
        match answer {
            Err(CallError::Gateway(failure)) if failure.kind == Kind::NotFound => {
                let about = Some(json!({ "uri": uri }));
                Err(ErrorData::resource_not_found(failure.to_string(), about))
            }
            answer => self.pass(request, answer, stand_in),
        }
    }

    fn context(&self, request: &RequestContext<RoleServer>) -> Context {
        Context {
            cancel: request.ct.clone(),
            progress: self.progress(request),
            meta: meta(&request.meta),
            ..Context::new(self.caller.clone())
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
            // Straight into the stream, so that it precedes the answer.
            let progress = ProgressNotification::new(param);
            connection.notify(&id, ServerNotification::ProgressNotification(progress));
        })
    }

    /// Parameters that did not fit their method: with the tool's schema, where
    /// it was a call of a tool we have.
    fn bad_params(&self, bad: &BadParams) -> ErrorData {
        let schema = bad.tool.as_deref().and_then(|name| {
            let definition = self.dispatch.definition(name, &self.caller.grants.tools)?;
            Some(json!({"tool": name, "inputSchema": definition["inputSchema"]}))
        });
        ErrorData::invalid_params(bad.reason.clone(), schema)
    }
}

// The older revisions have methods that the newest has not, and both are served.
#[expect(deprecated)]
impl ServerHandler for Mcp {
    fn get_info(&self) -> ServerConfig {
        let tools = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed();
        let capabilities = match &self.catalog {
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
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("mimo", version).with_title("Mimo"))
            .with_instructions(instructions(|tool| {
                self.dispatch.lists(tool, &self.caller.grants.tools)
            }))
    }

    async fn initialize(
        &self,
        mut request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let result = self.negotiate_initialize(&request)?;
        // The version that was agreed on, not the one that was asked for: it
        // decides the shape of every later answer.
        request.protocol_version = result.protocol_version.clone();
        let offered = object(&request.capabilities);
        self.client.greeted(&offered, Some(self.connection.clone()));
        context.peer.set_peer_info(request);
        Ok(result)
    }

    /// From here on the client may be told things.
    async fn on_initialized(&self, _context: NotificationContext<RoleServer>) {
        tokio::spawn(client::tell(self.client.clone(), self.connection.clone()));
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.meet(&context);
        if let Some(skills) = self.dispatch.skills() {
            skills.ready().await;
        }
        let grants = &self.caller.grants.tools;
        let list = self
            .listing
            .now(&self.dispatch, grants)
            .map_err(|failure| {
                tracing::error!(%failure, "the tools cannot be listed");
                defect()
            })?;
        self.pass(
            &context.id,
            Ok(Reply::Forwarded(list)),
            ListToolsResult::default(),
        )
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let list = self.catalog(&context)?.prompts(&context.ct).await;
        self.pass(&context.id, list, ListPromptsResult::default())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let catalog = self.catalog(&context)?;
        let prompt = catalog.prompt(&request.name, request.arguments, &context.ct);
        let stand_in = GetPromptResult::new(Vec::new());
        self.pass(&context.id, prompt.await, stand_in.into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let list = self.catalog(&context)?.resources(&context.ct).await;
        self.pass(&context.id, list, ListResourcesResult::default())
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let list = self.catalog(&context)?.templates(&context.ct).await;
        self.pass(&context.id, list, ListResourceTemplatesResult::default())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = self
            .catalog(&context)?
            .read(&request.uri, &context.ct)
            .await;
        let stand_in = ReadResourceResult::new(Vec::new());
        self.pass_of(&request.uri, &context.id, contents, stand_in.into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let subscribed = self
            .catalog(&context)?
            .subscribe(&request.uri, Until::Unsubscribed, &context.ct)
            .await;
        self.pass_of(&request.uri, &context.id, subscribed, ())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let catalog = self.catalog(&context)?;
        let unsubscribed = catalog.unsubscribe(&request.uri, &context.ct).await;
        self.pass_of(&request.uri, &context.id, unsubscribed, ())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let params = serde_json::to_value(&request).map_err(|_| defect())?;
        let completion = self.catalog(&context)?.complete(params, &context.ct).await;
        self.pass(&context.id, completion, CompleteResult::default())
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.client.set_level(request.level);
        self.catalog(&context)?
            .set_level(request.level, &context.ct)
            .await;
        Ok(())
    }

    async fn on_roots_list_changed(&self, _context: NotificationContext<RoleServer>) {
        if let Some(catalog) = &self.catalog {
            catalog.announce_roots_changed();
        }
    }

    /// A failed tool is a result the model reads; what cannot be routed, or was
    /// a defect of ours, is an error of the protocol.
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.meet(&context);
        let name = request.name;
        let grants = &self.caller.grants.tools;
        if !self.dispatch.serves(&name, grants) {
            let failure = self.dispatch.unknown_tool(&name, grants);
            return Err(ErrorData::invalid_params(failure.to_string(), None));
        }
        let arguments = match context.extensions.get::<LooseArguments>() {
            Some(loose) => loose.0.clone(),
            None => request.arguments.map_or(Value::Null, Value::Object),
        };
        let mut call = self.context(&context);
        let inline = context.meta.client_capabilities();
        let inline = inline.map(|offered| object(&offered));
        if inline.is_none() {
            call.caller.sample = self.client.model();
        }
        let done = if let Some(offered) = inline.filter(Client::usable) {
            let given = (request.request_state, request.input_responses);
            let step = tokio::select! {
                step = self.in_rounds(&name, arguments, given, &offered, call) => step,
                // Nobody waits for this answer any more.
                () = context.ct.cancelled() => return Err(defect()),
            };
            match step {
                Step::Done(done) => done,
                Step::Unknown(failure) => {
                    return Err(ErrorData::invalid_params(failure.to_string(), None));
                }
                Step::Asked(asked) => {
                    let stand_in = CallToolResult::success(Vec::new());
                    return self.pass(&context.id, Ok(Reply::Forwarded(asked)), stand_in.into());
                }
            }
        } else {
            let room = self.connection.room();
            let call = self.dispatch.call_when(room, &name, arguments, call);
            call.await
        };
        match done {
            Ok(reply) => self.pass(
                &context.id,
                Ok(reply),
                CallToolResult::success(Vec::new()).into(),
            ),
            Err(CallError::Panicked) => Err(defect()),
            // Called by its own name, a tool answers as it does directly.
            Err(CallError::Upstream(error)) if !self.dispatch.owns(&name) => Err(theirs(&error)),
            Err(error) => {
                let reply = Reply::failed(&error.into_failure());
                self.pass(
                    &context.id,
                    Ok(reply),
                    CallToolResult::success(Vec::new()).into(),
                )
            }
        }
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        self.meet(subscription.request_context());
        let listening = Listening {
            client: &self.client,
            catalog: self.catalog.as_ref(),
            connection: &self.connection,
        };
        listening.serve(subscription).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if let Some(bad) = context.extensions.get::<BadParams>() {
            return Err(self.bad_params(bad));
        }
        let failure = Failure::new(
            Kind::NotFound,
            format!("there is no method \"{}\"", request.method),
        );
        Err(ErrorData::new(
            ErrorCode::METHOD_NOT_FOUND,
            failure.message,
            None,
        ))
    }
}

/// The client's `_meta` without what concerns only it and us.
fn meta(meta: &RequestMetaObject) -> Map<String, Value> {
    let ours =
        |name: &String| name == "progressToken" || name.starts_with("io.modelcontextprotocol/");
    let theirs = meta.0.iter().filter(|(name, _)| !ours(name));
    theirs
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn object(capabilities: &ClientCapabilities) -> Map<String, Value> {
    match serde_json::to_value(capabilities) {
        Ok(Value::Object(capabilities)) => capabilities,
        _ => Map::new(),
    }
}
