//! `mimo setup`: adds Mimo to a client's settings and removes it again. `clients`
//! decides what a settings file may contain.

mod adopt;
mod entry;
mod list;
mod remote;
mod result;

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::client_files::{parse_failure, places};
use super::connect;
use super::output::{Exit, Output};
use super::programs;
use crate::cli::skill::import::Imported;
use crate::clients::file::Settings;
use crate::clients::{Client, FoundEntry, NAMES, Target};
use crate::config::{self, Config, Environment, Flags};
use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};
use crate::printable;
pub(super) use list::{EntryState, rows};
use result::SetupResult;

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("which").args(["clients", "all"])))]
#[command(after_help = "\
Examples:
  mimo setup                             where do clients keep their settings, and is Mimo there?
  mimo setup claude-desktop
  mimo setup claude-code cursor          several at once
  mimo setup --all                       every client that is found on this machine
  mimo setup cursor --dry-run            what would change?
  mimo setup claude-code --here --project website
                                         in this folder's .mcp.json, with memories of its own
  mimo setup claude-desktop --adopt      its other servers move behind Mimo
  mimo setup zed --remove
  mimo setup cursor --url https://mimo.example.org/mcp --key-variable TEAM_KEY
                                         a Mimo over HTTP, with the key that TEAM_KEY holds

Everything else in the file stays as it is, comments included. The entry starts
this very program with the options given here: --project, --profile, --fence,
--data-dir and --config-dir. What MIMO_DATA_DIR and the other variables of Mimo say in
this shell goes into the entry too, since a client may start without them; keys and
passwords are named, not written. With --adopt, every server that Mimo can run moves from
the file into skills.json, and a copy of the file stays beside it; --remove puts
them back. With --url the entry leads to a Mimo over HTTP and names the variable that
holds the key, never the key; a client that cannot send one starts `mimo connect`.")]
pub(super) struct Arguments {
    /// The clients; without one, all of them are listed
    #[arg(value_name = "CLIENT", value_parser = NAMES)]
    clients: Vec<String>,
    /// Every client that is found on this machine
    #[arg(long)]
    all: bool,
    /// In the file of the project in the current folder, not your account's
    #[arg(long, requires = "which")]
    here: bool,
    /// Show what would change, and change nothing
    #[arg(long, requires = "which")]
    dry_run: bool,
    /// Move the client's other servers behind Mimo
    #[arg(long, requires = "which", conflicts_with = "remove")]
    adopt: bool,
    /// With --adopt: install packages at the first start, not now
    #[arg(long, requires = "adopt")]
    later: bool,
    /// Take Mimo out again, and put back the servers that it adopted
    #[arg(long, requires = "which")]
    remove: bool,
    /// Reach a Mimo over HTTP instead of starting this one
    #[arg(long, requires = "which", conflicts_with_all = ["adopt", "remove"])]
    url: Option<String>,
    /// With --url: the variable of the client's environment that holds the key
    #[arg(long, value_name = "NAME", requires = "url", default_value = connect::KEY_VARIABLE)]
    key_variable: String,
}

pub(super) fn run(
    arguments: &Arguments,
    flags: &Flags,
    environment: &Environment,
    output: &Output,
) -> Result<()> {
    let named = arguments.clients.iter();
    let mut clients: Vec<Client> = named.filter_map(|name| Client::named(name)).collect();
    if arguments.all {
        clients = found_clients(arguments, environment)?;
    }
    match clients[..] {
        [] => list::run(environment, output),
        [client] => {
            let result = set_up(client, arguments, flags, environment, output)?;
            match output.json {
                true => output.document(&result.document()),
                false => {
                    let mut text = output.text();
                    result.push(&mut text, output);
                    output.print(text)
                }
            }
        }
        _ => set_up_each(&clients, arguments, flags, environment, output),
    }
}

