//! `mimo setup CLIENT --adopt`: moves the client's servers behind Mimo. A copy of its
//! file is kept beside it until `--remove` has put them back.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::cli::client_files::parse_failure;
use crate::cli::output::Output;
use crate::cli::skill::import::{Imported, import, of_client};
use crate::clients::Client;
use crate::clients::file::Settings;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::skills::sandbox;

/// The suffix of the copy's name.
pub(super) const COPY: &str = ".before-mimo";

/// How servers are adopted.
pub(super) struct Options<'a> {
    pub(super) dry_run: bool,
    pub(super) later: bool,
    /// The folder of the project whose servers are adopted too.
    pub(super) folder: Option<&'a Path>,
}

/// Adds the client's servers to the manifest. Returns `text` without the added ones; a
/// server that was refused stays.
pub(super) fn adopt(
    client: Client,
    settings: &Settings,
    text: String,
    config: &Config,
    options: &Options<'_>,
    output: &Output,
) -> Result<(Imported, String)> {
    if !sandbox::IS_AVAILABLE {
        let message = "Mimo runs other servers on Linux and macOS only";
        let hint = "the file is unchanged; leave out --adopt";
        return Err(Failure::new(Kind::Refused, message).hint(hint).into());
    }
    let maps = of_client(client, settings, options.folder)?;
    let servers = maps.iter().flat_map(|(_, servers)| servers.clone());
    let servers = servers.map(|(name, entry)| (name, entry.into()));
    let (dry_run, later) = (options.dry_run, options.later);
    let imported = import(servers.collect(), config, dry_run, later, output)?;
    let taken = imported.taken();
    let is_any_taken = taken.iter().any(Option::is_some);
    let (mut taken, mut text) = (taken.into_iter(), text);
    // In the same order.
    for (map, servers) in &maps {
        let names = taken.by_ref().take(servers.len());
        let names: Vec<String> = names.flatten().collect();
        text = client
            .remove_servers(&text, map, &names)
            .map_err(|mistake| parse_failure(settings, &mistake))?;
    }
    if !dry_run && is_any_taken {
        let copy = copy(settings)?;
        // An earlier copy may contain servers that have left this file since.
        let kept = match copy.exists() {
            true => restored(client, settings, &copy)?,
            false => settings.text().to_owned(),
        };
        copy.replace(&kept)?;
    }
    Ok((imported, text))
}

/// The copy of the client's file, if one was kept.
pub(super) fn copy(settings: &Settings) -> Result<Settings, Failure> {
    let mut name = OsString::from(settings.path());
    name.push(COPY);
    Settings::read(Path::new(&name))
}

/// The client's file without Mimo, and with the other entries of `copy`.
pub(super) fn restored(
    client: Client,
    settings: &Settings,
    copy: &Settings,
) -> Result<String, Failure> {
    let restored = client.restored(settings.text(), copy.text());
    restored.map_err(|mistake| parse_failure(settings, &mistake))
}
