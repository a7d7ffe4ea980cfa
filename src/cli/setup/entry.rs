//! What an entry starts: this program, as this command line and this shell have it.

use std::path::Path;

use serde_json::{Value, json};

use crate::clients::Entry;
use crate::config::{Config, Environment, Flags};
use crate::failure::{Failure, Kind};

/// This program, with what was asked of it on this command line and in this shell.
/// `config` has the paths made whole: the client starts it somewhere else.
pub(super) fn entry(
    config: &Config,
    flags: &Flags,
    environment: &Environment,
) -> Result<Entry, Failure> {
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
        env: variables(config, flags, environment)?,
    })
}

/// What this shell's variables say, unless an option says it: a client that is started
/// from a desktop does not have them.
fn variables(
    config: &Config,
    flags: &Flags,
    environment: &Environment,
) -> Result<Vec<(String, Value)>, Failure> {
    let has_folder = flags.data_folder.is_some();
    let project = Path::new(&config.project);
    let profile = Path::new(&config.profile);
    let said = [
        (
            "MIMO_CONFIG_DIR",
            flags.config_folder.is_some(),
            &*config.config_folder,
        ),
        ("MIMO_DATA_DIR", has_folder, &*config.data_folder),
        ("DB_PATH", has_folder, &*config.database),
        ("SKILLS_PATH", false, &*config.skills.manifest),
        ("MIMO_PROJECT", flags.project.is_some(), project),
        ("MIMO_PROFILE", flags.profile.is_some(), profile),
    ];
    let is_said = |(name, by_flag, _): &(&str, bool, &Path)| {
        !by_flag && environment.variables.contains_key(name)
    };
    let said = said.into_iter().filter(is_said);
    said.map(|(name, _, value)| Ok((name.to_owned(), json!(utf8(value)?))))
        .collect()
}

/// The variables of this shell that Mimo reads and that no settings file should hold.
pub(super) fn secrets(config: &Config) -> Vec<String> {
    let database = config.store.url.is_some();
    let database = database.then(|| config.store.url_variable().to_owned());
    let endpoint = config.ask.endpoint().and_then(|endpoint| {
        let (variable, value) = endpoint.key.as_ref()?;
        value.is_some().then(|| variable.clone())
    });
    database.into_iter().chain(endpoint).collect()
}

/// The path of this program.
pub(super) fn program(environment: &Environment) -> Result<String, Failure> {
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

/// Whether a build would replace or remove the program.
pub(super) fn is_in_build_folder(command: &str) -> bool {
    let mut parts = Path::new(command).components();
    parts.any(|each| each.as_os_str() == "target")
}
