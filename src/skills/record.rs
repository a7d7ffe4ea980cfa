//! What Mimo remembers of each skill between its starts: one file beside the
//! private folders, where no skill can reach it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sandbox::private_folder;
use super::spec::SkillSpec;
use crate::files;

/// Held while a record is read and written. No skill can have this name.
const LOCK: &str = ".lock";

/// The digits of an identity in a folder's name: too many for a package to be
/// made that shares them.
const DIGITS: usize = 32;

#[derive(Serialize, Deserialize)]
struct Record {
    /// The identity that the folder with the skill's plain name belongs to.
    owner: String,
}

/// The private folder of `spec` below `folder`. The first skill of a name owns the
/// folder of that name, which it may have from an earlier version of Mimo; another
/// one that gets the name later has a folder of its own.
pub(super) fn folder_of(spec: &SkillSpec, folder: &Path) -> io::Result<PathBuf> {
    private_folder(folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(folder.join(LOCK))?;
    lock.lock()?;
    let (name, identity) = (spec.name.as_str(), &spec.identity.program);
    let file = folder.join(format!("{name}.json"));
    let record = match fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let record = Record {
                owner: identity.clone(),
            };
            files::replace(&file, &serde_json::to_vec(&record)?)?;
            record
        }
        Err(error) => return Err(error),
    };
    Ok(folder.join(match record.owner == *identity {
        true => name.to_owned(),
        false => format!("{name}.{}", &identity[..identity.len().min(DIGITS)]),
    }))
}
