//! The manifest that a running Mimo follows: loads it, and detects whether the file
//! has changed since.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{Manifest, check, file};
use crate::skills::refusal::Refusal;
use crate::skills::rules::Rules;

/// The file, and a digest of what was loaded last.
pub(crate) struct Source {
    path: PathBuf,
    rules: Rules,
    loaded: Mutex<Option<FileDigest>>,
}

/// A digest of the file, or of why it could not be read.
type FileDigest = [u8; 32];
type Read = Result<Option<Vec<u8>>, Refusal>;

impl Source {
    /// The manifest at `path`, checked against `rules`. Reads nothing yet.
    pub(crate) fn new(path: PathBuf, rules: Rules) -> Source {
        Source {
            path,
            rules,
            loaded: Mutex::default(),
        }
    }

    /// The file need not exist.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks the file. A missing file has no skills.
    pub(crate) fn load(&self) -> Result<Manifest, Vec<Refusal>> {
        let read = file::read(&self.path);
        let stamp = stamp(&read);
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(stamp);
        match read.map_err(|refusal| vec![refusal])? {
            Some(bytes) => check(&bytes, &self.rules),
            None => Ok(Manifest::default()),
        }
    }

    /// Whether the file, or the reason why it cannot be read, differs from the last
    /// load.
    pub(crate) fn has_changed(&self) -> bool {
        let now = stamp(&file::read(&self.path));
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        *loaded != Some(now)
    }

    /// SHA-256 of the file as it is now, or of why it cannot be read, in hex.
    pub(crate) fn digest(&self) -> String {
        base16ct::lower::encode_string(&stamp(&file::read(&self.path)))
    }

    /// The message about a refused file.
    pub(crate) fn problem(&self, refusals: &[Refusal]) -> String {
        let path = self.path.display();
        let more = match refusals.len() {
            0 | 1 => String::new(),
            many => format!(" ({} more: `mimo skill check`)", many - 1),
        };
        match refusals.first() {
            Some(first) => format!("{path} is not in use: {first}{more}; next: {}", first.fix),
            None => format!("{path} is not in use"),
        }
    }

    /// The message about refused entries, if there are any.
    pub(crate) fn refused_entries(&self, manifest: &Manifest) -> Option<String> {
        let each = manifest.refused.iter().filter_map(|entry| {
            let first = entry.refusals.first()?;
            Some(format!("{first}; next: {}", first.fix))
        });
        let all: Vec<String> = each.collect();
        let count = match all.len() {
            0 => return None,
            1 => "one entry is".to_owned(),
            many => format!("{many} entries are"),
        };
        let path = self.path.display();
        Some(format!("{count} not in use in {path}: {}", all.join(" | ")))
    }
}

fn stamp(read: &Read) -> FileDigest {
    let mut digest = Sha256::new();
    match read {
        Ok(None) => digest.update(b"none"),
        Ok(Some(bytes)) => {
            digest.update(b"file");
            digest.update(bytes);
        }
        Err(refusal) => {
            digest.update(b"refused");
            digest.update(&refusal.reason);
        }
    }
    digest.finalize().into()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_change_of_the_file_is_detected() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("skills.json");
        let source = Source::new(path.clone(), Rules::default());
        assert!(source.has_changed(), "nothing was loaded yet");
        let skills = source.load().expect("no file has no skills").skills;
        assert!(skills.is_empty() && !source.has_changed());

        std::fs::write(&path, "{\"skills\":{}}").expect("written");
        assert!(source.has_changed(), "it was made");
        let mode = |bits| {
            let bits = std::fs::Permissions::from_mode(bits);
            std::fs::set_permissions(&path, bits).expect("a mode");
        };
        mode(0o600);
        source.load().expect("an empty manifest");
        assert!(!source.has_changed());
        mode(0o666);
        assert!(source.has_changed(), "anyone could write it");
        let refused = source.load().expect_err("refused");
        let problem = source.problem(&refused);
        assert!(problem.contains("skills.json is not in use"), "{problem}");
        assert!(problem.contains("next: chmod go-w"), "{problem}");
        mode(0o600);
        assert!(source.has_changed(), "it was put right");
        source.load().expect("an empty manifest");
        std::fs::remove_file(&path).expect("removed");
        assert!(source.has_changed(), "it is gone");
    }
}
