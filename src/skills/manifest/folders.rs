//! Which files and folders a manifest may give to a skill, by their path and by
//! where their links lead.

use std::path::{Path, PathBuf};

use super::Skill;
use crate::limits::SKILL_TEXT_BYTES_MAX;
use crate::platform;
use crate::skills::policy::without_dots;
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;
use crate::skills::spec::{Grant, SkillName};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Never readable: processes, devices and sockets.
const CLOSED: [&str; 6] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/private/var/run",
];
/// Never writable: the system itself.
const SYSTEM: [&str; 13] = [
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/sbin",
    "/usr",
    "/opt",
    "/Applications",
    "/Library",
    "/System",
    "/private/etc",
];

/// Where secrets and start files lie, in the home folder and elsewhere: only for an
/// entry that says that it is meant.
const SENSITIVE: [(&str, &[&str]); 4] = [
    (
        "holds keys or passwords",
        &[
            "~/.ssh",
            "~/.gnupg",
            "~/.aws",
            "~/.azure",
            "~/.kube",
            "~/.docker",
            "~/.netrc",
            "~/.npmrc",
            "~/.pypirc",
            "~/.pgpass",
            "~/.git-credentials",
            "~/.password-store",
            "~/.config/gcloud",
            "~/.config/gh",
            "~/.config/rclone",
            "~/.local/share/keyrings",
            "~/Library/Keychains",
            "~/Library/Cookies",
        ],
    ),
    (
        "is the profile of a browser or a mail program",
        &[
            "~/.mozilla",
            "~/.thunderbird",
            "~/.config/google-chrome",
            "~/.config/chromium",
            "~/.config/BraveSoftware",
            "~/.config/microsoft-edge",
            "~/.config/vivaldi",
            "~/.config/opera",
            "~/.var/app",
            "~/snap",
            "~/Library/Application Support/BraveSoftware",
            "~/Library/Application Support/Firefox",
            "~/Library/Application Support/Google/Chrome",
            "~/Library/Application Support/Microsoft Edge",
            "~/Library/Application Support/Thunderbird",
            "~/Library/Mail",
            "~/Library/Messages",
            "~/Library/Safari",
        ],
    ),
    (
        "is where shells and programs look for what to run",
        &[
            "~/bin",
            "~/.local/bin",
            "~/.profile",
            "~/.bashrc",
            "~/.bash_profile",
            "~/.bash_login",
            "~/.bash_logout",
            "~/.zshrc",
            "~/.zshenv",
            "~/.zprofile",
            "~/.zlogin",
            "~/.xprofile",
            "~/.config/fish",
            "~/.config/autostart",
            "~/.config/systemd",
            "~/Library/LaunchAgents",
            "/var/spool/cron",
        ],
    ),
    (
        "holds the settings of the machine",
        &["/etc", "/private/etc"],
    ),
];

/// A file or folder that a manifest asks to give to a skill.
pub(super) struct GrantRequest<'a> {
    pub(super) text: &'a str,
    pub(super) access: Access,
    /// The entry confirms it although it is sensitive.
    pub(super) known: bool,
}

/// The path that is asked for, and where its links lead, if the skill may access
/// it.
pub(super) fn allowed(request: &GrantRequest<'_>, rules: &Rules) -> Result<Grant, Refusal> {
    let GrantRequest {
        text,
        access,
        known,
    } = *request;
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
        if let Some(why) = sensitive(path, rules).filter(|_| !known) {
            let fix = "name the folder that the skill works in, or, if it must have this one, \
                       write \"i_know\": true beside it in sandbox.fs";
            return Err(refused(format!("{} {why}", shown(text)), fix));
        }
    }
    Ok(Grant {
        asked: written,
        path: real,
        writable: access == Access::Write,
    })
}

/// The most access to `path` that a skill may get without confirmation: writing, or
/// else reading.
pub(super) fn widest(path: &Path, rules: &Rules) -> Result<Grant, Refusal> {
    let text = path.to_string_lossy();
    let granted = |access| {
        let request = GrantRequest {
            text: &text,
            access,
            known: false,
        };
        allowed(&request, rules)
    };
    granted(Access::Write).or_else(|_| granted(Access::Read))
}

