//! rmcp on one side, the dispatch on the other: translation only. Whatever is
//! true of every call is in `dispatch.rs`, whatever is true of lines in `wire/`.

use std::sync::Arc;

use rmcp::model::*;
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::client::{self, Client, News};
use super::listing::Listing;
use crate::dispatch::Dispatch;
use crate::failure::{Failure, Kind};
use crate::tools::{Context, Document, Progress, Reply};
use crate::wire::{BadParams, Handle, LooseArguments};

/// What a model reads about Mimo before it reads any tool.
const INSTRUCTIONS: &str = "Mimo remembers across sessions and clients, on this machine. \
Search memory before asking the user to repeat something or when a task may have a history; \
store decisions, preferences and facts worth keeping as soon as they come up, one self-contained statement each. \
A failed call changes nothing and its error names the path, the reason and a correct call.";

/// The MCP service of one connection.
pub struct Mcp {
    dispatch: Arc<Dispatch>,
    session: Arc<str>,
    connection: Handle,
    client: Arc<Client>,
    listing: Arc<Listing>,
}

impl Mcp {
    /// A service for one connection; `session` is where its memories belong by
    /// default, `client` what skills may reach of whoever is connected.
    pub fn new(
        dispatch: Arc<Dispatch>,
        session: Arc<str>,
        connection: Handle,
        client: Arc<Client>,
        listing: Arc<Listing>,
    ) -> Mcp {
        Mcp {
            dispatch,
            session,
            connection,
            client,
            listing,
        }
    }

    fn context(&self, request: &RequestContext<RoleServer>) -> Context {
        Context {
            cancel: request.ct.clone(),
            progress: self.progress(request),
            meta: meta(&request.meta),
            ..Context::new(self.session.clone())
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
            let definition = self.dispatch.definition(name)?;
            Some(json!({"tool": name, "inputSchema": definition["inputSchema"]}))
        });
        ErrorData::invalid_params(bad.reason.clone(), schema)
    }
}

impl ServerHandler for Mcp {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let version = env!("CARGO_PKG_VERSION");
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("mimo", version).with_title("Mimo"))
            .with_instructions(INSTRUCTIONS)
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
        match serde_json::to_value(&request.capabilities) {
            Ok(Value::Object(offered)) => self.client.greeted(&offered, self.connection.clone()),
            _ => self.client.mute(),
        }
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
        self.client.mute();
        let list = self.listing.now(&self.dispatch).map_err(|failure| {
            tracing::error!(%failure, "the tools cannot be listed");
            defect()
        })?;
        self.connection.pass(&context.id, list);
        // Of this one only the marks of its revision are sent.
        Ok(ListToolsResult::default())
    }

    /// A failed tool is a result the model reads; what cannot be routed, or was
    /// a defect of ours, is an error of the protocol.
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.client.mute();
        let name = request.name;
        if !self.dispatch.knows(&name) {
            let failure = self.dispatch.unknown(&name);
            return Err(ErrorData::invalid_params(failure.to_string(), None));
        }
        let arguments = match context.extensions.get::<LooseArguments>() {
            Some(loose) => loose.0.clone(),
            None => request.arguments.map_or(Value::Null, Value::Object),
        };
        let room = self.connection.room();
        let call = self
            .dispatch
            .call_when(room, &name, arguments, self.context(&context));
        match call.await {
            Ok(Reply::Document(document)) => {
                self.connection.announce(&context.id, document.0.len());
                Ok(answer(document, None))
            }
            Ok(Reply::Passed(result)) => {
                self.connection.pass(&context.id, result);
                // Of this one only the marks of its revision are sent.
                Ok(CallToolResult::success(Vec::new()).into())
            }
            Err(failure) if Dispatch::panicked(&failure) => Err(defect()),
            Err(failure) => match Dispatch::theirs(&failure) {
                // Called by its own name, a tool answers as it does directly.
                Some(theirs) if !self.dispatch.owns(&name) => Err(error(theirs)),
                _ => {
                    let document = Document::of(&failure.document()).map_err(|_| defect())?;
                    Ok(answer(document, Some(true)))
                }
            },
        }
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut news = self.client.listen();
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

/// Another server's JSON-RPC error as ours.
fn error(theirs: &serde_json::value::RawValue) -> ErrorData {
    serde_json::from_str(theirs.get())
        .unwrap_or_else(|_| ErrorData::internal_error(theirs.get().to_owned(), None))
}

fn answer(document: Document, is_error: Option<bool>) -> CallToolResponse {
    let mut result = CallToolResult::success(vec![ContentBlock::text(document.0)]);
    result.is_error = is_error;
    result.into()
}

fn defect() -> ErrorData {
    ErrorData::internal_error("Mimo met a defect of its own; its log names it", None)
}
