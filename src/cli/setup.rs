//! `mimo setup`: puts Mimo into a client's settings and takes it out again.
//! What a settings file may hold is decided in `clients`.

mod adopt;
mod list;
mod remote;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::client_files::{command_line, entry_document, parse_failure, places, target_document};
use super::connect;
use super::output::{Output, Text, truncate};
use super::programs;
use super::skill::import::Imported;
use crate::clients::file::Settings;
use crate::clients::lines::{bare, difference};
use crate::clients::{Client, Entry, FoundEntry, NAMES, Target};
use crate::config::{Config, Environment, Flags};
use crate::diagnostics::Diagnostic;
use crate::failure::{Failure, Kind};
use crate::printable;

/// Unchanged lines that are shown on each side of a change.
const CONTEXT_LINES: usize = 2;

/// Which client.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo setup                             where do clients keep their settings, and is Mimo there?
  mimo setup claude-desktop
  mimo setup cursor --dry-run            what would change?
  mimo setup claude-code --here --project website
                                         in this folder's .mcp.json, with memories of its own
  mimo setup claude-desktop --adopt      its other servers move behind Mimo
  mimo setup zed --remove
  mimo setup cursor --url https://mimo.example.org/mcp --key-variable TEAM_KEY
                                         a Mimo over HTTP, with the key that TEAM_KEY holds

Everything else in the file stays as it is, comments included. The entry starts
this very program with the options given here: --project, --profile, --fence,
--data-dir and --config-dir. With --adopt, every server that Mimo can run moves from
the file into skills.json, and a copy of the file stays beside it; --remove puts
them back. With --url the entry leads to a Mimo over HTTP and names the variable that
holds the key, never the key; a client that cannot
send one starts `mimo connect`.")]
pub(super) struct Arguments {
    /// The client; without one, all of them are listed
    #[arg(value_name = "CLIENT", value_parser = NAMES)]
    client: Option<String>,
    /// In the file of the project in the current folder, not your account's
    #[arg(long, requires = "client")]
    here: bool,
    /// Show what would change, and change nothing
    #[arg(long, requires = "client")]
    dry_run: bool,
    /// Move the client's other servers behind Mimo
    #[arg(long, requires = "client", conflicts_with = "remove")]
    adopt: bool,
    /// With --adopt: install packages at the first start, not now
    #[arg(long, requires = "adopt")]
    later: bool,
    /// Take Mimo out again, and put back the servers that it adopted
    #[arg(long, requires = "client")]
    remove: bool,
    /// Reach a Mimo over HTTP instead of starting this one
    #[arg(long, requires = "client", conflicts_with_all = ["adopt", "remove"])]
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
    let named = arguments.client.as_deref().and_then(Client::named);
    let Some(client) = named else {
        return list::run(environment, output);
    };
    let file = settings_file(client, arguments.here, environment)?;
    let settings = Settings::read(&file)?;
    let parse_failed = |mistake: Diagnostic| parse_failure(&settings, &mistake);
    let found = client.find(settings.text()).map_err(parse_failed)?;
    let copy = arguments.remove.then(|| adopt::copy(&settings));
    let copy = copy.transpose()?.filter(Settings::exists);
    let mut imported = None;
    let (target, text) = match (arguments.remove, &copy) {
        (true, Some(copy)) => (None, adopt::restored(client, &settings, copy)?),
        (true, None) => (
            None,
            client.take_out(settings.text()).map_err(parse_failed)?,
        ),
        (false, _) => {
            let target = match &arguments.url {
                None => Target::Program(entry(flags, environment)?),
                Some(url) => {
                    let program = program(environment)?;
                    remote::target(client, url, &arguments.key_variable, flags, program)?
                }
            };
            if let Some(found) = &found {
                check_replaced(client, &settings, found, &target)?;
            }
            let mut config = Config::load(flags, environment)?;
            if !arguments.dry_run && arguments.url.is_none() {
                config = programs::record(config, environment);
            }
            let mut text = client.put(settings.text(), &target).map_err(parse_failed)?;
            if arguments.adopt {
                let options = adopt::Options {
                    dry_run: arguments.dry_run,
                    later: arguments.later,
                    folder: environment.current_folder.as_deref(),
                };
                let adopted = adopt::adopt(client, &settings, text, &config, &options, output)?;
                imported = Some(adopted.0);
                text = adopted.1;
            }
            (Some(target), text)
        }
    };
    let changed = text != settings.text();
    // The entries of other servers may hold secrets.
    let difference = match arguments.dry_run && !arguments.adopt && copy.is_none() {
        true => difference_lines(settings.text(), &text),
        false => Vec::new(),
    };
    if changed && !arguments.dry_run {
        settings.replace(&text)?;
    }
    if let Some(copy) = copy.as_ref().filter(|_| !arguments.dry_run) {
        copy.remove()?;
    }
    let result = SetupResult {
        client,
        settings: &settings,
        changed,
        dry_run: arguments.dry_run,
        warning: target.as_ref().and_then(|target| match target {
            Target::Program(entry) => build_folder_warning(&entry.command),
            Target::Remote(_) => None,
        }),
        unencrypted: arguments
            .url
            .as_deref()
            .is_some_and(connect::is_unencrypted),
        variable: arguments.url.as_ref().map(|_| &*arguments.key_variable),
        target,
        found: found.as_ref(),
        difference,
        imported,
        has_copy: copy.is_some(),
    };
    match output.json {
        true => output.document(&result.document()),
        false => output.print(result.text(output)),
    }
}

