//! `mimo view`: a page on this machine that shows what is stored, for a person.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::output::Output;
use crate::app::{self, App, Toolset};
use crate::clock::Clock;
use crate::config::{Config, PROFILE_DEFAULT};
use crate::keys::KeyText;

/// Where the page is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo view                     print the link of the page; Ctrl-C ends it
  mimo view --port 8421         always at the same address
  mimo view --json | jq -r .link

The page can be reached from this machine alone, and its link signs in one browser,
once. A Mimo that serves HTTP has the page at / for everyone with a key.")]
pub(super) struct Arguments {
    /// The port; by default any that is free
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    port: u16,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    // A profile is for what clients have room for; a person sees everything.
    let config = Config {
        profile: PROFILE_DEFAULT.to_owned(),
        ..config
    };
    let listening = |address: SocketAddr, key: &KeyText| {
        // Whoever started it may have closed stdout.
        let _ = print_link(address, key, output);
    };
    Ok(app::run_threaded(async {
        let app = App::serving(&config, clock, Toolset::Standard, None)?;
        app.serve_view(&config, arguments.port, listening).await
    })?)
}

fn print_link(address: SocketAddr, key: &KeyText, output: &Output) -> Result<()> {
    let link = format!("http://{address}/#key={}", key.reveal());
    match output.json {
        true => output.document(&json!({ "link": link })),
        false => output.print(format!(
            "Open this in a browser on this machine. It signs in one browser, once:\n\n  \
             {link}\n\nThe page is there until Ctrl-C.\n"
        )),
    }
}
