//! Builds the environment of a skill from nothing. Pure: reads no environment
//! itself.

use std::collections::BTreeMap;

use crate::limits::{SECRET_UNMARKED_BYTES_MIN, SKILL_ENV_NAME_BYTES_MAX, SKILL_TEXT_BYTES_MAX};
use crate::secret::Secrets;
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;

/// Names in the families below that are harmless.
pub(crate) const SAFE: &[&str] = &[
    "NODE_ENV",
    "NODE_NO_WARNINGS",
    "PYTHONUNBUFFERED",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
    "NPM_CONFIG_LOGLEVEL",
];

/// Prefixes of names that loaders, interpreters, package managers and other tools
/// read. Compared in upper case, because npm reads either.
const FAMILIES: &[&str] = &[
    "_JAVA_",
    "_RLD",
    "ASAN_",
    "AWKPATH",
    "BASH",
    "BUN_",
    "CARGO_",
    "CLASSPATH",
    "COMPOSER_",
    "CONDA",
    "COREPACK_",
    "CURL_",
    "DENO_",
    "DOCKER_",
    "DOTNET_",
    "DYLD_",
    "ELECTRON_",
    "GCONV_",
    "GEM_",
    "GIT_",
    "GLIBC_",
    "GOFLAGS",
    "JAVA_",
    "JDK_",
    "LD_",
    "LSAN_",
    "LUA_",
    "MALLOC_",
    "MAVEN_",
    "MIMO_",
    "MSAN_",
    "NODE",
    "NPM_",
    "OPENSSL_",
    "PERL",
    "PHPRC",
    "PHP_",
    "PIP_",
    "PNPM_",
    "PYTHON",
    "RUBY",
    "RUSTC",
    "SSH_",
    "SSLKEYLOG",
    "SUDO_",
    "TSAN_",
    "TS_NODE_",
    "UBSAN_",
    "UV_",
    "VIRTUAL_ENV",
    "XDG_",
    "YARN_",
    "ZDOTDIR",
];

/// Single names that such tools read, or that the launcher sets.
const NAMES: &[&str] = &[
    "BROWSER",
    "CDPATH",
    "EDITOR",
    "ENV",
    "FPATH",
    "GNUPGHOME",
    "HISTFILE",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "LANG",
    "LC_ALL",
    "LOCALDOMAIN",
    "LOCPATH",
    "LOGNAME",
    "MAKEFLAGS",
    "NETRC",
    "NLSPATH",
    "OLDPWD",
    "PAGER",
    "PATH",
    "PROMPT_COMMAND",
    "PS4",
    "PWD",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "SHELL",
    "SHELLOPTS",
    "TEMP",
    "TERMINFO",
    "TMP",
    "TMPDIR",
    "TZ",
    "TZDIR",
    "USER",
    "VISUAL",
];

/// Whether `name` is a valid variable name.
pub(super) fn is_name(name: &str) -> bool {
    let begins = |c: u8| c.is_ascii_alphabetic() || c == b'_';
    name.bytes().next().is_some_and(begins)
        && name.len() <= SKILL_ENV_NAME_BYTES_MAX
        && name.bytes().all(|c| begins(c) || c.is_ascii_digit())
}

/// Whether a manifest may set `name`.
pub fn is_settable(name: &str) -> bool {
    let capitals = name.to_ascii_uppercase();
    let steers = FAMILIES.iter().any(|family| capitals.starts_with(family))
        || NAMES.contains(&capitals.as_str());
    is_name(name) && (!steers || SAFE.contains(&capitals.as_str()))
}

/// The whole environment of a skill: inherited variables, its own `entries`,
/// `path`, and the `forced` variables of its command, which win.
pub(crate) fn build(
    entries: &BTreeMap<String, String>,
    path: String,
    forced: &BTreeMap<String, String>,
    rules: &Rules,
) -> Result<BTreeMap<String, String>, Vec<Refusal>> {
    let mut all = rules.inherited.clone();
    let mut refused = Vec::new();
    for (name, value) in entries {
        match check_name(name).and_then(|()| expand(value, rules)) {
            Ok(value) => drop(all.insert(name.clone(), value)),
            Err(refusal) => refused.push(refusal.under(name)),
        }
    }
    // The launch replaces `\0` by the private folder.
    all.extend([
        ("PATH".to_owned(), path),
        ("HOME".to_owned(), "\0".to_owned()),
        ("TMPDIR".to_owned(), "\0/tmp".to_owned()),
    ]);
    all.extend(forced.clone());
    match refused.is_empty() {
        true => Ok(all),
        false => Err(refused),
    }
}

/// Parts of names of variables that hold secrets.
const SECRET_NAMES: &[&str] = &[
    "AUTH",
    "CREDENTIAL",
    "KEY",
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
];

