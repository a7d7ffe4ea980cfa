//! Checks that no other account can change a file: each link is followed and each
//! folder above is checked.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::platform;
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::rules::Rules;
use crate::skills::sandbox::ROOT_GROUPS;

/// A file that passed all checks.
#[derive(Debug)]
pub(super) struct Trusted {
    /// As it is run: the folder is resolved, the file name is kept, because some
    /// programs (a Python in a virtual environment) look at their own name.
    pub(crate) path: PathBuf,
    /// All links followed.
    pub(crate) target: PathBuf,
}

/// Folders that every skill can read.
const PROFILE: [&str; 4] = ["/usr", "/bin", "/lib", "/opt"];

/// Checks that `path` is a regular file that only this user and root can change,
/// and that it is executable where that is required.
pub(super) fn file(path: &Path, rules: &Rules, executable: bool) -> Result<Trusted, Refusal> {
    let refused = |why: String, fix: &str| Err(Refusal::new(Class::Command, why, fix));
    let text = path.to_string_lossy().into_owned();
    if !path.is_absolute() || path.components().any(|part| part.as_os_str() == "..") {
        return refused(
            format!("{} is not an absolute path", shown(&text)),
            "write the absolute path, without ..",
        );
    }
    let unreadable = |error: std::io::Error| {
        Refusal::new(
            Class::Command,
            format!("{} cannot be examined: {error}", shown(&text)),
            "check the spelling, and whether your account may read it",
        )
    };
    let target = path.canonicalize().map_err(unreadable)?;
    let folder = path
        .parent()
        .unwrap_or(Path::new("/"))
        .canonicalize()
        .map_err(unreadable)?;
    let run = folder.join(path.file_name().unwrap_or_default());
    if let Some(temporary) = rules
        .temporary
        .iter()
        .find(|each| target.starts_with(each) || run.starts_with(each))
    {
        return refused(
            format!(
                "{} lies under {}, which is for temporary files",
                shown(&text),
                temporary.display()
            ),
            "install it elsewhere",
        );
    }
    let found = target.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return refused(
            format!("{} is not a regular file", shown(&text)),
            "name the program itself",
        );
    }
    if executable && !platform::is_executable(&found) {
        return refused(
            format!("{} is not executable", shown(&text)),
            "name a program, or make it one with chmod +x",
        );
    }
    // Whoever can write the folder of a link can redirect it, so the folders of
    // each link are checked like those of the file.
    for each in steps(path) {
        let metadata = each.symlink_metadata().map_err(unreadable)?;
        if let Some(why) = platform::why_others_can_change(&metadata, ROOT_GROUPS) {
            return refused(
                format!(
                    "{} cannot be trusted: {} {why}",
                    shown(&text),
                    each.display()
                ),
                &format!(
                    "give it to root or to yourself, and chmod go-w {}",
                    each.display()
                ),
            );
        }
    }
    Ok(Trusted { path: run, target })
}

/// Everything that decides where `path` leads: itself, its folders, and the same
/// for the target of every link.
fn steps(path: &Path) -> Vec<PathBuf> {
    const LINKS: usize = 40; // As many as the kernel follows.
    let (mut all, mut pending) = (Vec::new(), vec![path.to_owned()]);
    let mut links = 0;
    while let Some(next) = pending.pop() {
        for each in next.ancestors() {
            if all.iter().any(|seen| seen == each) {
                continue;
            }
            all.push(each.to_owned());
            if let Ok(target) = each.read_link()
                && links < LINKS
            {
                links += 1;
                let whole = each.parent().unwrap_or(Path::new("/")).join(target);
                pending.push(without_dots(&whole));
                // The rest of the path is reached through the link's target.
                if let (Ok(rest), Ok(real)) = (next.strip_prefix(each), each.canonicalize()) {
                    // Joining an empty path would add a trailing slash.
                    pending.push(match rest.as_os_str().is_empty() {
                        true => real,
                        false => real.join(rest),
                    });
                }
            }
        }
    }
    all
}

/// Removes `.` and `..` from `path` lexically.
pub(in crate::skills) fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(out.pop()),
            std::path::Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// The paths besides the default profile that a program must read to start: its
/// file before and after links, the folder of each, the `lib` beside a `bin`, and
/// the same for the interpreter of a script.
pub(super) fn needs(found: &Trusted, rules: &Rules) -> Vec<PathBuf> {
    let interpreter = interpreter(&found.target);
    let interpreter = interpreter.and_then(|path| file(&path, rules, true).ok());
    let mut needed = Vec::new();
    for program in [Some(found), interpreter.as_ref()].into_iter().flatten() {
        for path in [&program.path, &program.target] {
            needed.push(path.clone());
            needed.extend(bin_siblings(path));
        }
    }
    needed.retain(|path| !PROFILE.iter().any(|known| path.starts_with(known)));
    let mut seen = std::collections::BTreeSet::new();
    needed.retain(|path| seen.insert(path.clone()));
    needed
}

/// What programs in a `bin` folder look for: each other, their libraries, and the
/// mark of a virtual environment.
fn bin_siblings(program: &Path) -> Vec<PathBuf> {
    let Some(folder) = program.parent().filter(|folder| folder.ends_with("bin")) else {
        return Vec::new();
    };
    let beside = ["lib", "pyvenv.cfg"].map(|name| folder.with_file_name(name));
    let there = beside.into_iter().filter(|path| path.exists());
    std::iter::once(folder.to_owned()).chain(there).collect()
}

/// The interpreter in the first line of a script.
fn interpreter(script: &Path) -> Option<PathBuf> {
    // The kernel reads no more.
    let mut line = Vec::new();
    let opened = std::fs::File::open(script).ok()?;
    opened.take(256).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|c| *c == b'\n').next()?;
    let name = std::str::from_utf8(line)
        .ok()?
        .split_ascii_whitespace()
        .next()?;
    Some(PathBuf::from(name))
}
