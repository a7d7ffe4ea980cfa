//! Sign-ins of `~/.netrc` for the account's Python indexes. Only the hosts of these
//! indexes are taken over, and no `default` entry.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::limits::INSTALL_SETTINGS_BYTES_MAX;

/// The variable that names another file, as curl, pip and uv read it.
pub(super) const VARIABLE: &str = "NETRC";
/// Variables with addresses of indexes, separated by spaces.
const INDEXES: [&str; 4] = [
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX",
];

/// The lines for the hosts of the indexes in `variables`; empty where there are none.
pub(super) fn of(home: Option<&Path>, variables: &BTreeMap<String, String>) -> String {
    let hosts = hosts(variables);
    let named = variables.get(VARIABLE).map(PathBuf::from);
    let file = named.or_else(|| home.map(|home| home.join(".netrc")));
    let Some(file) = file.filter(|_| !hosts.is_empty()) else {
        return String::new();
    };
    let text = fs::read_to_string(file).unwrap_or_default();
    if text.len() > INSTALL_SETTINGS_BYTES_MAX {
        return String::new();
    }
    let mut lines = String::new();
    for entry in entries(&text) {
        // A word with a space would become two in the output.
        let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        if hosts.contains(&entry.host) && is_word(&entry.login) && is_word(&entry.password) {
            lines.push_str(&format!(
                "machine {} login {} password {}\n",
                entry.host, entry.login, entry.password
            ));
        }
    }
    lines
}

/// The hosts of addresses without a user of their own.
fn hosts(variables: &BTreeMap<String, String>) -> Vec<String> {
    let addresses = INDEXES.iter().filter_map(|name| variables.get(*name));
    let words = addresses.flat_map(|text| text.split_whitespace());
    let host = |address: &str| {
        // `NAME=ADDRESS` is uv's own form.
        let (_, rest) = address.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        (!authority.contains('@')).then(|| {
            let end = match authority.ends_with(']') {
                true => authority.len(),
                false => authority.rfind(':').unwrap_or(authority.len()),
            };
            authority[..end].to_ascii_lowercase()
        })
    };
    words.filter_map(host).collect()
}

#[derive(Default)]
struct Entry {
    host: String,
    login: String,
    password: String,
}

fn entries(text: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        // A macro ends with an empty line.
        in_macro &= !line.trim().is_empty();
        if in_macro || line.trim_start().starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let value =
                |value: Option<&str>| value.unwrap_or_default().trim_matches('"').to_owned();
            match word {
                "machine" => all.push(Entry {
                    host: value(words.next()).to_ascii_lowercase(),
                    ..Entry::default()
                }),
                "default" => all.push(Entry::default()),
                "macdef" => {
                    in_macro = true;
                    break;
                }
                "login" | "user" => {
                    if let Some(entry) = all.last_mut() {
                        entry.login = value(words.next());
                    }
                }
                "password" => {
                    if let Some(entry) = all.last_mut() {
                        entry.password = value(words.next());
                    }
                }
                _ => {}
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sign_ins_of_the_indexes_are_taken() {
        let home = tempfile::tempdir().expect("a folder");
        let text = "# mine\nmachine pypi.example.com\n  login ann\n  password s3cret\n\
                    machine other.example login bob password never\n\
                    macdef init\nmachine more.example login x password y\n\n\
                    machine MORE.example login \"eve\" password \"pw\"\n\
                    default login all password everywhere\n";
        fs::write(home.path().join(".netrc"), text).expect("written");
        let found = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            of(Some(home.path()), &pairs.collect())
        };
        let index = ("UV_DEFAULT_INDEX", "https://pypi.example.com:8443/simple");
        let ann = "machine pypi.example.com login ann password s3cret\n";
        assert_eq!(found(&[index]), ann);
        let more = (
            "UV_INDEX",
            "own=https://more.example/simple https://pypi.example.com/a",
        );
        let eve = "machine more.example login eve password pw\n";
        assert_eq!(found(&[more]), format!("{ann}{eve}"));
        assert_eq!(found(&[]), "");
        let own = ("UV_INDEX_URL", "https://me:own@pypi.example.com/simple");
        assert_eq!(found(&[own]), "", "the address has its own");
        assert_eq!(found(&[("UV_INDEX_URL", "https://nobody.example/")]), "");
        let elsewhere = home.path().join("elsewhere");
        fs::write(&elsewhere, "machine nobody.example login a password b").expect("written");
        let named = ("NETRC", elsewhere.to_str().expect("text"));
        assert_eq!(
            found(&[("UV_INDEX_URL", "https://nobody.example/"), named]),
            "machine nobody.example login a password b\n"
        );
    }
}
