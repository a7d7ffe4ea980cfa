//! A small skill for the demo: its program, and the settings that allow it.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::temporary::TemporaryFolder;
use crate::app;
use crate::clock::Clock;
use crate::config::{Config, Environment, Flags};
use crate::failure::Failure;
use crate::skills::manifest::{self, Manifest};

/// What the note says that the skill reads.
pub(super) const NOTE: &str = "Flour comes on Tuesdays, before six";

/// The files of the skill, removed when the demo ends.
pub(super) struct FixtureSkill {
    program: TemporaryFolder,
    pub(super) note: PathBuf,
}

impl FixtureSkill {
    /// Writes the skill and the settings that allow it into `folder`, the
    /// server's. Mimo trusts no program in a temporary folder, so this one is
    /// placed beside Mimo's own, or in a folder of the account: HOME and the build may
    /// lie in a temporary folder themselves. The inner `Err` says why the skill cannot
    /// run here.
    pub(super) fn install(
        folder: &Path,
        environment: &Environment,
        clock: &dyn Clock,
    ) -> Result<Result<FixtureSkill, String>, Failure> {
        let executable_folder = environment.executable.as_deref().and_then(Path::parent);
        let data_parent = environment.data_folder.as_deref().and_then(Path::parent);
        let mut why = "there is no folder for its program".to_owned();
        let parents = [
            executable_folder.map(Path::to_owned),
            data_parent.map(Path::to_owned),
            environment.session_folder(),
            environment.account_folder.and_then(|find| find()),
        ];
        for parent in parents.into_iter().flatten() {
            let Ok(program) = TemporaryFolder::make(&parent, clock) else {
                continue;
            };
            let skill = FixtureSkill {
                note: program.0.join("notes").join("flour.txt"),
                program,
            };
            skill.write(folder)?;
            match refusal(folder, environment)? {
                None => return Ok(Ok(skill)),
                Some(reason) => why = reason,
            }
        }
        // The other steps need no skill.
        write(&folder.join("skills.json"), r#"{"skills":{}}"#)?;
        Ok(Err(why))
    }

    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let notes = self.program.0.join("notes");
        std::fs::create_dir_all(&notes).map_err(Failure::internal)?;
        write(&self.note, NOTE)?;
        let script = self.program.0.join("notes.mjs");
        write(&script, include_str!("notes.mjs"))?;
        write(
            &folder.join("config.toml"),
            "[skills]\ncommands = [\"node\"]\n",
        )?;
        let entry = json!({
            "command": "node",
            "args": [script],
            "sandbox": {"fs": {"read": [notes]}},
        });
        let text = json!({"skills": {"notes": entry}}).to_string();
        write(&folder.join("skills.json"), &text)
    }
}

/// Why the server will not run the skill, if it will not.
fn refusal(folder: &Path, environment: &Environment) -> Result<Option<String>, Failure> {
    let flags = Flags {
        config_folder: Some(folder.to_owned()),
        data_folder: Some(folder.to_owned()),
        ..Flags::default()
    };
    let config = Config::load(&flags, environment)?;
    let loaded = manifest::load(&config.skills.manifest, &app::skill_rules(&config));
    Ok(loaded.and_then(Manifest::whole).err().map(|refusals| {
        refusals
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    }))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(Failure::internal)
}
