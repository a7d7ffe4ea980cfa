//! The account's settings for registries: an allow-list of `~/.npmrc`. No other
//! setting reaches an install, least of all one that runs something.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::limits::INSTALL_SETTINGS_BYTES_MAX;

/// Settings of registries, for the steps of an install that reach one.
#[derive(Default)]
pub(super) struct Settings {
    /// The lines for npm's own settings file.
    pub(super) npmrc: String,
    /// Files that the steps have to read.
    pub(super) certificates: Vec<PathBuf>,
    /// Variables that a setting names and that are not set.
    pub(super) unset: Vec<String>,
}

const KEYS: [&str; 11] = [
    "registry",
    "cafile",
    "ca",
    "strict-ssl",
    "proxy",
    "https-proxy",
    "noproxy",
    "before",
    "min-release-age",
    "replace-registry-host",
    "email",
];
/// The last part of a key that begins with the address of a registry.
const REGISTRY_KEYS: [&str; 6] = [
    "_authToken",
    "_auth",
    "username",
    "_password",
    "certfile",
    "keyfile",
];
/// Keys that hold the path of a file.
const FILES: [&str; 3] = ["cafile", "certfile", "keyfile"];

/// Reads the settings below `home`. `environment` holds what `${NAME}` may name.
pub(super) fn of(home: Option<&Path>, environment: &BTreeMap<String, String>) -> Settings {
    let mut settings = Settings::default();
    let file = home.map(|home| home.join(".npmrc"));
    let text = file
        .and_then(|file| fs::read(file).ok())
        .unwrap_or_default();
    if text.len() > INSTALL_SETTINGS_BYTES_MAX {
        return settings;
    }
    for line in String::from_utf8_lossy(&text).lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        if !is_of_a_registry(key) {
            continue;
        }
        let value = expanded(value, environment, &mut settings.unset);
        if FILES.iter().any(|file| key.ends_with(file)) {
            settings.certificates.push(PathBuf::from(&value));
        }
        settings.npmrc.push_str(&format!("{key}={value}\n"));
    }
    settings.certificates.retain(|path| path.exists());
    settings
}

fn is_of_a_registry(key: &str) -> bool {
    let scoped = key.starts_with('@') && key.ends_with(":registry");
    let at_an_address = key.starts_with("//")
        && key
            .rsplit_once(':')
            .is_some_and(|(_, last)| REGISTRY_KEYS.contains(&last));
    KEYS.contains(&key) || scoped || at_an_address
}

/// npm would send a variable that is not set as it is written.
fn expanded(
    value: &str,
    environment: &BTreeMap<String, String>,
    unset: &mut Vec<String>,
) -> String {
    let (mut out, mut rest) = (String::new(), value);
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        match environment.get(name) {
            Some(value) => out.push_str(value),
            None => unset.push(name.to_owned()),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_of_registries_are_taken() {
        let home = tempfile::tempdir().expect("a folder");
        let text = "registry=https://npm.example.com/\n@a:registry = https://a.example/\n\
                    //npm.example.com/:_authToken=${TOKEN}\n//x.example/:_authToken=${GONE}\n\
                    script-shell=/tmp/evil\nnode-options=--require /tmp/evil\nprefix=/\n\
                    //x.example/:tokenHelper=/tmp/evil\nignore-scripts=false\n";
        fs::write(home.path().join(".npmrc"), text).expect("written");
        let environment = BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]);
        let settings = of(Some(home.path()), &environment);
        assert_eq!(
            settings.npmrc,
            "registry=https://npm.example.com/\n@a:registry=https://a.example/\n\
             //npm.example.com/:_authToken=secret\n//x.example/:_authToken=\n"
        );
        assert_eq!(settings.unset, ["GONE"]);
    }
}
