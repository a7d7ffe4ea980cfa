//! `mimo setup CLIENT --url URL`: an entry that leads to a Mimo over HTTP.

use crate::cli::connect;
use crate::clients::{Client, Entry, Remote, Target};
use crate::config::Flags;
use crate::failure::Failure;

/// What the entry of `client` leads to: the URL, or `program` with it where the client
/// cannot send a key by itself.
pub(super) fn target(
    client: Client,
    url: &str,
    key_variable: &str,
    flags: &Flags,
    program: String,
) -> Result<Target, Failure> {
    let is_local = [
        flags.project.is_some(),
        flags.profile.is_some(),
        flags.fence,
        flags.data_folder.is_some(),
    ];
    if is_local.contains(&true) {
        let message = "--project, --profile, --fence and --data-dir do not go with --url";
        let hint = "the key decides them: see `mimo keys generate --help`";
        return Err(Failure::invalid("", message).hint(hint));
    }
    let url = connect::parse_url(url)?;
    connect::check_variable(key_variable)?;
    let key_variable = key_variable.to_owned();
    Ok(match client.sends_keys() {
        true => Target::Remote(Remote { url, key_variable }),
        false => Target::Program(Entry {
            command: program,
            args: vec![
                "connect".to_owned(),
                url,
                "--key-variable".to_owned(),
                key_variable,
            ],
            env: Vec::new(),
        }),
    })
}
