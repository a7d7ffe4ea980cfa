//! rmcp on one side, the dispatch on the other: translation only. Whatever is
//! true of every call is in `dispatch.rs`, whatever is true of lines in `wire/`.

use std::sync::{Arc, OnceLock};

use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use super::passing;
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
    /// The connection, where it is a stream of lines.
    connection: Option<Handle>,
    listed: OnceLock<Vec<Tool>>,
}

impl Mcp {
    /// A service for one connection; `session` is where its memories belong by
    /// default.
    pub fn new(dispatch: Arc<Dispatch>, session: Arc<str>, connection: Option<Handle>) -> Mcp {
        Mcp {
            dispatch,
            session,
            connection,
            listed: OnceLock::new(),
        }
    }

    /// The tools as clients see them, read from their definitions once.
    fn listed(&self) -> Result<&[Tool], ErrorData> {
        if let Some(listed) = self.listed.get() {
            return Ok(listed);
        }
        let read = |tool: &crate::tools::Tool| {
            serde_json::from_str(tool.definition).map_err(|error| {
                tracing::error!(tool = tool.name, %error, "a tool's definition is broken");
                defect()
            })
        };
        let listed = self.dispatch.tools().map(read).collect::<Result<_, _>>()?;
        Ok(self.listed.get_or_init(|| listed))
    }

    fn context(&self, request: &RequestContext<RoleServer>) -> Context {
        Context {
            session: self.session.clone(),
            cancel: request.ct.clone(),
            progress: self.progress(request),
        }
    }

    /// Progress goes to the client only where it sent a token for it.
    fn progress(&self, request: &RequestContext<RoleServer>) -> Progress {
        let Some(token) = request.meta.get_progress_token() else {
            return Progress::default();
        };
        let (peer, id) = (request.peer.clone(), request.id.clone());
        let connection = self.connection.clone();
        // A handler may report from a thread of its own.
        let runtime = tokio::runtime::Handle::current();
        Progress::to(move |done, total, message| {
            let mut param = ProgressNotificationParam::new(token.clone(), done);
            param.total = total;
            param.message = message;
            match &connection {
                // Straight into the stream, so that it precedes the answer.
                Some(connection) => connection.notify(
                    &id,
                    ServerNotification::ProgressNotification(ProgressNotification::new(param)),
                ),
                None => {
                    let peer = peer.clone();
                    runtime.spawn(async move { peer.notify_progress(param).await });
                }
            }
        })
    }

    /// Parameters that did not fit their method: with the tool's schema, where
    /// it was a call of a tool we have.
    fn bad_params(&self, bad: &BadParams) -> ErrorData {
        let schema = bad.tool.as_deref().and_then(|name| {
            let listed = self.listed().ok()?;
            let tool = listed.iter().find(|tool| tool.name == name)?;
            Some(serde_json::json!({"tool": name, "inputSchema": tool.input_schema}))
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
        context.peer.set_peer_info(request);
        Ok(result)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.listed()?.to_vec()))
    }

    /// A failed tool is a result the model reads; what cannot be routed, or was
    /// a defect of ours, is an error of the protocol.
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name;
        if self.dispatch.tool(&name).is_none() {
            let failure = self.dispatch.unknown(&name);
            return Err(ErrorData::invalid_params(failure.to_string(), None));
        }
        let arguments = match context.extensions.get::<LooseArguments>() {
            Some(loose) => loose.0.clone(),
            None => request.arguments.map_or(Value::Null, Value::Object),
        };
        let room = async {
            if let Some(connection) = &self.connection {
                connection.room().await;
            }
        };
        let call = self
            .dispatch
            .call_when(room, &name, arguments, self.context(&context));
        match call.await {
            Ok(reply) => {
                if let Some(connection) = &self.connection {
                    connection.announce(&context.id, reply.bytes());
                }
                replied(reply, &context.extensions)
            }
            Err(failure) if Dispatch::panicked(&failure) => Err(defect()),
            Err(failure) => {
                let document = Document::of(&failure.document()).map_err(|_| defect())?;
                Ok(answer(document, Some(true)))
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
        match &self.connection {
            Some(connection) => tokio::select! {
                () = subscription.cancelled() => {}
                // With its final result: an open subscription must not hold
                // the end of the connection.
                () = connection.draining().cancelled() => {}
            },
            None => subscription.cancelled().await,
        }
        Ok(())
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

fn replied(reply: Reply, extensions: &Extensions) -> Result<CallToolResponse, ErrorData> {
    match reply {
        Reply::Document(document) => Ok(answer(document, None)),
        Reply::Passed(result) => match passing::leave(extensions, result) {
            // What stands here is not sent.
            Ok(()) => Ok(CallToolResult::success(Vec::new()).into()),
            Err(result) => serde_json::from_value::<CallToolResult>(result)
                .map(Into::into)
                .map_err(|error| {
                    tracing::error!(%error, "a result cannot be passed on");
                    defect()
                }),
        },
    }
}

fn answer(document: Document, is_error: Option<bool>) -> CallToolResponse {
    let mut result = CallToolResult::success(vec![ContentBlock::text(document.0)]);
    result.is_error = is_error;
    result.into()
}

fn defect() -> ErrorData {
    ErrorData::internal_error("Mimo met a defect of its own; its log names it", None)
}
