//! argv to exit code: a stand-in that serves the test tools, until the command
//! line takes its place.

use std::process::ExitCode;
use std::sync::Arc;

use mimo::clock::SystemClock;
use mimo::dispatch::Dispatch;
use mimo::failure::Failure;
use mimo::{server, tools};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve()),
        Err(error) => Err(Failure::internal(error)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.kind.exit_code()),
    }
}

async fn serve() -> Result<(), Failure> {
    let clock = Arc::new(SystemClock);
    let fixtures = std::env::args().any(|argument| argument == "--fixture-tools");
    let tools = if fixtures {
        tools::fixture::tools()
    } else {
        Vec::new()
    };
    let dispatch = Arc::new(Dispatch::new(tools, clock.clone()));
    server::serve_stdio(dispatch, clock, server::shutdown_signals()?).await
}
