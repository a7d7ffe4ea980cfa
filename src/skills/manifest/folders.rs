//! Which files and folders a skill may be given: judged by their text and by
//! where their links lead. The kernel's rules made of them are the sandbox's.

use std::path::{Path, PathBuf};

use crate::limits::SKILL_TEXT_BYTES_MAX;
use crate::skills::policy::without_dots;
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;

/// What a skill wants to do there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Not even to read: the kernel's own view of every process, devices, sockets.
const CLOSED: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/var/run"];
/// Not to write: what the system is made of.
const SYSTEM: [&str; 9] = [
    "/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr", "/opt",
];

/// The path `text` stands for, links followed.
pub(super) fn allowed(text: &str, access: Access, rules: &Rules) -> Result<PathBuf, Refusal> {
    let written = expanded(text, rules)?;
    if written.components().any(|part| part.as_os_str() == "..") {
        let why = format!(
            "{} goes up with .., so its beginning says nothing",
            shown(text)
        );
        return Err(refused(why, "write where it leads"));
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
            "write the whole path, beginning with /",
        )),
        (None, _) if text.starts_with('/') => Ok(PathBuf::from(text)),
        (None, _) => Err(refused(
            format!("{} depends on where Mimo was started", shown(text)),
            "write the whole path, beginning with / or ~/",
        )),
    }
}

/// Where `path` leads; of what does not exist yet, its existing folder counts.
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
        return Some(("is everything there is", narrower));
    }
    if CLOSED.iter().any(|closed| path.starts_with(closed)) {
        return Some((
            "shows or steers other processes and devices",
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
        let why = "holds Mimo's own files, or lies in their folder: memories, keys, this manifest";
        return Some((why, narrower));
    }
    if access == Access::Read {
        return None;
    }
    if SYSTEM.iter().any(|system| path.starts_with(system)) {
        return Some(("belongs to the system, whose programs others run", narrower));
    }
    if rules.path.iter().any(meets) {
        return Some(("holds programs that Mimo runs", narrower));
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
            "is a hidden place in the home folder, where shells and programs look for what to run",
            "name a folder that is not hidden",
        ))
}
