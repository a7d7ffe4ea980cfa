//! `mimo` and `mimo serve`: MCP on stdin and stdout or over HTTP, or a notice for a
//! person who starts it by hand.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use serde_json::json;

use super::output::Output;
use crate::app::{self, App, Toolset};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::platform;
use crate::procedure::JournalHook;

/// How to serve.
#[derive(clap::Args, Default)]
#[command(after_help = "\
Examples:
  mimo serve                       what a client runs
  mimo serve --project website     memories of one project
  mimo serve --http                HTTP on 127.0.0.1:8420, for clients with a key
  printf '%s\\n' '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}' | mimo serve

Over stdio it ends when stdin ends, after answering the calls that it has read.
Over HTTP it ends with a signal; `mimo keys generate` makes a key for a client.")]
pub(super) struct Arguments {
    /// Serve HTTP on this address instead of stdin and stdout
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
    pub(super) http: Option<Option<String>>,
    /// Serve the tools that tests of the protocol call, and nothing else
    #[arg(long, hide = true)]
    fixture_tools: bool,
    /// For tests: end at once, as by SIGKILL, before the nth write to a
    /// procedure's journal (odd: 1, 3, ..) or after it (even: 2, 4, ..)
    #[arg(long, hide = true, value_name = "N")]
    die_at_journal: Option<u64>,
}

/// Serves until the client leaves.
pub(super) fn run(arguments: &Arguments, config: &Config, clock: Arc<dyn Clock>) -> Result<()> {
    let toolset = match arguments.fixture_tools {
        true => Toolset::Fixture,
        false => Toolset::Standard,
    };
    let on = match arguments.http {
        None => "stdio",
        Some(_) => "HTTP",
    };
    let database = match &config.store.url {
        // The URL may contain a password.
        Some(_) => format!("the URL in {}", config.store.url_variable()),
        None => config.database.display().to_string(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database,
        project = config.project,
        "serving on {on}"
    );
    let watch = arguments.die_at_journal.map(die_at);
    let app = || App::serving(config, clock, toolset, watch);
    let served = match &arguments.http {
        None => app::run(async { app()?.serve().await }),
        Some(address) => app::run_threaded(async {
            let address = address.as_deref();
            app()?.serve_http(config, address, print_addresses).await
        }),
    };
    match &served {
        Ok(()) => tracing::info!("stopped: the client left, or a signal came"),
        // Logged, unless the command itself reports it.
        Err(failure) => tracing::info!("stopped: {failure}"),
    }
    Ok(served?)
}

/// Announces that clients can connect, for a person or a script that waits for it.
fn print_addresses(address: SocketAddr, metrics: Option<SocketAddr>) {
    let mut text = format!("Mimo serves http://{address}/mcp until Ctrl-C or SIGTERM.\n");
    if let Some(metrics) = metrics {
        text += &format!("Metrics are on http://{metrics}/metrics.\n");
    }
    // The parent process may have closed stderr.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Ends this process at a moment of a journal that a test chooses.
fn die_at(moment: u64) -> JournalHook {
    let seen = AtomicU64::new(0);
    Arc::new(move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) + 1 == moment {
            platform::kill_ourselves();
        }
    })
}

/// The output of `mimo` without arguments on a terminal.
pub(super) fn print_welcome(output: &Output) -> Result<()> {
    output.print(
        "\
Mimo gives your AI client a memory. The client starts Mimo when it needs it;
you need not keep it running.

  mimo demo                see it work, on a temporary folder
  mimo setup               add it to your client
  mimo tools               what clients can call
  mimo call TOOL JSON      call one of them yourself
  mimo serve               speak MCP on this terminal
  mimo --help              everything else
",
    )
}

/// Explains `mimo serve` on a terminal before it serves.
pub(super) fn print_terminal_notice(environment: &Environment) {
    let entry = client_entry(environment.executable.as_deref());
    let text = format!(
        "\
Mimo reads MCP requests here, one JSON document a line, until Ctrl-D.
Usually a client starts it, with this in its settings:
{entry}
"
    );
    // If the terminal is gone, serving fails next.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The entry for a client's settings, in the form that most of them share.
pub(super) fn client_entry(executable: Option<&Path>) -> String {
    let command = executable.map_or_else(|| "mimo".into(), Path::to_string_lossy);
    let command = json!(command);
    format!(
        "{{\n  \"mcpServers\": {{\n    \"mimo\": {{ \"command\": {command}, \"args\": [] }}\n  }}\n}}"
    )
}
