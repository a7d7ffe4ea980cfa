//! `mimo connect`: reaches a Mimo over HTTP from clients that can only start programs.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;
use http::Uri;

use crate::bridge::{self, Server};
use crate::config::Environment;
use crate::failure::Failure;

/// The variable that holds the key, unless another is named.
pub(super) const KEY_VARIABLE: &str = "MIMO_API_KEY";

/// Where Mimo is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo connect https://mimo.example.org/mcp --key-variable TEAM_KEY
  mimo setup claude-desktop --url https://mimo.example.org/mcp --key-variable TEAM_KEY
                                   makes a client start it

A client that only starts programs, such as Claude Desktop, runs this in place of Mimo.
Messages are forwarded unchanged in both directions until stdin ends. A problem with
the server is reported as the answer to the client's request. SSL_CERT_FILE names a
file with certificates of your own.")]
pub(super) struct Arguments {
    /// The URL of a Mimo that `mimo serve --http` serves
    #[arg(value_name = "URL")]
    url: String,
    /// The variable of the environment that holds the key
    #[arg(long, value_name = "NAME", default_value = KEY_VARIABLE)]
    key_variable: String,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<()> {
    let url = parse_url(&arguments.url)?;
    check_variable(&arguments.key_variable)?;
    let certificates = environment
        .variables
        .get("SSL_CERT_FILE")
        .map(PathBuf::from);
    let certificates = certificates.map(|path| bridge::read_certificates(&path));
    let server = Server {
        key: environment.secret(&arguments.key_variable),
        key_variable: arguments.key_variable.clone(),
        certificates: certificates.transpose()?,
        url,
    };
    if io::stdin().is_terminal() {
        let text = format!(
            "This passes MCP between stdin and {}, until Ctrl-D. Usually a client starts it: see \
             `mimo setup --help`.\n",
            server.url
        );
        // If the terminal is gone, serving fails next.
        let _ = io::stderr().write_all(text.as_bytes());
    }
    bridge::run(server);
    Ok(())
}

/// The URL of a Mimo over HTTP; `/mcp` where it names no path.
pub(super) fn parse_url(text: &str) -> Result<String, Failure> {
    let invalid = |reason: &str| {
        Failure::invalid("", format!("{text:?} is not the URL of a Mimo: {reason}"))
            .hint("write for example https://mimo.example.org/mcp")
    };
    let uri: Uri = text.parse().map_err(|_| invalid("it is not a URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(invalid("it begins with http:// or https://"));
    }
    let authority = uri.authority().map(|authority| authority.as_str());
    match authority {
        None => Err(invalid("it names no host")),
        Some(authority) if authority.contains('@') => {
            Err(invalid("a name or a password in it would be shown"))
        }
        Some(_) if uri.query().is_some() || text.contains('#') => {
            Err(invalid("it ends before any ? or #"))
        }
        Some(_) if uri.path() == "/" => Ok(format!("{}/mcp", text.trim_end_matches('/'))),
        Some(_) => Ok(text.to_owned()),
    }
}

/// The name of a variable. Refuses a key that was passed by mistake.
pub(super) fn check_variable(name: &str) -> Result<(), Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = !name.is_empty() && name.chars().all(is_plain);
    // Keys are longer than any name, and begin so.
    let is_key = name.starts_with("mimo_") && name.len() > 40;
    match is_name && !is_key && !name.starts_with(|c: char| c.is_ascii_digit()) {
        true => Ok(()),
        // Not shown: it may be a key.
        false => Err(Failure::invalid(
            "",
            "--key-variable takes the name of a variable, not a key",
        )
        .hint("put the key into a variable of the environment and name that")),
    }
}
