//! The record that Mimo keeps of each skill between its starts: one file beside the
//! private folders, where no skill can reach it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::{Grant, SkillName, SkillSpec};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::platform;

/// Held while a record is read and written. No skill can have this name.
const LOCK: &str = ".lock";

/// The digits of an identity in a folder's name: too many for a package to be
/// made that shares them.
const DIGITS: usize = 32;

/// The records of all skills, in the folder that holds their private folders.
#[derive(Clone, Debug)]
pub(crate) struct Records(PathBuf);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// The identity that the folder with the skill's plain name belongs to.
    owner: String,
    /// The files and folders of its entry as they were when it first had them, by
    /// the path that the entry has.
    #[serde(default)]
    grants: BTreeMap<PathBuf, GrantedPath>,
}

/// A file or folder that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct GrantedPath {
    /// Without links.
    path: PathBuf,
    /// Absent for a file, which editors replace whenever they save it.
    folder: Option<Folder>,
}

/// Distinguishes a folder from another one that takes its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Folder {
    /// The device or, where devices are renumbered at each start of the machine,
    /// the id of the file system.
    device: u64,
    inode: u64,
}

/// A grant that is not what it was when the skill first had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MovedGrant {
    pub(crate) asked: PathBuf,
    pub(crate) was: PathBuf,
    pub(crate) now: PathBuf,
}

impl Records {
    /// Below the data folder.
    pub(crate) fn below(data_folder: &Path) -> Records {
        Records(data_folder.join("skills"))
    }

    /// The folder that holds the private folders.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The private folder of `spec`, which may start: each of its grants is what it
    /// was when it was first seen. The first skill of a name owns the folder of that
    /// name, which it may have from an earlier version of Mimo; another one that
    /// gets the name later has a folder of its own.
    pub(crate) fn admit(&self, spec: &SkillSpec) -> Result<PathBuf, Failure> {
        let unusable = |error| self.unusable(error);
        let _lock = self.lock().map_err(unusable)?;
        let known = self.read(&spec.name).map_err(unusable)?;
        let identity = &spec.identity.program;
        let mut record = known.clone().unwrap_or_else(|| Record {
            owner: identity.clone(),
            grants: BTreeMap::new(),
        });
        let moved = record.moved(&spec.sandbox.grants).map_err(unusable)?;
        if let Some(moved) = moved.first() {
            return Err(moved.refusal(&spec.name));
        }
        record.adopt(&spec.sandbox.grants).map_err(unusable)?;
        if known.as_ref() != Some(&record) {
            self.write(&spec.name, &record).map_err(unusable)?;
        }
        Ok(self.0.join(match record.owner == *identity {
            true => spec.name.to_string(),
            false => format!("{}.{}", spec.name, &identity[..identity.len().min(DIGITS)]),
        }))
    }

    /// The grants that keep `spec` from starting.
    pub(crate) fn moved(&self, spec: &SkillSpec) -> Result<Vec<MovedGrant>, Failure> {
        let record = self.read(&spec.name);
        let moved = record.and_then(|record| match record {
            Some(record) => record.moved(&spec.sandbox.grants),
            None => Ok(Vec::new()),
        });
        moved.map_err(|error| self.unusable(error))
    }

    /// Records the current places of `moved`, which a person has approved.
    pub(crate) fn accept(&self, spec: &SkillSpec, moved: &[MovedGrant]) -> Result<(), Failure> {
        let accept = || {
            let _lock = self.lock()?;
            let Some(mut record) = self.read(&spec.name)? else {
                return Ok(());
            };
            let now = record.moved(&spec.sandbox.grants)?;
            for each in now.iter().filter(|each| moved.contains(each)) {
                record.grants.remove(&each.asked);
            }
            record.adopt(&spec.sandbox.grants)?;
            self.write(&spec.name, &record)
        };
        accept().map_err(|error| self.unusable(error))
    }

    fn lock(&self) -> io::Result<File> {
        platform::create_private_folder(&self.0)?;
        let mut options = platform::private_options();
        options.write(true).create(true).truncate(false);
        let lock = options.open(self.0.join(LOCK))?;
        lock.lock()?;
        Ok(lock)
    }

    fn file(&self, skill: &SkillName) -> PathBuf {
        self.0.join(format!("{skill}.json"))
    }

    fn read(&self, skill: &SkillName) -> io::Result<Option<Record>> {
        match fs::read(self.file(skill)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, skill: &SkillName, record: &Record) -> io::Result<()> {
        files::replace(&self.file(skill), &serde_json::to_vec(record)?)
    }

    fn unusable(&self, error: io::Error) -> Failure {
        let folder = self.0.display();
        let message = format!("the record of the skill in {folder} cannot be used: {error}");
        Failure::new(Kind::Unavailable, message)
            .hint("check that your account may write there, and the disk's free space")
    }
}

impl Record {
    fn moved(&self, grants: &[Grant]) -> io::Result<Vec<MovedGrant>> {
        let mut moved = Vec::new();
        for grant in grants {
            // A path that leads nowhere grants nothing.
            let Some(now) = GrantedPath::of(&grant.path)? else {
                continue;
            };
            let was = self.grants.get(&grant.asked);
            if now.path != grant.path || was.is_some_and(|was| *was != now) {
                moved.push(MovedGrant {
                    asked: grant.asked.clone(),
                    was: was.map_or_else(|| grant.path.clone(), |was| was.path.clone()),
                    now: now.path,
                });
            }
        }
        Ok(moved)
    }

    /// Keeps the places of `grants` and no others.
    fn adopt(&mut self, grants: &[Grant]) -> io::Result<()> {
        self.grants
            .retain(|asked, _| grants.iter().any(|grant| grant.asked == *asked));
        for grant in grants {
            if !self.grants.contains_key(&grant.asked)
                && let Some(place) = GrantedPath::of(&grant.path)?
            {
                self.grants.insert(grant.asked.clone(), place);
            }
        }
        Ok(())
    }
}

impl GrantedPath {
    /// Where `path` leads now; `None` where nothing is there.
    fn of(path: &Path) -> io::Result<Option<GrantedPath>> {
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                let message = format!("{}: {error}", path.display());
                return Err(io::Error::new(error.kind(), message));
            }
        };
        let folder = match path.symlink_metadata()?.is_dir() {
            true => {
                let (device, inode) = platform::lasting_file_id_at(&path)?;
                Some(Folder { device, inode })
            }
            false => None,
        };
        Ok(Some(GrantedPath { path, folder }))
    }
}

impl MovedGrant {
    fn refusal(&self, skill: &SkillName) -> Failure {
        Failure::new(Kind::Refused, self.to_string()).hint(format!(
            "look at it, and accept it with `mimo skill approve {skill}`, or name another path in \
             the entry"
        ))
    }
}

impl std::fmt::Display for MovedGrant {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (asked, was, now) = (self.asked.display(), self.was.display(), self.now.display());
        match self.was == self.now {
            true => write!(
                out,
                "{asked} is another folder than the one that was granted"
            ),
            false => write!(
                out,
                "{asked} led to {was} when it was granted, and leads to {now} now"
            ),
        }
    }
}
