//! Builds the parts, connects them, and shuts them down in order. Decides
//! nothing itself.

use std::future::Future;
use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::failure::Failure;
use crate::limits::BLOCKING_THREADS_MAX;
use crate::server;
use crate::tools::{self, Context, Document, Progress, Tool};

/// Which tools are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolset {
    /// What users get.
    Standard,
    /// What tests of the protocol call.
    Fixture,
}

/// The connected parts.
pub struct App {
    dispatch: Arc<Dispatch>,
    clock: Arc<dyn Clock>,
}

/// Runs `work` to its end on the one thread that answers fastest over stdio;
/// what blocks (encoding a text) has a few threads of its own.
pub fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(Failure::internal)?
        .block_on(work)
}

impl App {
    /// Builds every part that `toolset` needs.
    pub fn build(
        _config: &Config,
        clock: Arc<dyn Clock>,
        toolset: Toolset,
    ) -> Result<App, Failure> {
        let tools: Vec<Tool> = match toolset {
            Toolset::Standard => Vec::new(),
            Toolset::Fixture => tools::fixture::tools(),
        };
        Ok(App {
            dispatch: Arc::new(Dispatch::new(tools, clock.clone())),
            clock,
        })
    }

    /// The door to the tools.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Calls one tool, as a client would.
    pub async fn call(&self, name: &str, arguments: Value) -> Result<Document, Failure> {
        let context = Context {
            session: self.clock.new_id().into(),
            cancel: CancellationToken::new(),
            progress: Progress::default(),
        };
        self.dispatch.call(name, arguments, context).await
    }

    /// Serves stdin and stdout until the client leaves or a signal comes.
    pub async fn serve(&self) -> Result<(), Failure> {
        let shutdown = server::shutdown_signals()?;
        server::serve_stdio(self.dispatch.clone(), self.clock.clone(), shutdown).await
    }

    /// Lets the parts finish, the last used first.
    pub async fn close(self) {}
}
