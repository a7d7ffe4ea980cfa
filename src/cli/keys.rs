//! `mimo keys VERB`: the keys of clients that come over HTTP. A key's text goes to
//! stdout or into a new file, once, and nowhere else.

mod unmatched;
mod view;

use std::fs;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::output::Output;
use crate::app;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::keys::{Grant, GrantWords, Key, KeyId, KeyRing, KeyState, KeyText, Refusal};
use crate::limits::{KEY_INPUT_BYTES_MAX, KEY_OVERLAP_SECONDS_MAX};
use crate::memory::moment::{self, Edge, Here, SpanDirection};
use crate::platform;
use crate::store::keys::{KeyStore, refresh};

/// The variable that files and clients use for a key.
const VARIABLE: &str = "MIMO_API_KEY=";

/// What to do with keys.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo keys generate --name \"Ada's laptop\"
  mimo keys generate --name CI --scopes read --projects website --expires 90d --out ci.env
  mimo keys list
  mimo keys rotate k3jq7x2a                 a new text; the old one is valid for a day
  mimo keys revoke k3jq7x2a                 no process accepts it any more
  mimo keys check < ci.env                  is it valid, and what may it do?

A key's text is shown once; only a hash of it is stored.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Make a key; its text alone goes to stdout
    Generate(Generate),
    /// List the keys, what each may do and when it was last used
    List,
    /// Give a key a new text and keep what it may do
    Rotate(Rotate),
    /// Refuse a key from now on, and end its sessions
    Revoke(Revoke),
    /// Read a key from stdin and say what it may do
    Check,
}