/// The clients of this account, or, to remove Mimo, those whose settings contain it.
fn found_clients(arguments: &Arguments, environment: &Environment) -> Result<Vec<Client>, Failure> {
    let places = places(environment);
    let mut clients = Client::ALL.to_vec();
    clients.retain(|client| client.is_found(&places));
    clients.retain(|client| {
        let Ok(file) = settings_file(*client, arguments.here, environment) else {
            return false;
        };
        let has_entry = |settings: Settings| !matches!(client.find(settings.text()), Ok(None));
        !arguments.remove || Settings::read(&file).map_or(true, has_entry)
    });
    match (clients.is_empty(), arguments.remove) {
        (false, _) => Ok(clients),
        (true, true) => {
            let message = "Mimo is set up in no client's settings";
            Err(Failure::new(Kind::NotFound, message).hint("`mimo setup` lists where it looks"))
        }
        (true, false) => {
            let message = "none of the clients that Mimo knows was found in this account";
            Err(Failure::new(Kind::NotFound, message).hint(
                "start your client once, or name it: `mimo setup` lists the clients and their files",
            ))
        }
    }
}

/// Sets up the clients one by one; a failure does not stop the others.
fn set_up_each(
    clients: &[Client],
    arguments: &Arguments,
    flags: &Flags,
    environment: &Environment,
    output: &Output,
) -> Result<()> {
    let (mut documents, mut text, mut is_ok) = (Vec::new(), output.text(), true);
    for client in clients {
        match set_up(*client, arguments, flags, environment, output) {
            Ok(result) => {
                documents.push(result.document());
                result.push(&mut text, output);
            }
            Err(error) => {
                is_ok = false;
                let Some(failure) = error.downcast_ref::<Failure>() else {
                    return Err(error);
                };
                let mut document = failure.document();
                document["ok"] = json!(false);
                document["client"] = json!(client.name());
                documents.push(document);
                text.push(&format!("Mimo is not set up in {}: ", client.title()));
                text.push(&format!("{}\n", printable::quoted(&failure.message)));
                if let Some(hint) = &failure.hint {
                    text.push(&format!("  next: {hint}\n"));
                }
            }
        }
    }
    match output.json {
        true => output.document(&json!({"ok": is_ok, "clients": documents})),
        false => output.print(text),
    }?;
    match is_ok {
        true => Ok(()),
        false => Err(Exit(1).into()),
    }
}

fn set_up(
    client: Client,
    arguments: &Arguments,
    flags: &Flags,
    environment: &Environment,
    output: &Output,
) -> Result<SetupResult> {
    let file = settings_file(client, arguments.here, environment)?;
    let settings = Settings::read(&file)?;
    let parse_failed = |mistake: Diagnostic| parse_failure(&settings, &mistake);
    let found = client.find(settings.text()).map_err(parse_failed)?;
    let copy = arguments.remove.then(|| adopt::copy(&settings));
    let copy = copy.transpose()?.filter(Settings::exists);
    let edit = match (arguments.remove, &copy) {
        (true, Some(copy)) => Edit::of_text(adopt::restored(client, &settings, copy)?),
        (true, None) => Edit::of_text(client.remove_entry(settings.text()).map_err(parse_failed)?),
        (false, _) => add_entry(
            client,
            &settings,
            found.as_ref(),
            arguments,
            flags,
            environment,
            output,
        )?,
    };
    let Edit {
        text,
        target,
        secrets,
        imported,
    } = edit;
    let changed = text != settings.text();
    // The entries of other servers may hold secrets.
    let difference = match arguments.dry_run && !arguments.adopt && copy.is_none() {
        true => result::difference_lines(settings.text(), &text),
        false => Vec::new(),
    };
    if changed && !arguments.dry_run {
        settings.replace(&text)?;
    }
    if let Some(copy) = copy.as_ref().filter(|_| !arguments.dry_run) {
        copy.remove()?;
    }
    Ok(SetupResult {
        client,
        changed,
        dry_run: arguments.dry_run,
        temporary_location: match &target {
            Some(Target::Program(entry)) => entry::temporary_location(&entry.command),
            _ => None,
        },
        secrets,
        unencrypted: arguments.url.as_deref().is_some_and(config::is_open),
        variable: arguments
            .url
            .as_ref()
            .map(|_| arguments.key_variable.clone()),
        target,
        found,
        difference,
        imported,
        has_copy: copy.is_some(),
        settings,
    })
}

