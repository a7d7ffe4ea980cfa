//! `mimo update`: what the newest version brings, and the commands that install it
//! the way this one was installed. It changes nothing itself.

mod origin;

use std::cmp::Ordering;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::output::{Output, Text};
use crate::config::{Config, Environment};
use crate::endpoint;
use crate::failure::{Failure, Kind};
use crate::printable;
use origin::Origin;

const THIS: &str = env!("CARGO_PKG_VERSION");

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo update
  mimo update --json | jq -r '.commands[]'

It installs nothing. It asks one address, update.url in config.toml, and only when you
call it.")]
pub(super) struct Arguments {}

/// The response: `latest.json` of a release.
#[derive(Deserialize)]
struct LatestRelease {
    version: String,
    /// Newest first.
    #[serde(default)]
    changes: Vec<Changes>,
}

/// A section of the changelog.
#[derive(Deserialize)]
struct Changes {
    version: String,
    text: String,
}

pub(super) fn run(config: &Config, environment: &Environment, output: &Output) -> Result<()> {
    let program = environment.executable.as_deref();
    let program = program.map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    let origin = program.as_deref().map_or(Origin::Archive, Origin::of);
    let Some(url) = &config.update_url else {
        let failure = Failure::new(
            Kind::Unavailable,
            "the newest version is not known: no address to ask is set",
        );
        let hint = "set url under [update] in config.toml to the latest.json of the releases";
        return Err(failure.hint(next_step(hint, &origin)).into());
    };
    let latest = ask(url).map_err(|why| {
        let message = format!("the newest version is not known: {url} {why}");
        let hint = "try again with a network, or correct update.url in config.toml";
        Failure::new(Kind::Unavailable, message).hint(next_step(hint, &origin))
    })?;
    let order = compare(&latest.version, THIS);
    let news: Vec<&Changes> = latest
        .changes
        .iter()
        .filter(|changes| compare(&changes.version, THIS) == Ordering::Greater)
        .collect();
    // The files of a release are in one folder.
    let folder = url.rsplit_once('/').map(|(folder, _)| folder);
    let commands = match order {
        Ordering::Greater => origin.commands(folder, Some(&latest.version)),
        _ => Vec::new(),
    };
    if output.json {
        let changes = news
            .iter()
            .map(|changes| json!({"version": changes.version, "text": changes.text}));
        return output.document(&json!({
            "version": THIS,
            "newest": latest.version,
            "is_newer": order == Ordering::Greater,
            "installed_by": origin.name(),
            "program": program,
            "commands": commands,
            "changes": changes.collect::<Vec<_>>(),
            "asked": url,
        }));
    }
    let mut text = output.text();
    text.push(&format!("This is Mimo {THIS}, {}.\n", origin.name()));
    match order {
        Ordering::Equal => text.push("It is the newest version.\n"),
        Ordering::Less => text.push(&format!(
            "It is newer than the newest published version, {}.\n",
            latest.version
        )),
        Ordering::Greater => push_news(&mut text, &latest.version, &news, &commands),
    }
    output.print(text)
}

/// The releases at `url`. An error is a predicate of the address.
fn ask(url: &str) -> Result<LatestRelease, String> {
    let body = endpoint::fetch(url)?;
    let latest: LatestRelease = serde_json::from_slice(&body)
        .map_err(|_| "answered something that is not a list of releases".to_owned())?;
    // A version becomes part of commands that a person copies.
    match parts(&latest.version) {
        Some(_) => Ok(latest),
        None => Err("answered with an invalid version".to_owned()),
    }
}

/// The next step if the answer is missing.
fn next_step(hint: &str, origin: &Origin) -> String {
    let known = format!("{hint}; this is Mimo {THIS}, {}", origin.name());
    match origin.commands(None, None).join(" && ") {
        commands if commands.is_empty() => known,
        commands => format!("{known}, and `{commands}` gets the newest"),
    }
}

fn push_news(text: &mut Text, version: &str, news: &[&Changes], commands: &[String]) {
    text.push(&format!("Mimo {version} is out.\n"));
    for changes in news {
        text.push(&format!("\n{}\n", printable::line(&changes.version)));
        text.push(&format!("  | {}\n", printable::quoted(changes.text.trim())));
    }
    match commands.is_empty() {
        true => text.push("\nGet it from where you got this one, then restart your clients.\n"),
        false => {
            text.push("\nTo get it:\n\n");
            for command in commands {
                text.push(&format!("  {command}\n"));
            }
            text.push("\nThen restart your clients.\n");
        }
    }
}

/// The three numbers of a version, and its pre-release part after `-`.
fn parts(version: &str) -> Option<([u64; 3], &str)> {
    let (numbers, rest) = version.split_once('-').unwrap_or((version, ""));
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let three = [next()?, next()?, next()?];
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_whole = numbers.next().is_none() && rest.chars().all(is_plain);
    is_whole.then_some((three, rest))
}

/// An invalid version is older than any other; a pre-release precedes its release.
fn compare(one: &str, other: &str) -> Ordering {
    let key = |version| parts(version).map(|(numbers, rest)| (numbers, rest.is_empty(), rest));
    key(one).cmp(&key(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number_and_release() {
        let ordered = [
            "nonsense",
            "0.1.0-rc.1",
            "0.1.0",
            "0.1.9",
            "0.1.10",
            "0.2.0",
            "1.0.0",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for wrong in [
            "1.0",
            "1.0.0.0",
            "1.0.0; rm",
            "1.0.0-a b",
            "1.0.0-$(x)",
            "",
            "v1.0.0",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
