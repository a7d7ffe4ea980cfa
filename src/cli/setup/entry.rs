//! The program in an entry: this one, with the options of this command line and the
//! variables of this shell.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::clients::Entry;
use crate::config::{AUTO, Config, EmbeddingSettings, Environment, Flags};
use crate::failure::{Failure, Kind};

/// This program with the options of this command line and the variables of this shell.
/// `config` has absolute paths, because the client starts it in another folder.
pub(super) fn entry(
    config: &Config,
    flags: &Flags,
    environment: &Environment,
) -> Result<Entry, Failure> {
    let given = |is_given: bool, flag: &str, value: &Path| match is_given {
        true => Ok(vec![flag.to_owned(), utf8(value)?]),
        false => Ok::<_, Failure>(Vec::new()),
    };
    let project = Path::new(project(config));
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

/// The project setting, unresolved.
fn project(config: &Config) -> &str {
    match config.follows_root {
        true => AUTO,
        false => &config.project,
    }
}

/// The values of this shell's variables that no option overrides: a client that is
/// started from a desktop does not have them.
fn variables(
    config: &Config,
    flags: &Flags,
    environment: &Environment,
) -> Result<Vec<(String, Value)>, Failure> {
    let has_folder = flags.data_folder.is_some();
    let project = Path::new(project(config));
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
    let paths = said.map(|(name, _, value)| Ok((name.to_owned(), json!(utf8(value)?))));
    let mut variables: Vec<(String, Value)> = paths.collect::<Result<_, Failure>>()?;
    if config.embedding.is_some() {
        for name in OLLAMA {
            if let Some(value) = environment.variables.get(name) {
                variables.push((name.to_owned(), json!(utf8(Path::new(value))?)));
            }
        }
    }
    Ok(variables)
}

/// The variables that make Ollama's model the encoder.
const OLLAMA: [&str; 2] = ["OLLAMA_URL", "OLLAMA_EMBEDDING_MODEL"];

/// The variables of this shell that Mimo reads but that belong in no settings file.
pub(super) fn secrets(config: &Config) -> Vec<String> {
    let database = config.store.url.is_some();
    let database = database.then(|| config.store.url_variable().to_owned());
    let embedding = match &config.embedding {
        Some(EmbeddingSettings::Endpoint { endpoint, .. }) => Some(endpoint),
        _ => None,
    };
    let endpoints = config.ask.endpoint().into_iter().chain(embedding);
    let keys = endpoints.filter_map(|endpoint| {
        let (variable, value) = endpoint.key.as_ref()?;
        value.is_some().then(|| variable.clone())
    });
    database.into_iter().chain(keys).collect()
}

/// The path of this program.
pub(super) fn program(environment: &Environment) -> Result<String, Failure> {
    let program = environment.executable.as_deref();
    // The path of a program that was replaced while it ran does not exist.
    let program = program.filter(|path| path.exists()).ok_or_else(|| {
        Failure::new(Kind::NotFound, "this program's file no longer exists")
            .hint("install Mimo again, then run the same command")
    })?;
    utf8(&link_of_homebrew(program).unwrap_or_else(|| program.to_owned()))
}

/// The link in Homebrew's `bin`, which stays when an update removes the folder of this
/// version.
fn link_of_homebrew(program: &Path) -> Option<PathBuf> {
    let mut folders = program.ancestors();
    let cellar = folders.find(|folder| folder.ends_with("Cellar"))?;
    let link = cellar.parent()?.join("bin").join(program.file_name()?);
    let leads_here = link.canonicalize().ok()? == program.canonicalize().ok()?;
    leads_here.then_some(link)
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

/// The kind of place a program is in if it may vanish without being uninstalled, such
/// as `a build folder`.
pub(super) fn temporary_location(command: &str) -> Option<&'static str> {
    let places = [
        ("_npx", "the cache of npx"),
        ("archive-v0", "the cache of uvx"),
        ("target", "a build folder"),
    ];
    let has = |name: &str| {
        let mut parts = Path::new(command).components();
        parts.any(|each| each.as_os_str() == name)
    };
    let found = places.iter().find(|(name, _)| has(name));
    found.map(|(_, place)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn entry_names_the_link_that_an_update_of_homebrew_keeps() {
        let folder = tempfile::tempdir().expect("a folder");
        let prefix = folder.path().canonicalize().expect("a path");
        let keg = prefix.join("Cellar/mimo-mcp/0.1.0/bin");
        std::fs::create_dir_all(&keg).expect("made");
        std::fs::create_dir(prefix.join("bin")).expect("made");
        let (program, link) = (keg.join("mimo"), prefix.join("bin/mimo"));
        std::fs::write(&program, "").expect("written");
        assert_eq!(link_of_homebrew(&program), None, "it is not linked");
        std::os::unix::fs::symlink(&program, &link).expect("linked");
        assert_eq!(link_of_homebrew(&program), Some(link.clone()));
        assert_eq!(link_of_homebrew(&link), None, "it is the link already");
        std::fs::remove_file(&link).expect("removed");
        std::fs::write(&link, "").expect("written");
        assert_eq!(link_of_homebrew(&program), None, "another program");
    }

    #[test]
    fn passing_places_are_told_from_others() {
        for (command, place) in [
            ("/src/mimo/target/release/mimo", Some("a build folder")),
            (
                "/h/.npm/_npx/0a/node_modules/x/bin/mimo",
                Some("the cache of npx"),
            ),
            (
                "/h/.cache/uv/archive-v0/x/bin/mimo",
                Some("the cache of uvx"),
            ),
            ("/h/.local/share/uv/tools/mimo-mcp/bin/mimo", None),
            ("/usr/lib/node_modules/mimo-mcp/bin/mimo", None),
        ] {
            assert_eq!(temporary_location(command), place, "{command}");
        }
    }
}
