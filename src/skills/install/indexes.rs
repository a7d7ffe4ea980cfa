//! The Python indexes in the account's settings: uv's own, and pip's if uv has none. uv
//! itself reads no settings file in an install.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::limits::INSTALL_SETTINGS_BYTES_MAX;

/// The variables that tell uv which indexes to ask.
const PRIMARY: &str = "UV_DEFAULT_INDEX";
const EXTRA: &str = "UV_INDEX";

/// The variables for uv, from the settings below `home`. Those in `environment` take
/// precedence.
pub(super) fn of(
    home: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let set = [PRIMARY, "UV_INDEX_URL"]
        .iter()
        .any(|name| environment.contains_key(*name));
    let Some(home) = home.filter(|_| !set) else {
        return BTreeMap::new();
    };
    let uv = read(home.join(".config/uv/uv.toml")).map(|text| of_uv(&text));
    if let Some(found) = uv.filter(|found| !found.is_empty()) {
        return found;
    }
    let files = [
        home.join(".config/pip/pip.conf"),
        home.join(".pip/pip.conf"),
        home.join("Library/Application Support/pip/pip.conf"),
        PathBuf::from("/etc/pip.conf"),
    ];
    let text = files.into_iter().find_map(read);
    text.map(|text| of_pip(&text)).unwrap_or_default()
}

fn read(file: PathBuf) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    (text.len() <= INSTALL_SETTINGS_BYTES_MAX).then_some(text)
}

fn of_uv(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(settings) = text.parse::<toml::Table>() else {
        return found;
    };
    if let Some(url) = settings.get("index-url").and_then(toml::Value::as_str) {
        found.insert(PRIMARY.to_owned(), url.to_owned());
    }
    let indexes = settings.get("index").and_then(toml::Value::as_array);
    let mut more = Vec::new();
    for index in indexes.into_iter().flatten() {
        let Some(url) = index.get("url").and_then(toml::Value::as_str) else {
            continue;
        };
        match index.get("default").and_then(toml::Value::as_bool) {
            Some(true) => drop(found.insert(PRIMARY.to_owned(), url.to_owned())),
            _ => more.push(url.to_owned()),
        }
    }
    if !more.is_empty() {
        found.insert(EXTRA.to_owned(), more.join(" "));
    }
    found
}

fn of_pip(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let variable = match key.trim() {
            "index-url" | "index_url" => PRIMARY,
            "extra-index-url" | "extra_index_url" => EXTRA,
            _ => continue,
        };
        found.insert(variable.to_owned(), value.trim().to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_of_the_account_are_taken_over() {
        let home = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let file = home.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, text).expect("written");
        };
        let found = |environment: &[(&str, &str)]| {
            let text = |text: &&str| (*text).to_owned();
            let pairs = environment
                .iter()
                .map(|(name, value)| (text(name), text(value)));
            of(Some(home.path()), &pairs.collect())
        };
        write(
            ".config/pip/pip.conf",
            "[global]\nindex-url = https://pip.example/simple\nextra-index-url=https://more.example\n",
        );
        assert_eq!(found(&[])[PRIMARY], "https://pip.example/simple");
        assert_eq!(found(&[])[EXTRA], "https://more.example");
        write(
            ".config/uv/uv.toml",
            "[[index]]\nurl = \"https://uv.example/simple\"\ndefault = true\n",
        );
        assert_eq!(found(&[])[PRIMARY], "https://uv.example/simple");
        assert!(found(&[(PRIMARY, "https://set.example")]).is_empty());
    }
}
