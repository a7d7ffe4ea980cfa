//! What is kept between runs: tool lists, so that a lazy skill is listed without
//! being started, and the pins. Files of this user's only, replaced whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::limits;
use crate::skills::link::Tool;
use crate::skills::pins::Pins;
use crate::skills::spec::SkillSpec;

/// The tool lists by their skills' fingerprints.
pub type Lists = BTreeMap<String, Arc<[Tool]>>;

/// The folder and the two files in it.
pub struct Files(PathBuf);

impl Files {
    /// The files in `folder`, which exists and is this user's only.
    pub fn in_folder(folder: PathBuf) -> Files {
        Files(folder)
    }

    /// The tool lists; none where the file cannot be read, it is only a cache.
    pub fn lists(&self) -> Lists {
        let path = self.0.join("skill-tools.json");
        let small = fs::metadata(&path)
            .is_ok_and(|file| file.len() <= limits::SKILL_CACHE_BYTES_MAX as u64);
        let text = small.then(|| fs::read_to_string(&path).ok()).flatten();
        let text = text.unwrap_or_default();
        let lists: BTreeMap<String, Vec<&RawValue>> =
            serde_json::from_str(&text).unwrap_or_default();
        let read = |raws: Vec<&RawValue>| raws.into_iter().filter_map(Tool::read).collect();
        lists
            .into_iter()
            .map(|(key, raws)| (key, read(raws)))
            .collect()
    }

    /// The pins. A file that cannot be read is an error: without it every
    /// changed tool would pass for a new one.
    pub fn pins(&self) -> io::Result<Pins> {
        match fs::read_to_string(self.0.join("skill-pins.json")) {
            Ok(text) => Pins::parse(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Pins::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes the lists, and the changes of the pins on top of what the file has
    /// by now: another Mimo may have approved something. Gives all pins.
    pub fn save(&self, lists: &Lists, changes: Pins) -> io::Result<Pins> {
        let raws = |tools: &Arc<[Tool]>| tools.iter().map(|tool| tool.raw.clone()).collect();
        let lists: BTreeMap<&String, Vec<Arc<RawValue>>> = lists
            .iter()
            .map(|(key, tools)| (key, raws(tools)))
            .collect();
        let lists = serde_json::to_string(&lists)?;
        if lists.len() <= limits::SKILL_CACHE_BYTES_MAX {
            replace(&self.0.join("skill-tools.json"), &lists)?;
        }
        let before = self.pins()?;
        let mut pins = before.clone();
        pins.apply(changes);
        if pins != before {
            replace(&self.0.join("skill-pins.json"), &pins.text())?;
        }
        Ok(pins)
    }
}

/// What a tool list depends on, as one word. The environment may hold secrets,
/// and a digest of it gives none away.
pub fn fingerprint(spec: &SkillSpec) -> String {
    let digest = Sha256::digest(format!("{spec:?}").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens a file of this user's only, empty.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Puts a whole file in the place of another; several Mimos may do so at once.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let own = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = private(&own)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&own, path)
}