/// Why `path`, or a folder that contains such a place, needs confirmation in the entry.
fn sensitive(path: &Path, rules: &Rules) -> Option<String> {
    let meets = |place: &Path| path.starts_with(place) || place.starts_with(path);
    let homes = own_homes(rules);
    for (why, places) in SENSITIVE {
        for place in places {
            let wholes = match place.strip_prefix("~/") {
                Some(rest) => homes.iter().map(|home| home.join(rest)).collect(),
                None => vec![PathBuf::from(place)],
            };
            for whole in wholes {
                let real = followed(&whole);
                if path.starts_with(&whole) || path.starts_with(&real) {
                    return Some(why.to_owned());
                }
                if whole.starts_with(path) || real.starts_with(path) {
                    return Some(format!("contains {place}, which {why}"));
                }
            }
        }
    }
    let other = platform::homes().others;
    let other = other.iter().find(|home| meets(home));
    other.map(|home| format!("reaches {}, the home of another account", home.display()))
}

/// The home folders of this account, by its environment and by the machine: a snap, a
/// service or sudo may have set HOME to another one.
fn own_homes(rules: &Rules) -> Vec<PathBuf> {
    let mut homes = platform::homes().own;
    if let Some(home) = &rules.home
        && !homes.contains(home)
    {
        homes.push(home.clone());
    }
    homes
}

/// Refuses grants that a skill could turn into others: those inside a folder that
/// another skill may write, and those that a link leads to which lies in any such
/// folder. Gives the key of each such entry.
pub(super) fn crossing(skills: &[Skill]) -> Vec<(String, Refusal)> {
    let writable = skills.iter().flat_map(|skill| {
        let grants = skill.spec.sandbox.grants.iter();
        let grants = grants.filter(|grant| grant.writable);
        grants.map(move |grant| (&skill.spec.name, &grant.path))
    });
    let writable: Vec<(&SkillName, &PathBuf)> = writable.collect();
    let mut refusals = Vec::new();
    for skill in skills {
        let name = &skill.spec.name;
        for grant in &skill.spec.sandbox.grants {
            let steps = steps(&grant.asked);
            let inside = |(owner, folder): &&(&SkillName, &PathBuf)| {
                steps.iter().any(|step| {
                    step != *folder
                        && step.starts_with(folder)
                        && (*owner != name || step.is_symlink())
                })
            };
            let Some((owner, folder)) = writable.iter().find(inside) else {
                continue;
            };
            let (asked, folder) = (grant.asked.display(), folder.display());
            let (why, fix) = match *owner == name {
                true => (
                    format!("{asked} leads through a link in {folder}, which the skill may write"),
                    "name the folder that the link leads to",
                ),
                false => (
                    format!("{asked} lies in {folder}, which the skill {owner} may write"),
                    "give the two skills folders apart, or both the same one",
                ),
            };
            let refusal = refused(why, fix).under("fs").under("sandbox");
            refusals.push((skill.key.clone(), refusal));
        }
    }
    refusals
}

/// The real place of each file and folder that leads to `path`, itself included.
fn steps(path: &Path) -> Vec<PathBuf> {
    let real = |step: &Path| {
        let name = step.file_name()?;
        Some(followed(step.parent()?).join(name))
    };
    path.ancestors().filter_map(real).collect()
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
    if rules.program_folders().any(|folder| meets(&folder)) {
        return Some(("contains programs that Mimo runs", narrower));
    }
    let homes = own_homes(rules);
    let is_above = |home: &PathBuf| home.starts_with(path) || followed(home).starts_with(path);
    if homes.iter().any(is_above) {
        return Some(("is the home folder, or above it", narrower));
    }
    let is_hidden = |home: &PathBuf| {
        let inside = path.strip_prefix(home).ok();
        let first = inside.and_then(|inside| inside.components().next());
        first.is_some_and(|first| first.as_os_str().to_string_lossy().starts_with('.'))
    };
    homes.iter().any(is_hidden).then_some((
        "is hidden in the home folder, where shells and programs look for what to run",
        "name a folder that is not hidden",
    ))
}
