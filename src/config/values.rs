//! Checks of single values: what a name, a path or an address may be.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ::http::Uri;
use toml::de::DeValue;

use super::http::{parse_address, parse_ip};
use crate::clock::Zone;
use crate::failure::Failure;
use crate::limits::NAME_BYTES_MAX;

/// Commands that may be allowed by their name; each has a grammar of its own.
const COMMANDS: [&str; 8] = [
    "npx", "docker", "uvx", "node", "python3", "bunx", "pnpm", "deno",
];

/// A predicate in the normal form of the graph.
pub(super) fn check_predicate(name: &str) -> Result<(), String> {
    let is_normal =
        |c: char| !c.is_control() && !c.is_whitespace() && !c.is_uppercase() && c != '-';
    match !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(is_normal) {
        true => Ok(()),
        false => Err("a predicate is written in lower case, with _ between its words".into()),
    }
}

pub(super) fn check_time_zone(name: &str) -> Result<(), String> {
    match Zone::named(name) {
        Some(_) => Ok(()),
        None => {
            Err("it is not a name of the IANA time zone database, such as America/New_York".into())
        }
    }
}

/// The address of an endpoint, without the parts that may hold a secret.
pub(super) fn check_url(text: &str) -> Result<(), String> {
    match check_web(text, "use key_variable")? {
        true => Err("it ends where the path of a request is added, before any ? or #".into()),
        false => Ok(()),
    }
}

/// The address of the list of releases. It must not be open to tampering in transit,
/// since it leads to commands.
pub(super) fn check_update_url(text: &str) -> Result<(), String> {
    match check_web(text, "leave them out")? {
        true => Err("it ends with a file's name, before any ? or #".into()),
        false if is_open(text) => Err("beyond this machine it begins with https://".into()),
        false => Ok(()),
    }
}

/// Checks the scheme and the host; returns whether anything follows the path.
fn check_web(text: &str, instead: &str) -> Result<bool, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let scheme = uri.scheme_str();
    if !matches!(scheme, Some("http" | "https")) {
        return Err("it begins with http:// or https://".into());
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(format!(
            "a name or a password in it would be shown: {instead}"
        )),
        Some(_) => Ok(uri.query().is_some() || text.contains('#')),
        None => Err("it names no host".into()),
    }
}

/// Whether requests to this address can be read in transit.
pub(crate) fn is_open(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return true;
    };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let stays = match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    uri.scheme_str() != Some("https") && !stays
}

pub(super) fn check_address(text: &str) -> Result<(), String> {
    parse_address(text).map(drop)
}

pub(super) fn check_ip(text: &str) -> Result<(), String> {
    parse_ip(text).map(drop)
}

/// The name of a host without a port, as clients send it.
pub(super) fn check_host(text: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    match !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(is_plain) {
        true => Ok(()),
        false => Err("a host is a name without a scheme and a port".into()),
    }
}

/// A scheme and a host, as browsers send it.
pub(super) fn check_origin(text: &str) -> Result<(), String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let is_origin = uri.scheme().is_some() && uri.host().is_some() && !text.ends_with('/');
    match is_origin && uri.path() == "/" && uri.query().is_none() {
        true => Ok(()),
        false => Err("an origin is a scheme and a host, without a path".into()),
    }
}

/// A model's name.
pub(super) fn check_model(text: &str) -> Result<(), String> {
    match text.trim().is_empty() || text.len() > NAME_BYTES_MAX || text.contains(char::is_control) {
        true => Err(format!(
            "a model's name has 1 to {NAME_BYTES_MAX} bytes on one line"
        )),
        false => Ok(()),
    }
}

/// The prefix that a model expects before a text.
pub(super) fn check_prefix(text: &str) -> Result<(), String> {
    match text.len() > NAME_BYTES_MAX {
        true => Err(format!("a prefix has at most {NAME_BYTES_MAX} bytes")),
        false => Ok(()),
    }
}

/// A command's name, or an absolute path.
pub(super) fn check_command(text: &str) -> Result<(), String> {
    match text.starts_with('/') {
        true => check_folder(text),
        false if COMMANDS.contains(&text) => Ok(()),
        false => Err(format!(
            "allowed are {}, and programs by their absolute path",
            COMMANDS.join(", ")
        )),
    }
}

/// An absolute path without `.` and `..`.
pub(super) fn check_folder(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err("an absolute path begins with /".into());
    }
    if text.split('/').any(|part| part == ".." || part == ".") {
        return Err("an absolute path must not contain . or ..".into());
    }
    match text.contains([':', '\0']) {
        true => Err("a PATH cannot hold it: it has a colon or a NUL byte".into()),
        false => Ok(()),
    }
}

/// A variable's name.
pub(super) fn check_variable(text: &str) -> Result<(), String> {
    let begins = |c: u8| c.is_ascii_alphabetic() || c == b'_';
    let is_valid = text.bytes().next().is_some_and(begins)
        && text.bytes().all(|c| begins(c) || c.is_ascii_digit());
    match is_valid {
        true => Ok(()),
        false => Err("a variable's name has letters, digits and _, no digit first".into()),
    }
}

/// `path` made absolute; `origin` names the setting. Only a shell expands `~`:
/// in a client's settings it would silently become a folder of that name.
pub(super) fn absolute(origin: &str, path: &Path) -> Result<PathBuf, Failure> {
    let shown = path.display();
    if path.starts_with("~") {
        return Err(Failure::invalid(
            "",
            format!("{origin} is {shown}, and only a shell expands ~"),
        )
        .hint("write the absolute path, beginning with /"));
    }
    std::path::absolute(path).map_err(|error| {
        Failure::invalid(
            "",
            format!("{origin} is not a usable path ({shown}): {error}"),
        )
        .hint("write the absolute path, beginning with /")
    })
}

/// A number as it is written in the file.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
        _ => None,
    }
}

/// A value as a message shows it.
pub(super) fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a section".into(),
    }
}
