//! `mimo view`: a page in the browser that shows a person what is stored.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use super::output::Output;
use crate::app::{self, App, Toolset};
use crate::clock::Clock;
use crate::config::{Config, Environment, PROFILE_DEFAULT};
use crate::files;
use crate::keys::KeyText;
use crate::skills::launcher;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo view                     open the page in the browser; Ctrl-C ends it
  mimo view --no-open           print its link only
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
    /// Do not open the browser
    #[arg(long)]
    no_open: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Config,
    environment: &Environment,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    // A profile limits what clients must read; a person sees everything.
    let config = Config {
        profile: PROFILE_DEFAULT.to_owned(),
        ..config
    };
    // The key is in a file, since other accounts see the arguments of programs.
    let file = config.data_folder.join("view.html");
    let opener = environment
        .opener()
        .filter(|_| !arguments.no_open && !output.json);
    let listening = |address: SocketAddr, key: &KeyText| {
        let link = format!("http://{address}/#key={}", key.reveal());
        let opened = opener.as_ref().map(|opener| {
            files::replace(&file, redirect(&link).as_bytes())?;
            launcher::open_on_desktop(opener, &file, &environment.desktop)
        });
        if let Some(Err(error)) = &opened {
            tracing::warn!(%error, "the browser was not opened");
        }
        // The parent process may have closed stdout.
        let _ = print_link(&link, matches!(opened, Some(Ok(()))), output);
    };
    let served = app::run_threaded(async {
        let app = App::serving(&config, clock, Toolset::Standard, None)?;
        app.serve_view(&config, arguments.port, listening).await
    });
    // The file is missing if no browser was opened.
    let _ = fs::remove_file(&file);
    Ok(served?)
}

/// A page that redirects to `link`, which has no character that HTML would interpret.
fn redirect(link: &str) -> String {
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={link}\"><title>Mimo</title>\
         <a href=\"{link}\">Open Mimo</a>\n"
    )
}

fn print_link(link: &str, is_opened: bool, output: &Output) -> Result<()> {
    if output.json {
        return output.document(&json!({ "link": link }));
    }
    let first = match is_opened {
        true => "The page opens in your browser. If it does not, open this; it works once:",
        false => "Open this in a browser on this machine. It signs in one browser, once:",
    };
    output.print(format!(
        "{first}\n\n  {link}\n\nThe page is there until Ctrl-C.\n"
    ))
}
