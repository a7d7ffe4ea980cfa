//! Which files and folders a manifest may give to a skill, by their path and by
//! where their links lead.

use std::path::{Path, PathBuf};

use crate::limits::SKILL_TEXT_BYTES_MAX;
use crate::skills::policy::without_dots;
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Never readable: processes, devices and sockets.
const CLOSED: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/var/run"];
/// Never writable: the system itself.
const SYSTEM: [&str; 9] = [
    "/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr", "/opt",
];

/// The path of `text` with links followed, if the skill may access it.
pub(super) fn allowed(text: &str, access: Access, rules: &Rules) -> Result<PathBuf, Refusal> {
    let written = expanded(text, rules)?;
    if written.components().any(|part| part.as_os_str() == "..") {
        let why = format!("{} contains ..", shown(text));
        return Err(refused(why, "write the path without .."));
    }
    let written = without_dots(&written);
    let real = followed(&written);
    for path in [&written, &real] {
        if let Some((why, fix)) = forbidden(path, access, rules) {
            let path = match path == &written {
                true => shown(text),
                false => format!("{} (which leads to {})", shown(text), path.display()),
            };
            return Err(refused(format!("{path} {why}"), fix));
        }
    }
    Ok(real)
}

fn refused(why: String, fix: &str) -> Refusal {
    Refusal::new(Class::Path, why, fix)
}

fn expanded(text: &str, rules: &Rules) -> Result<PathBuf, Refusal> {
    if text.len() > SKILL_TEXT_BYTES_MAX {
        return Err(refused("a path is too long".into(), "write a shorter one"));
    }
    match (text.strip_prefix("~/"), &rules.home) {
        (Some(rest), Some(home)) => Ok(home.join(rest.trim_start_matches('/'))),
        (Some(_), None) => Err(refused(
            format!(
                "{} begins with ~, and this account has no home folder",
                shown(text)
            ),
            "write the absolute path",
        )),
        (None, _) if text.starts_with('/') => Ok(PathBuf::from(text)),
        (None, _) => Err(refused(
            format!("{} is a relative path", shown(text)),
            "write the absolute path, or begin with ~/",
        )),
    }
}

/// Follows links; where `path` does not exist yet, those of its existing folders.
fn followed(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let Ok(real) = above.canonicalize() {
            let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
            return match rest.as_os_str().is_empty() {
                true => real,
                false => real.join(rest),
            };
        }
    }
    path.to_owned()
}

fn forbidden(path: &Path, access: Access, rules: &Rules) -> Option<(&'static str, &'static str)> {
    let narrower = "name the folder that the skill works in";
    if path == Path::new("/") {
        return Some(("is the whole file system", narrower));
    }
    if CLOSED.iter().any(|closed| path.starts_with(closed)) {
        return Some((
            "gives access to other processes and devices",
            "leave it out",
        ));
    }
    let meets = |own: &PathBuf| {
        let real = followed(own);
        [own, &real]
            .iter()
            .any(|own| path.starts_with(own) || own.starts_with(path))
    };
    if rules.protected.iter().any(meets) {
        let why =
            "contains Mimo's own files (memories, keys, this manifest), or lies in their folder";
        return Some((why, narrower));
    }
    if access == Access::Read {
        return None;
    }
    if SYSTEM.iter().any(|system| path.starts_with(system)) {
        return Some(("belongs to the system", narrower));
    }
    if rules.path.iter().any(meets) {
        return Some(("contains programs that Mimo runs", narrower));
    }
    let home = rules.home.as_deref()?;
    if [home.to_owned(), followed(home)]
        .iter()
        .any(|home| home.starts_with(path))
    {
        return Some(("is the home folder, or above it", narrower));
    }
    let inside = path.strip_prefix(home).ok()?.components().next()?;
    inside
        .as_os_str()
        .to_string_lossy()
        .starts_with('.')
        .then_some((
            "is hidden in the home folder, where shells and programs look for what to run",
            "name a folder that is not hidden",
        ))
}