/// What the new key may do. `--profile` chooses the tools that its clients see.
#[derive(clap::Args)]
struct Generate {
    /// Whose key it is, or what for
    #[arg(long)]
    name: String,
    /// read, write (which includes read), admin (which includes both), metrics
    #[arg(long, value_delimiter = ',', default_value = "read,write")]
    scopes: Vec<String>,
    /// Only these projects, each with :read or :write; `global` is read unless it says :write
    #[arg(long, value_delimiter = ',', value_name = "PROJECTS")]
    projects: Vec<String>,
    /// Only these tools, as patterns with * and ?; ! takes tools away
    #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
    tools: Vec<String>,
    /// When it expires: a span like 90d, or the last day on which it is valid
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Requests per minute, instead of the server's setting
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Requests at the same time, instead of the server's setting
    #[arg(long, value_name = "N")]
    at_once: Option<u32>,
    /// Write it to this new file, which only you can read, as MIMO_API_KEY=..
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Which key gets a new text.
#[derive(clap::Args)]
struct Rotate {
    /// The key's id
    id: String,
    /// How long the old text stays valid; 0s ends it at once
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    overlap: String,
    /// Write it to this new file, which only you can read, as MIMO_API_KEY=..
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Which keys end.
#[derive(clap::Args)]
struct Revoke {
    /// The key's id
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    /// Every key there is
    #[arg(long, conflicts_with = "id")]
    all: bool,
}

pub(super) fn run(
    arguments: Arguments,
    profile: Option<&str>,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    let store = &*app::keys(config)?;
    match arguments.verb {
        Verb::Generate(arguments) => {
            generate(&arguments, profile, store, &*clock, output)?;
            for warning in unmatched::warnings(&arguments.tools, config, clock)? {
                output.print_error(format!("{warning}\n"));
            }
            Ok(())
        }
        Verb::List => list(store, clock.now(), output),
        Verb::Rotate(arguments) => rotate(&arguments, store, &*clock, output),
        Verb::Revoke(arguments) => revoke(&arguments, store, clock.now(), output),
        Verb::Check => check(store, clock, output),
    }
}

fn generate(
    arguments: &Generate,
    profile: Option<&str>,
    store: &dyn KeyStore,
    clock: &dyn Clock,
    output: &Output,
) -> Result<()> {
    let now = clock.now();
    let grant = Grant::parse(GrantWords {
        scopes: &arguments.scopes,
        projects: &arguments.projects,
        tools: &arguments.tools,
        profile,
        requests_per_minute: arguments.requests_per_minute,
        at_once: arguments.at_once,
    })?;
    let expires = arguments.expires.as_deref();
    let expires_at = expires
        .map(|text| read_end(text, Here::of(clock)))
        .transpose()?;
    let (key, text) = Key::generate(clock, &arguments.name, grant, expires_at)?;
    let kept = async { Ok(store.add_key(key.clone()).await?) };
    with_key_file(&text, arguments.out.as_deref(), || app::run(kept))?;
    tracing::info!(key = %key.id, "a key was made");
    let said = view::description(&key, now, output);
    print_key(&key, &text, arguments.out.as_deref(), now, &said, output)
}

fn rotate(
    arguments: &Rotate,
    store: &dyn KeyStore,
    clock: &dyn Clock,
    output: &Output,
) -> Result<()> {
    let now = clock.now();
    let overlap = moment::parse_span(&arguments.overlap)
        .filter(|overlap| *overlap <= KEY_OVERLAP_SECONDS_MAX)
        .ok_or_else(|| {
            let why = format!(
                "--overlap {:?} is not a span of up to 30 days",
                arguments.overlap
            );
            Failure::invalid("", why).hint("write for example 24h, or 0s for no overlap")
        })?;
    let text = KeyText::generate_for(read_id(&arguments.id)?, clock);
    let (id, hash, end) = (text.id().clone(), text.hash(), now.plus_seconds(overlap));
    let rotated = async { Ok(store.rotate_key(id, hash, now, end).await?) };
    let key = with_key_file(&text, arguments.out.as_deref(), || app::run(rotated))?;
    tracing::info!(key = %key.id, "a key was rotated");
    let said = match key.state(now) {
        KeyState::Rotated { until } => format!(
            "The key {} has a new text. The old one is valid until {}.\n",
            key.id,
            until.to_iso()
        ),
        _ => format!(
            "The key {} has a new text. The old one is no longer valid.\n",
            key.id
        ),
    };
    print_key(&key, &text, arguments.out.as_deref(), now, &said, output)
}

fn revoke(arguments: &Revoke, store: &dyn KeyStore, now: Timestamp, output: &Output) -> Result<()> {
    let (count, said) = match &arguments.id {
        Some(id) => {
            let id = read_id(id)?;
            let revoked = app::run(async { Ok(store.revoke_key(id.clone(), now).await?) })?;
            tracing::info!(key = %id, "a key was revoked");
            let said = match revoked {
                true => format!("revoked {id}: every Mimo refuses it from its next request on\n"),
                false => format!("{id} was revoked before\n"),
            };
            (usize::from(revoked), said)
        }
        None => {
            let count = app::run(async { Ok(store.revoke_all_keys(now).await?) })?;
            tracing::info!(count, "all keys were revoked");
            (
                count,
                format!("revoked {}\n", counted(count, "key", "keys")),
            )
        }
    };
    match output.json {
        true => output.document(&json!({"ok": true, "revoked": count})),
        false => output.print(said),
    }
}

fn list(store: &dyn KeyStore, now: Timestamp, output: &Output) -> Result<()> {
    let keys = app::run(async { Ok(store.keys().await?) })?.keys;
    if output.json {
        let keys: Vec<Value> = keys.iter().map(|key| view::document(key, now)).collect();
        return output.document(&json!({ "keys": keys }));
    }
    match keys.is_empty() {
        true => output.print("There are no keys; `mimo keys generate --name NAME` makes one.\n"),
        false => output.print(view::table(&keys, now, output)),
    }
}

fn check(store: &dyn KeyStore, clock: Arc<dyn Clock>, output: &Output) -> Result<()> {
    let now = clock.now();
    let mut line = Zeroizing::new(String::new());
    let input = io::stdin().lock().take(KEY_INPUT_BYTES_MAX);
    io::BufReader::new(input).read_line(&mut line)?;
    let text = line.trim();
    let text = text.strip_prefix(VARIABLE).unwrap_or(text);
    let ring = KeyRing::new(clock);
    app::run(async { Ok(refresh(store, &ring).await?) })?;
    let key = ring.check(text.as_bytes()).map_err(|refusal| {
        let why = match refusal {
            Refusal::Invalid(Some(key)) => match key.state {
                KeyState::Revoked => format!("the key {} is revoked", key.id),
                _ => format!("the key {} or this text of it has expired", key.id),
            },
            Refusal::Invalid(None) => "no key in this database has this text".to_owned(),
            Refusal::Malformed | Refusal::Missing => {
                "this does not have the form of a key".to_owned()
            }
        };
        Failure::new(Kind::Refused, why)
            .hint("`mimo keys list` shows the keys; --data-dir names another database")
    })?;
    match output.json {
        true => output.document(&view::document(&key, now)),
        false => output.print(view::description(&key, now, output)),
    }
}

fn read_end(text: &str, here: Here) -> Result<Timestamp, Failure> {
    let end = moment::read(text, Edge::End, SpanDirection::Future, here);
    end.filter(|end| *end > here.now).ok_or_else(|| {
        let why = format!("--expires {text:?} is neither a span nor a time in the future");
        Failure::invalid("", why).hint("write for example 90d, or 2027-01-31")
    })
}

/// Does not show `text`, which may be part of a key.
fn read_id(text: &str) -> Result<KeyId, Failure> {
    KeyId::parse(text).ok_or_else(|| {
        Failure::invalid(
            "",
            "this is not the id of a key, which has 8 letters or digits",
        )
        .hint("`mimo keys list` shows the ids")
    })
}

/// Runs `work`, which makes `text` valid, after the text is in its file, if one is
/// wanted: it cannot be shown again. The file is removed if the work fails.
fn with_key_file<T>(
    text: &KeyText,
    file: Option<&Path>,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(path) = file else { return work() };
    write_new(path, text).map_err(|error| {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::new(Kind::Conflict, format!("{path} exists already"))
                    .hint("no key was made; name a new file, because this replaces nothing")
            }
            _ => Failure::new(
                Kind::Unavailable,
                format!("{path} cannot be written: {error}"),
            )
            .hint("no key was made; name a file in a folder that you may write to"),
        }
    })?;
    work().inspect_err(|_| {
        // Its text is not valid.
        let _ = fs::remove_file(path);
    })
}

fn write_new(path: &Path, text: &KeyText) -> io::Result<()> {
    let mut options = platform::private_options();
    let mut file = options.write(true).create_new(true).open(path)?;
    let line = Zeroizing::new(format!("{VARIABLE}{}\n", text.reveal()));
    let written = file
        .write_all(line.as_bytes())
        .and_then(|()| file.sync_all());
    written.inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Prints the text, unless it is in a file, and `said` after it.
fn print_key(
    key: &Key,
    text: &KeyText,
    file: Option<&Path>,
    now: Timestamp,
    said: &str,
    output: &Output,
) -> Result<()> {
    if output.json {
        let mut document = view::document(key, now);
        match file {
            Some(path) => document["file"] = json!(path.display().to_string()),
            None => document["key"] = json!(text.reveal()),
        }
        return output.document(&document);
    }
    output.print_error(said);
    match file {
        Some(path) => output.print_error(format!("Its text is in {}.\n", path.display())),
        None => {
            output.print(format!("{}\n", text.reveal()))?;
            output.print_error("This text is shown once: keep it where nobody else can read it.\n");
        }
    }
    Ok(())
}
