//! The files that a skill may use: the profile's and its own grants, with links
//! followed. The layers of files are built from them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::policy::Policy;
use crate::limits::SANDBOX_LINKS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Read,
    Write,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// Absolute paths without links. A path comes after the folders above it, and
    /// none repeats what a folder above it grants.
    pub(super) grants: Vec<(PathBuf, Access)>,
    /// The links on the way to the grants, with their targets as they are stored.
    pub(super) links: BTreeMap<PathBuf, PathBuf>,
}

impl Files {
    /// The files of `policy`, which may be read or changed by these paths.
    pub(super) fn of(policy: &Policy, read: &[PathBuf], write: &[PathBuf]) -> Files {
        Files::resolve(read, write, &policy.asked, &policy.installed)
    }

    fn resolve(
        read: &[PathBuf],
        write: &[PathBuf],
        asked: &[PathBuf],
        installed: &[PathBuf],
    ) -> Files {
        let mut files = Files {
            grants: Vec::new(),
            links: BTreeMap::new(),
        };
        let mut found = BTreeMap::new();
        let mut write = write.to_vec();
        write.sort();
        // Folders that the skill can change. The outer ones come first.
        let mut own = Vec::new();
        // Folders that are known not to be links.
        let mut plain = BTreeSet::new();
        for path in write {
            own.push(path.clone());
            if let Some((real, links)) = follow(&path, &own, &mut plain) {
                own.push(real.clone());
                found.insert(real, Access::Write);
                files.links.extend(links);
            }
        }
        let real = installed.iter().flat_map(|folder| folder.canonicalize());
        let installed: Vec<PathBuf> = real.collect();
        let mut led = Vec::new();
        for path in read {
            match follow(path, &own, &mut plain) {
                Some((_, links)) if any_within(&links, &installed) => led.push(path),
                Some((real, links)) => {
                    found.entry(real).or_insert(Access::Read);
                    files.links.extend(links);
                }
                None => {}
            }
        }
        // Foreign code made these links: they lead to what is granted anyway, such as the
        // Python of an environment, or to nothing.
        for path in led {
            if let Some((real, links)) = follow(path, &own, &mut plain)
                && found.keys().any(|granted| real.starts_with(granted))
            {
                files.links.extend(links);
            }
        }
        // A link that has been changed since it was judged leads to nothing.
        for path in asked {
            if let Some((real, links)) = follow(path, &own, &mut plain)
                && found.contains_key(&real)
            {
                files.links.extend(links);
            }
        }
        // Grants that the current path may be in, the innermost one last.
        let mut above: Vec<(PathBuf, Access)> = Vec::new();
        for (path, access) in found {
            while above
                .pop_if(|(above, _)| !path.starts_with(above))
                .is_some()
            {}
            if above.last().is_none_or(|(_, above)| *above != access) {
                above.push((path.clone(), access));
                files.grants.push((path, access));
            }
        }
        files
    }
}

/// Whether one of `links` lies in one of the folders.
fn any_within(links: &[(PathBuf, PathBuf)], folders: &[PathBuf]) -> bool {
    let lies_in = |at: &PathBuf| folders.iter().any(|folder| at.starts_with(folder));
    links.iter().any(|(at, _)| lies_in(at))
}

/// `path` without links, and the links on its way. `None` where nothing is there, and
/// where it leads through a link inside one of the skill's `own` folders: an earlier
/// run may have created it to gain access to its target.
fn follow(
    path: &Path,
    own: &[PathBuf],
    plain: &mut BTreeSet<PathBuf>,
) -> Option<(PathBuf, Vec<(PathBuf, PathBuf)>)> {
    let mut links = Vec::new();
    let mut rest = names(path);
    let mut real = PathBuf::from("/");
    while let Some(name) = rest.pop() {
        if name == ".." {
            real.pop();
            continue;
        }
        let here = real.join(name);
        if plain.contains(&here) {
            real = here;
            continue;
        }
        let target = match fs::read_link(&here) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                plain.insert(here.clone());
                real = here;
                continue;
            }
            Err(_) => return None,
        };
        let inside = |folder: &PathBuf| here.starts_with(folder) && here != *folder;
        if own.iter().any(inside) || links.len() >= SANDBOX_LINKS_MAX {
            return None;
        }
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        rest.extend(names(&target));
        links.push((here, target));
    }
    Some((real, links))
}

/// The components of `path`, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    let names = names.filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    names.map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_except_in_folders_that_the_skill_can_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("its path");
        let at = |name: &str| base.join(name);
        fs::create_dir_all(at("real/own/inner")).expect("made");
        fs::create_dir_all(at("secret")).expect("made");
        symlink("real", at("link")).expect("linked");
        symlink(at("secret"), at("real/own/leak")).expect("linked");

        let write = [at("link/own")];
        let read = [
            at("link/own/leak"),
            at("link/own/inner"),
            at("link"),
            at("real"),
        ];
        let asked = [at("link/own/inner"), at("secret")];
        let files = Files::resolve(&read, &write, &asked, &[]);
        assert_eq!(
            files.grants,
            [
                (at("real"), Access::Read),
                (at("real/own"), Access::Write),
                (at("real/own/inner"), Access::Read)
            ]
        );
        assert_eq!(files.links, BTreeMap::from([(at("link"), "real".into())]));
    }

    #[test]
    fn links_that_an_install_made_grant_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("its path");
        let at = |name: &str| base.join(name);
        for name in ["packages/x/tree/bin", "home", "runtime/bin"] {
            fs::create_dir_all(at(name)).expect("made");
        }
        symlink(at("home"), at("packages/x/stolen")).expect("linked");
        symlink(at("home"), at("packages/x/tree/bin/leak")).expect("linked");
        symlink(at("runtime/bin"), at("packages/x/tree/bin/python")).expect("linked");
        symlink("packages", at("alias")).expect("linked");

        let read = [
            at("alias/x/tree"),
            at("packages/x/stolen"),
            at("packages/x/tree/bin/leak"),
            at("packages/x/tree/bin/python"),
            at("runtime"),
        ];
        // The folder is named as the settings name it, or as it is.
        for installed in [at("packages/x"), at("alias/x")] {
            let files = Files::resolve(&read, &[], &[], &[installed]);
            let granted = [at("packages/x/tree"), at("runtime")];
            assert_eq!(files.grants, granted.map(|path| (path, Access::Read)));
        }
    }
}
