//! What is kept between runs: tool lists, so that a lazy skill is listed without
//! being started, and the pins. Files of this user's only, replaced whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::files::replace;
use crate::limits;
use crate::skills::client::Tool;
use crate::skills::pins::Pins;
use crate::skills::spec::{Expose, SkillName, SkillSpec};

/// The tool lists by their skills' fingerprints.
pub type Lists = BTreeMap<String, Arc<[Tool]>>;

/// A tool list of this run, on its way into the file.
#[derive(Clone)]
pub struct Fresh {
    /// What the list depends on.
    pub fingerprint: String,
    /// Whose it is.
    pub skill: SkillName,
    /// The tools.
    pub tools: Arc<[Tool]>,
}

/// A tool list as the file has it.
#[derive(Serialize, Deserialize)]
struct Kept {
    skill: String,
    /// Lists are numbered as they are written.
    number: u64,
    tools: Vec<Box<RawValue>>,
}

/// The folder and the files in it.
pub struct Files(PathBuf);

impl Files {
    /// The files in `folder`, which exists and is this user's only.
    pub fn in_folder(folder: PathBuf) -> Files {
        Files(folder)
    }

    /// Where what skills offer beside tools is kept.
    pub fn offers(&self) -> PathBuf {
        self.0.join("skill-offers.json")
    }

    /// The tool lists; none where the file cannot be read, it is only a cache.
    pub fn lists(&self) -> Lists {
        let kept = self.kept().into_iter();
        kept.map(|(key, kept)| (key, read(&kept.tools))).collect()
    }

    /// The tools that each skill listed last, in whatever surroundings it ran.
    pub fn newest(&self) -> BTreeMap<SkillName, Arc<[Tool]>> {
        let mut kept: Vec<Kept> = self.kept().into_values().collect();
        kept.sort_by_key(|kept| kept.number);
        let named = kept
            .into_iter()
            .filter_map(|kept| Some((SkillName::new(&kept.skill)?, read(&kept.tools))));
        // Of one name the last stays.
        named.collect()
    }

    fn kept(&self) -> BTreeMap<String, Kept> {
        let path = self.0.join("skill-tools.json");
        let small = fs::metadata(&path)
            .is_ok_and(|file| file.len() <= limits::SKILL_CACHE_BYTES_MAX as u64);
        let text = small.then(|| fs::read_to_string(&path).ok()).flatten();
        serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default()
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

    /// Changes the pins on top of what the file has by now; gives all of them.
    pub fn change_pins(&self, change: impl FnOnce(&mut Pins)) -> io::Result<Pins> {
        let _alone = self.alone()?;
        let before = self.pins()?;
        let mut pins = before.clone();
        change(&mut pins);
        if pins != before {
            replace(&self.0.join("skill-pins.json"), pins.text().as_bytes())?;
        }
        Ok(pins)
    }

    /// Writes the lists and the changes of the pins on top of what the files
    /// have by now: another Mimo may have listed or approved something. Gives
    /// all pins.
    pub fn save(&self, fresh: &[Fresh], changes: Pins) -> io::Result<Pins> {
        if !fresh.is_empty() {
            let _alone = self.alone()?;
            self.save_lists(fresh)?;
        }
        self.change_pins(|pins| pins.apply(changes))
    }

    fn save_lists(&self, fresh: &[Fresh]) -> io::Result<()> {
        let mut kept = self.kept();
        let last = kept.values().map(|kept| kept.number).max().unwrap_or(0);
        for (number, each) in (last + 1..).zip(fresh) {
            let list = Kept {
                skill: each.skill.to_string(),
                number,
                tools: each
                    .tools
                    .iter()
                    .map(|tool| (*tool.raw).to_owned())
                    .collect(),
            };
            kept.insert(each.fingerprint.clone(), list);
        }
        // The oldest go first: skills that are gone, or another form by now.
        let mut numbers: Vec<u64> = kept.values().map(|kept| kept.number).collect();
        numbers.sort_unstable();
        let excess = numbers.len().saturating_sub(limits::SKILL_LISTS_KEPT_MAX);
        if let Some(oldest) = numbers.get(excess) {
            kept.retain(|_, kept| kept.number >= *oldest);
        }
        let text = serde_json::to_string(&kept)?;
        match text.len() <= limits::SKILL_CACHE_BYTES_MAX {
            true => replace(&self.0.join("skill-tools.json"), text.as_bytes()),
            false => Ok(()),
        }
    }

    /// Keeps other Mimos from writing until it is dropped.
    fn alone(&self) -> io::Result<File> {
        let lock = private(&self.0.join("skills.lock"))?;
        lock.lock()?;
        Ok(lock)
    }
}

fn read(raws: &[Box<RawValue>]) -> Arc<[Tool]> {
    raws.iter().filter_map(|raw| Tool::read(raw)).collect()
}

/// What a tool list depends on, as one word. The environment may hold secrets,
/// and a digest of it gives none away.
pub fn fingerprint(spec: &SkillSpec) -> String {
    let expose = Expose::default();
    let run = SkillSpec {
        expose,
        ..spec.clone()
    };
    let digest = Sha256::digest(format!("{run:?}").as_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(fingerprint: &str, skill: &str, tool: &str) -> Fresh {
        let raw = format!(r#"{{"name":"{tool}","inputSchema":{{"type":"object"}}}}"#);
        let raw = RawValue::from_string(raw).expect("JSON");
        Fresh {
            fingerprint: fingerprint.to_owned(),
            skill: SkillName::new(skill).expect("a name"),
            tools: Tool::read(&raw).into_iter().collect(),
        }
    }

    fn newest(files: &Files, skill: &str) -> String {
        let lists = files.newest();
        let tools = &lists[&SkillName::new(skill).expect("a name")];
        tools[0].name.clone()
    }

    #[test]
    fn two_mimos_write_beside_each_other_and_the_last_list_of_a_skill_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Files::in_folder(folder.path().to_owned());
        let (one, two) = (open(), open());
        let save = |files: &Files, list| files.save(&[list], Pins::default()).expect("saved");
        save(&one, fresh("f", "a", "old"));
        save(&two, fresh("f", "a", "new"));
        // What the first knew of `a` does not come back with this.
        save(&one, fresh("g", "b", "other"));
        assert_eq!(
            (newest(&one, "a"), newest(&two, "b")),
            ("new".into(), "other".into())
        );
        // In other surroundings it has another fingerprint.
        save(&one, fresh("h", "a", "newer"));
        assert_eq!(newest(&two, "a"), "newer");
        assert_eq!(two.lists()["f"][0].name, "new");

        for number in 0..3 * limits::SKILL_LISTS_KEPT_MAX {
            save(&one, fresh(&format!("x{number}"), "c", "t"));
        }
        assert_eq!(one.lists().len(), limits::SKILL_LISTS_KEPT_MAX);
    }

    #[test]
    fn approvals_of_two_at_once_are_both_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let approve = |at: usize| {
            let files = Files::in_folder(folder.path().to_owned());
            let list = fresh("f", &format!("s{at}"), "t");
            let change = |pins: &mut Pins| pins.approve(&list.skill, &list.tools[0]);
            files.change_pins(change).expect("written");
        };
        std::thread::scope(|scope| {
            for at in 0..8 {
                scope.spawn(move || approve(at));
            }
        });
        let pins = Files::in_folder(folder.path().to_owned())
            .pins()
            .expect("read");
        for at in 0..8 {
            let list = fresh("f", &format!("s{at}"), "t");
            assert!(
                pins.difference(&list.skill, &list.tools[0]).is_empty(),
                "{at}"
            );
        }
    }
}