/// Whether a variable called `name` is likely to hold a secret.
pub(crate) fn names_secret(name: &str) -> bool {
    let capitals = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| capitals.contains(part))
}

/// The names in the `${NAME}` of a text.
pub(crate) fn expanded_names(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("${").skip(1);
    parts.filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// The values of `entries` that must not be shown: from an approved variable, under a
/// name of a secret, or long and neither a path, a number nor a boolean.
pub(crate) fn secrets(entries: &BTreeMap<String, String>, rules: &Rules) -> Secrets {
    let mut found = Secrets::default();
    for (name, value) in entries {
        for variable in expanded_names(value) {
            if let Some(Some(secret)) = rules.secrets.get(variable) {
                found.add(secret.reveal());
            }
        }
        let is_marked = names_secret(name);
        let is_plain = value.starts_with(['/', '.', '~', '\0'])
            || value.parse::<f64>().is_ok()
            || value.parse::<bool>().is_ok();
        if is_marked || (value.len() >= SECRET_UNMARKED_BYTES_MIN && !is_plain) {
            found.add(&expand(value, rules).unwrap_or_default());
        }
    }
    found
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let (why, fix) = match (is_name(name), is_settable(name)) {
        (true, true) => return Ok(()),
        (true, false) => (
            "controls how programs are found, loaded or run, or is set by Mimo",
            "leave it out; variables that the server itself reads are allowed",
        ),
        _ => (
            "is not a valid variable name",
            "use letters, digits and _, not a digit first, at most 128 bytes",
        ),
    };
    Err(Refusal::new(
        Class::Environment,
        format!("{} {why}", shown(name)),
        fix,
    ))
}

/// Replaces each `${VAR}` in `value`. No message repeats the value.
fn expand(value: &str, rules: &Rules) -> Result<String, Refusal> {
    let (mut out, mut rest) = (String::new(), value);
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return Err(Refusal::new(
                Class::Secret,
                "a ${ is not closed",
                "write ${NAME}, for example ${GITHUB_TOKEN}",
            ));
        };
        // `${env:NAME}` is another client's form.
        let name = name.strip_prefix("env:").unwrap_or(name);
        match name.split_once(":-") {
            Some((name, default)) => {
                let set = rules.secrets.get(name).is_some_and(Option::is_some);
                out.push_str(if set { secret(name, rules)? } else { default });
            }
            None => out.push_str(secret(name, rules)?),
        }
        rest = after;
    }
    out.push_str(rest);
    match out.len() > SKILL_TEXT_BYTES_MAX {
        true => Err(Refusal::new(
            Class::Environment,
            format!("the value is longer than {SKILL_TEXT_BYTES_MAX} bytes"),
            "put it into a file, and let the skill read the file",
        )),
        false => Ok(out),
    }
}

/// Whether `${name}` is one that VS Code and other editors fill in themselves.
pub(crate) fn is_of_editor(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "workspaceFolder",
        "workspaceFolderBasename",
        "workspaceRoot",
        "userHome",
        "file",
        "fileDirname",
        "cwd",
        "pathSeparator",
    ];
    let is_asked = ["input:", "command:", "config:"]
        .iter()
        .any(|start| name.starts_with(start));
    let name = name.split(':').next().unwrap_or(name);
    is_asked || NAMES.contains(&name)
}

fn shown_name(name: &str) -> String {
    name.chars().take(60).collect()
}

fn secret<'a>(name: &str, rules: &'a Rules) -> Result<&'a str, Refusal> {
    match rules.secrets.get(name) {
        Some(Some(value)) if value.reveal().contains('\0') => Err(Refusal::new(
            Class::Secret,
            format!("{name} holds a NUL byte"),
            "set it to plain text",
        )),
        Some(Some(value)) => Ok(value.reveal()),
        Some(None) => Err(Refusal::new(
            Class::Secret,
            format!("${{{name}}} is approved, but {name} is not set where Mimo runs"),
            format!("set {name} in the environment of the client that starts Mimo"),
        )),
        None if is_of_editor(name) => Err(Refusal::new(
            Class::Secret,
            format!(
                "${{{}}} is filled in by the editor, which Mimo cannot do",
                shown_name(name)
            ),
            match name.starts_with("input:") {
                true => {
                    "write ${NAME} in its place, approve NAME in [skills] secrets of config.toml, \
                     and set NAME where the client starts Mimo"
                }
                false => "write what it stands for, such as the absolute path of the folder",
            },
        )),
        None => {
            let approved: Vec<_> = rules.secrets.keys().map(String::as_str).collect();
            Err(Refusal::new(
                Class::Secret,
                format!("${{{}}} is not approved", shown_name(name)),
                format!(
                    "the operator may add it to [skills] secrets in config.toml; approved now: {}",
                    approved.join(", ")
                ),
            ))
        }
    }
}