/// The settings file that is meant.
fn settings_file(
    client: Client,
    here: bool,
    environment: &Environment,
) -> Result<PathBuf, Failure> {
    if !here {
        return client.settings(&places(environment)).ok_or_else(|| {
            Failure::new(
                Kind::NotFound,
                "this account has no home folder, so no client keeps settings there",
            )
            .hint("set HOME")
        });
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

/// This program, with what was asked of it on this command line.
fn entry(flags: &Flags, environment: &Environment) -> Result<Entry, Failure> {
    // Checked, and paths made whole: the client starts it somewhere else.
    let config = Config::load(flags, environment)?;
    let given = |is_given: bool, flag: &str, value: &Path| match is_given {
        true => Ok(vec![flag.to_owned(), utf8(value)?]),
        false => Ok::<_, Failure>(Vec::new()),
    };
    let project = Path::new(&config.project);
    let profile = Path::new(&config.profile);
    let args = [
        given(flags.project.is_some(), "--project", project)?,
        given(flags.profile.is_some(), "--profile", profile)?,
        Vec::from_iter(flags.fence.then(|| "--fence".to_owned())),
        given(
            flags.data_folder.is_some(),
            "--data-dir",
            &config.data_folder,
        )?,
        given(
            flags.config_folder.is_some(),
            "--config-dir",
            &config.config_folder,
        )?,
    ];
    Ok(Entry {
        command: program(environment)?,
        args: args.concat(),
    })
}

/// The path of this program.
fn program(environment: &Environment) -> Result<String, Failure> {
    let program = environment.executable.as_deref();
    // A program that was replaced while it ran has a name that leads nowhere.
    let program = program.filter(|path| path.exists()).ok_or_else(|| {
        Failure::new(Kind::NotFound, "this program's file no longer exists")
            .hint("install Mimo again, then run the same command")
    })?;
    utf8(program)
}

fn utf8(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = path.display();
        Failure::new(
            Kind::Refused,
            format!("settings are UTF-8 text, and the path {shown} is not"),
        )
        .hint("rename it, or put it somewhere else")
    })
}

/// Warns of a program that a build would replace or remove.
fn build_folder_warning(command: &str) -> Option<String> {
    let inside = Path::new(command);
    let is_build = inside.components().any(|each| each.as_os_str() == "target");
    is_build.then(|| {
        "the program is in a build folder: once that is cleaned or moved, the client cannot start \
         it; install Mimo, then run this again with the installed program"
            .to_owned()
    })
}

/// An entry for a program does not become one for a remote server, nor the other way:
/// keys that only the other kind has would stay in it.
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
        "the file is as it was; `mimo setup {} --remove` removes that entry",
        client.name()
    )))
}

/// The change, as `diff` would show it.
fn difference_lines(old: &str, new: &str) -> Vec<String> {
    let change = difference(old, new);
    let marked = |mark: char, lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| format!("{mark} {}", bare(line)))
            .collect()
    };
    let before = change.before.len().saturating_sub(CONTEXT_LINES);
    let after = change.after.len().min(CONTEXT_LINES);
    [
        marked(' ', &change.before[before..]),
        marked('-', &change.removed),
        marked('+', &change.added),
        marked(' ', &change.after[..after]),
    ]
    .concat()
}

/// The outcome, as it is printed.
struct SetupResult<'a> {
    client: Client,
    settings: &'a Settings,
    changed: bool,
    dry_run: bool,
    /// The entry now; `None` if it was removed.
    target: Option<Target>,
    /// The entry before.
    found: Option<&'a FoundEntry>,
    difference: Vec<String>,
    warning: Option<String>,
    /// The key crosses a network that others may read.
    unencrypted: bool,
    /// The variable that holds the key of a Mimo over HTTP.
    variable: Option<&'a str>,
    /// The client's other servers, if they were adopted.
    imported: Option<Imported>,
    /// Adopted servers were put back.
    has_copy: bool,
}

