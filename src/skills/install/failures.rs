//! Explains the output of npm and uv by known words and codes.

use super::npmrc::Settings;
use crate::diagnostics::clip;
use crate::failure::{Failure, Kind};
use crate::limits::INSTALL_LINE_CHARS_MAX;
use crate::secret::without_sign_ins;
use crate::skills::spec::{Package, Registry};

/// The output of a program and its end.
pub(super) struct ProgramOutput {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) how: String,
}

impl ProgramOutput {
    pub(super) fn succeeded(&self) -> bool {
        self.how == "exit code 0"
    }
}

/// Words to find in the output, the reason they indicate, and the next step.
type Explanation = (&'static [&'static str], &'static str, &'static str);

const NETWORK: &str =
    "is this machine online, and can it reach the registry? the skill is tried again by itself";
const SIGN_IN: &str = "put the registry's token into ~/.npmrc (npm), or the index's user and \
                       password into ~/.netrc (uv)";
const CERTIFICATE: &str = "set NODE_EXTRA_CA_CERTS (npm) or SSL_CERT_FILE (uv) to your company's \
                           certificates, where the client starts Mimo";
const SPACE: &str = "free some space; `mimo skill update` tries again";
const NAME: &str = "check the spelling of the package in args";
const VERSION: &str = "name a version that exists, or none for the newest";

/// Beginnings of the codes that npm prints as `npm error code X`.
const NPM: &[Explanation] = &[
    (
        &["E404"],
        "is not in the registry, or something that it needs is not",
        NAME,
    ),
    (&["ETARGET"], "has no such version", VERSION),
    (&["E401"], "needs a sign-in to its registry", SIGN_IN),
    (
        &["E403"],
        "is refused by its registry",
        "a rule of your company may forbid it; ask who runs the registry",
    ),
    (
        &["E407"],
        "cannot be fetched: the proxy wants a sign-in",
        "put user and password into HTTPS_PROXY",
    ),
    (
        &["E429"],
        "cannot be fetched: its registry is busy",
        NETWORK,
    ),
    (
        &["E50"],
        "cannot be fetched: its registry is broken",
        NETWORK,
    ),
    (
        &[
            "ENOTFOUND",
            "ECONNREFUSED",
            "ECONNRESET",
            "ETIMEDOUT",
            "EAI_AGAIN",
            "ENETUNREACH",
        ],
        "cannot be fetched: there is no network to its registry",
        NETWORK,
    ),
    (
        &["FETCH_ERROR"],
        "cannot be fetched: its registry did not answer as one",
        "is there a sign-in page between this machine and the registry?",
    ),
    (
        &["SELF_SIGNED_CERT", "UNABLE_TO_", "ERR_SSL"],
        "cannot be fetched: its registry's certificate is not known here",
        CERTIFICATE,
    ),
    (
        &["EINTEGRITY"],
        "is not what its registry promised",
        "try again; if it stays, tell who runs the registry",
    ),
    (&["ENOSPC"], "cannot be installed: the disk is full", SPACE),
    (
        &["EBADPLATFORM"],
        "is not made for this system",
        "name another package or version",
    ),
    (&["EINVALIDTAGNAME"], "is not a package name", NAME),
];

/// Words in the messages of uv.
const UV: &[Explanation] = &[
    (
        &["401 Unauthorized"],
        "needs a sign-in to its index",
        SIGN_IN,
    ),
    (
        &["403 Forbidden"],
        "is refused by its index",
        "a rule of your company may forbid it; ask who runs the index",
    ),
    (
        &["was not found in the package registry"],
        "is not in the index, or something that it needs is not",
        NAME,
    ),
    (&["there is no version of"], "has no such version", VERSION),
    (
        &["building from source is disabled"],
        "needs a build from source, which must not run while the index's password is at hand",
        "ask who runs the index for wheels of it",
    ),
    (
        &["HTTP status server error"],
        "cannot be fetched: its index is broken",
        NETWORK,
    ),
    (
        &["client error (Connect)"],
        "cannot be fetched: there is no connection to its index",
        CERTIFICATE,
    ),
    (
        &["error sending request"],
        "cannot be fetched: there is no network to its index",
        NETWORK,
    ),
    (
        &["operation timed out"],
        "cannot be fetched: its index did not answer",
        NETWORK,
    ),
    (
        &["Hash mismatch"],
        "is not what its index promised",
        "try again; if it stays, tell who runs the index",
    ),
    (
        &["os error 28"],
        "cannot be installed: the disk is full",
        SPACE,
    ),
    (&["Failed to parse"], "is not a package name", NAME),
    (
        &["No interpreter found"],
        "needs a Python that is not installed",
        "install it, or name another version of the package",
    ),
    (
        &["does not satisfy Python"],
        "needs another Python than is installed",
        "install a newer Python, or name an older version of the package",
    ),
];

pub(super) fn of(package: &Package, printed: &ProgramOutput, settings: &Settings) -> Failure {
    let all = format!("{}{}", printed.stdout, printed.stderr);
    let found = match package.registry {
        Registry::Npm => {
            let code = all.lines().find_map(|line| {
                let line = line
                    .strip_prefix("npm error code ")
                    .or(line.strip_prefix("npm ERR! code "));
                line.map(str::trim)
            });
            let begins =
                |code: &str, starts: &[&str]| starts.iter().any(|start| code.starts_with(start));
            code.and_then(|code| NPM.iter().find(|(starts, ..)| begins(code, starts)))
        }
        Registry::Python => {
            let is_in = |words: &[&str]| words.iter().any(|words| all.contains(words));
            UV.iter().find(|(words, ..)| is_in(words))
        }
    };
    let name = &package.specs[0];
    let (message, hint) = match found {
        Some((_, why, next)) => (format!("the package {name} {why}"), (*next).to_owned()),
        None => {
            let why = first_error(&all).unwrap_or_else(|| printed.how.clone());
            let next = match all.contains("gyp") {
                true => "it is built from source: install a C++ compiler and make",
                false => "`mimo skill update` tries again and shows what happens",
            };
            (
                format!("the package {name} could not be installed: {why}"),
                next.to_owned(),
            )
        }
    };
    let hint = match settings.unset.is_empty() {
        true => hint,
        false => format!(
            "{hint}; ~/.npmrc names {}, which is not set here",
            settings.unset.join(", ")
        ),
    };
    Failure::new(Kind::Unavailable, message).hint(hint)
}

/// The first line that says what went wrong.
fn first_error(output: &str) -> Option<String> {
    let names_error = |line: &str| line.contains("rror") && !line.starts_with("npm error code");
    let line = output
        .lines()
        .map(str::trim)
        .find(|line| names_error(line))?;
    Some(clip(&without_sign_ins(line), INSTALL_LINE_CHARS_MAX))
}

/// The line of stderr that says that a dependency is missing or does not fit.
pub(super) fn broken_dependency(stderr: &str) -> Option<String> {
    const WORDS: [&str; 5] = [
        "ModuleNotFoundError",
        "ImportError",
        "AttributeError",
        "ERR_MODULE_NOT_FOUND",
        "Cannot find module",
    ];
    let line = stderr
        .lines()
        .find(|line| WORDS.iter().any(|word| line.contains(word)))?;
    Some(format!(
        "it ends with {}",
        clip(line.trim(), INSTALL_LINE_CHARS_MAX)
    ))
}
