//! The server a user of rmcp would write: its own stdio transport, one trivial
//! tool. It is what Mimo's wire is measured against.

use std::sync::Arc;

use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};

struct Stock {
    tools: Vec<Tool>,
}

impl ServerHandler for Stock {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.clone()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = serde_json::Value::Object(arguments).to_string();
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

/// Serves until the input ends.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tool = Tool::new("test_echo", "Answers with its arguments.", Arc::default());
        // What rmcp's `stdio()` returns.
        let stdio = (tokio::io::stdin(), tokio::io::stdout());
        let server = Stock { tools: vec![tool] }
            .serve(stdio)
            .await
            .expect("the handshake");
        server.waiting().await.expect("the end");
    });
}