impl SetupResult<'_> {
    fn document(&self) -> Value {
        let mut document = json!({
            "ok": true,
            "client": self.client.name(),
            "file": self.settings.path().display().to_string(),
            "changed": self.changed && !self.dry_run,
            "entry": self.target.as_ref().map(target_document),
            "was": self.found.map(|found| match &found.entry {
                Some(entry) => entry_document(entry),
                None => json!(found.text),
            }),
        });
        if self.dry_run {
            document["dry_run"] = json!(true);
            document["would_change"] = json!(self.changed);
            document["difference"] = json!(self.difference);
        }
        if let Some(imported) = &self.imported {
            document["adopted"] = imported.document();
        }
        if self.has_copy {
            document["put_back"] = json!(true);
        }
        if let Some(warning) = self.warning() {
            document["warning"] = json!(warning);
        }
        if let Some(next) = self.next() {
            document["next"] = json!(next);
        }
        document
    }

    fn text(&self, output: &Output) -> Text {
        let file = self.settings.path().display();
        let title = self.client.title();
        let summary = match (self.target.is_some(), self.changed, self.dry_run) {
            (true, false, _) => format!("Mimo is set up in {title} already, nothing to change"),
            (false, false, _) => format!("Mimo is not set up in {title}, nothing to remove"),
            (true, true, true) => format!("Mimo would be set up in {title}"),
            (false, true, true) => format!("Mimo would be removed from {title}"),
            (true, true, false) => format!("Mimo is set up in {title}"),
            (false, true, false) => format!("Mimo is removed from {title}"),
        };
        let created = match self.changed && !self.settings.exists() {
            true if self.dry_run => " (to be made)",
            true => " (made)",
            false => "",
        };
        let mut text = output.text();
        text.push(&format!("{summary}\n  file:   {file}{created}\n"));
        match &self.target {
            Some(Target::Program(entry)) => {
                text.push(&format!("  starts: {}\n", command_line(entry)));
            }
            Some(Target::Remote(remote)) => text.push(&format!("  calls:  {}\n", remote.url)),
            None => {}
        }
        if let Some(found) = self.found.filter(|_| self.changed) {
            text.push(&format!("  was:    {}\n", printable::quoted(&found.text)));
        }
        for line in &self.difference {
            let color = match line.as_bytes().first() {
                Some(b'-') => 31,
                Some(b'+') => 32,
                _ => 0,
            };
            let line = match output.terminal {
                true => truncate(line, output.columns),
                false => line.clone(),
            };
            text.paint(color, &line);
            text.push("\n");
        }
        if let Some(imported) = &self.imported {
            imported.push(&mut text);
            let taken = imported.taken();
            if taken.contains(&None) {
                text.push(&format!("what was refused stays with {title}\n"));
            }
            if taken.iter().any(Option::is_some) {
                let would = if self.dry_run {
                    "would be kept"
                } else {
                    "is kept"
                };
                let copy = adopt::COPY;
                text.push(&format!("the file as it was {would} as {file}{copy}\n"));
            }
        }
        if self.has_copy {
            let would = if self.dry_run { "would be" } else { "are" };
            text.push(&format!(
                "the servers that Mimo adopted {would} back in the file; skills.json keeps them too\n"
            ));
        }
        if let Some(warning) = self.warning() {
            text.push(&format!("note: {warning}\n"));
        }
        if let Some(next) = self.next() {
            text.push(&format!("next: {next}\n"));
        }
        text
    }

    /// What is left for the person to do.
    fn next(&self) -> Option<String> {
        let title = self.client.title();
        let is_off = self.found.is_some_and(|found| found.is_off) && self.target.is_some();
        if self.dry_run {
            return self
                .changed
                .then(|| "run it without --dry-run to change the file".to_owned());
        }
        match (is_off, self.changed, self.variable) {
            (true, ..) => Some(format!("it is switched off there: switch it on in {title}")),
            (false, true, Some(variable)) => Some(format!(
                "set {variable} to a key in the environment from which {title} starts, then \
                 restart {title}"
            )),
            (false, true, None) => Some(format!("restart {title}, so that it reads its settings")),
            (false, false, _) => None,
        }
    }

    fn warning(&self) -> Option<String> {
        let unencrypted = self
            .unencrypted
            .then(|| "without TLS others on the network can read the key: use https".to_owned());
        let warnings: Vec<String> = self.warning.iter().cloned().chain(unencrypted).collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }
}
