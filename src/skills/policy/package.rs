//! Package names of the npm and PyPI registries. Addresses, files, archives and
//! aliases are refused: no registry published what they lead to.

use crate::limits::SKILL_PACKAGE_BYTES_MAX;
use crate::skills::refusal::{Class, Refusal, shown};

/// An npm package with a version: `name` becomes `name@*`. For a bare name npm
/// would run a local program of that name (`npx sh`); with a version it always
/// looks the package up.
pub(super) fn npm(text: &str) -> Result<String, Refusal> {
    let fix = "name a package of the npm registry: \"@scope/name\", \"name\" or \"name@1.2.3\"";
    let no = |why: &str| Err(refused("npm", text, why, fix));
    if let Some(why) = not_a_name(text) {
        return no(why);
    }
    let at = text
        .get(1..)
        .and_then(|rest| rest.find('@'))
        .map(|at| at + 1);
    let (name, version) = match at {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, "*"),
    };
    let parts: Vec<&str> = match name.strip_prefix('@') {
        Some(scoped) => match scoped.split_once('/') {
            Some((scope, name)) => vec![scope, name],
            None => return no("a scope must be followed by / and a name"),
        },
        None => vec![name],
    };
    if !parts.iter().all(|part| is_npm_part(part)) {
        return no(
            "a name consists of lowercase letters, digits, '-', '_' and '.', and begins with a letter or digit",
        );
    }
    let number = version.strip_prefix(['^', '~']).unwrap_or(version);
    let ranged = number.len() < version.len();
    let begins = number.bytes().next().is_some_and(|c| match ranged {
        true => c.is_ascii_digit(),
        false => c.is_ascii_alphanumeric(),
    });
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'+');
    if version != "*" && !(begins && number.bytes().all(fits)) {
        return no("@ must be followed by one version, a ^ or ~ range, or a tag");
    }
    // npm takes what ends like an archive for a file.
    if [name, version].iter().any(|part| is_archive(part)) {
        return no("npm would take it for an archive");
    }
    Ok(format!("{name}@{version}"))
}

/// The name in a text that [`npm`] accepted.
pub(super) fn npm_name(spec: &str) -> &str {
    &spec[..spec.rfind('@').filter(|at| *at > 0).unwrap_or(spec.len())]
}

/// A PyPI package, with its extras and version if it has them.
pub(super) fn python(text: &str) -> Result<String, Refusal> {
    let fix = "name a package of PyPI: \"name\", \"name@1.2.3\" or \"name==1.2.3\"";
    let no = |why: &str| Err(refused("Python", text, why, fix));
    if let Some(why) = not_a_name(text) {
        return no(why);
    }
    let end = text.find(['[', '@', '=']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if !is_python_name(name) {
        return no(
            "a name consists of letters, digits, '-', '_' and '.', and begins and ends with a letter or digit",
        );
    }
    let rest = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
        None => rest,
        Some(Some((extras, rest))) if extras.split(',').all(is_python_name) => rest,
        Some(_) => return no("extras must be names in brackets"),
    };
    let version = rest.strip_prefix("==").or_else(|| rest.strip_prefix('@'));
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'+');
    match version {
        None if rest.is_empty() => {}
        Some(version) if !version.is_empty() && version.bytes().all(fits) => {}
        _ => return no("the name must be followed by @ or == and one version"),
    }
    match is_archive(text) || text.to_ascii_lowercase().ends_with(".whl") {
        true => no("it looks like an archive"),
        false => Ok(text.to_owned()),
    }
}

/// The name in a text that [`python`] accepted.
pub(super) fn python_name(spec: &str) -> &str {
    &spec[..spec.find(['[', '@', '=']).unwrap_or(spec.len())]
}

/// The program of an npm package.
pub(super) fn program(name: &str) -> Result<String, Refusal> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    let begins = name.bytes().next();
    match begins.is_some_and(|c| c.is_ascii_alphanumeric()) && name.bytes().all(fits) {
        true => Ok(name.to_owned()),
        false => Err(Refusal::new(
            Class::Argument,
            format!("{} is not the name of a program in a package", shown(name)),
            "name the program after -p PACKAGE: [\"-y\", \"-p\", \"@scope/package\", \"program\"]",
        )),
    }
}

/// A specification that [`python`] accepted, as a line of requirements. `latest` is
/// uvx's own word.
pub(super) fn python_requirement(spec: &str) -> String {
    match spec.rsplit_once('@') {
        Some((name, "latest")) => name.to_owned(),
        Some((name, version)) => format!("{name}=={version}"),
        None => spec.to_owned(),
    }
}

pub(super) fn missing(command: &str) -> Refusal {
    Refusal::new(
        Class::Argument,
        format!("{command} needs a package to run"),
        "name the package in args, for example [\"-y\", \"@modelcontextprotocol/server-memory\"]",
    )
}

fn refused(kind: &str, text: &str, why: &str, fix: &str) -> Refusal {
    let why = format!("{} is not a {kind} package name: {why}", shown(text));
    Refusal::new(Class::Argument, why, fix)
}

/// A guess at what a person meant by a text that is not a name.
fn not_a_name(text: &str) -> Option<&'static str> {
    if text.len() > SKILL_PACKAGE_BYTES_MAX {
        return Some("it is too long");
    }
    if text.contains("npm:") {
        return Some("an alias hides which package is run");
    }
    if text.contains("://") || text.contains(':') || text.contains('#') {
        return Some("only packages of the registry are run, not addresses");
    }
    (text.starts_with(['.', '/', '~']) || text.contains('\\'))
        .then_some("only packages of the registry are run, not files or folders")
}

fn is_npm_part(part: &str) -> bool {
    let small = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.bytes().next().is_some_and(small)
        && part
            .bytes()
            .all(|c| small(c) || matches!(c, b'-' | b'_' | b'.'))
        && !part.contains("..")
}

fn is_python_name(name: &str) -> bool {
    let ends = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    ends(name.bytes().next()) && ends(name.bytes().next_back()) && name.bytes().all(fits)
}

fn is_archive(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [".tgz", ".tar", ".tar.gz", ".zip"]
        .iter()
        .any(|end| text.ends_with(end))
}