/// The new text of a client's settings, and what the person is told about it.
struct Edit {
    text: String,
    /// What the entry leads to, if there is one now.
    target: Option<Target>,
    secrets: Vec<String>,
    imported: Option<Imported>,
}

impl Edit {
    fn of_text(text: String) -> Edit {
        Edit {
            text,
            target: None,
            secrets: Vec::new(),
            imported: None,
        }
    }
}

/// Adds or replaces Mimo's entry, and with `--adopt` moves the other servers to Mimo.
fn add_entry(
    client: Client,
    settings: &Settings,
    found: Option<&FoundEntry>,
    arguments: &Arguments,
    flags: &Flags,
    environment: &Environment,
    output: &Output,
) -> Result<Edit> {
    let parse_failed = |mistake: Diagnostic| parse_failure(settings, &mistake);
    client
        .check_readable(settings.text())
        .map_err(parse_failed)?;
    let mut config = Config::load(flags, environment)?;
    let (target, secrets) = match &arguments.url {
        None => {
            let target = Target::Program(entry::entry(&config, flags, environment)?);
            (target, entry::secrets(&config))
        }
        Some(url) => {
            let program = entry::program(environment)?;
            let target = remote::target(client, url, &arguments.key_variable, flags, program)?;
            (target, Vec::new())
        }
    };
    if let Some(found) = found {
        check_replaced(client, settings, found, &target)?;
    }
    if !arguments.dry_run && arguments.url.is_none() {
        config = programs::record(config, environment);
    }
    let text = client.put(settings.text(), &target).map_err(parse_failed)?;
    let mut edit = Edit {
        target: Some(target),
        secrets,
        ..Edit::of_text(text)
    };
    if arguments.adopt {
        let options = adopt::Options {
            dry_run: arguments.dry_run,
            later: arguments.later,
            folder: environment.current_folder.as_deref(),
        };
        let (imported, text) =
            adopt::adopt(client, settings, edit.text, &config, &options, output)?;
        edit.text = text;
        edit.imported = Some(imported);
    }
    Ok(edit)
}

/// The settings file that is meant.
fn settings_file(
    client: Client,
    here: bool,
    environment: &Environment,
) -> Result<PathBuf, Failure> {
    if !here {
        let file = client.settings(&places(environment)).ok_or_else(|| {
            Failure::new(
                Kind::NotFound,
                "this account has no home folder, so no client keeps settings there",
            )
            .hint("set HOME")
        })?;
        return match client.replaced_settings(&file) {
            None => Ok(file),
            Some(older) => Err(Failure::new(
                Kind::Refused,
                format!(
                    "{} keeps its settings in {}, and would no longer read it beside a new {}",
                    client.title(),
                    older.display(),
                    file.display()
                ),
            )
            .hint("let the client move its settings to the new file first")),
        };
    }
    let folder = environment.current_folder.as_ref().ok_or_else(|| {
        Failure::new(Kind::NotFound, "the current folder no longer exists")
            .hint("go to another one with cd")
    })?;
    client.settings_of_project(folder).ok_or_else(|| {
        Failure::invalid(
            "",
            format!("{} has no settings of single projects", client.title()),
        )
        .hint("leave out --here")
    })
}

/// An entry for a program cannot become one for a remote server, or the reverse: keys
/// that only the other kind has would stay.
fn check_replaced(
    client: Client,
    settings: &Settings,
    found: &FoundEntry,
    target: &Target,
) -> Result<(), Failure> {
    let path = settings.path().display();
    let kind = match (&found.remote, &found.entry, target) {
        (Some((key, _)), _, Target::Program(_)) => format!("a remote server (its {key:?})"),
        (None, Some(_), Target::Remote(_)) => "a program".to_owned(),
        _ => return Ok(()),
    };
    let message = format!("{path} has an entry \"mimo\" for {kind}");
    Err(Failure::new(Kind::Conflict, message).hint(format!(
        "the file is unchanged; `mimo setup {} --remove` removes that entry",
        client.name()
    )))
}
