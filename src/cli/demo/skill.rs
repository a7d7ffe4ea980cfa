//! The part of the story that needs node: another server's tools, out of a
//! sandbox.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Temporary;
use super::scene::{Scene, expect};
use super::story::Play;
use crate::app;
use crate::clock::Clock;
use crate::config::{Config, Flags, Surroundings};
use crate::failure::Failure;
use crate::skills::manifest;

const NOTE: &str = "Flour comes on Tuesdays, before six";

/// The skill's program, where it may be run from; it goes with the demo.
pub(super) struct Stage {
    program: Temporary,
    note: PathBuf,
}

impl Stage {
    /// Writes the skill and the settings that allow it into `folder`, the
    /// server's. The program itself may not lie in a temporary folder, where
    /// Mimo trusts none: it lies beside ours, or with the account's own data.
    /// `Err` says why there is no such part of the story here.
    pub(super) fn set(
        folder: &Path,
        surroundings: &Surroundings,
        clock: &dyn Clock,
    ) -> Result<Result<Stage, String>, Failure> {
        let beside = surroundings.executable.as_deref().and_then(Path::parent);
        let own = surroundings.data_folder.as_deref().and_then(Path::parent);
        let mut why = "there is no folder for its program".to_owned();
        for parent in [beside, own].into_iter().flatten() {
            let Ok(program) = Temporary::make(parent, clock) else {
                continue;
            };
            let stage = Stage {
                note: program.0.join("notes").join("flour.txt"),
                program,
            };
            stage.write(folder)?;
            match allowed(folder, surroundings)? {
                None => return Ok(Ok(stage)),
                Some(refusal) => why = refusal,
            }
        }
        // The rest of the story is told without a skill.
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

/// Why the server will not run it, if it will not.
fn allowed(folder: &Path, surroundings: &Surroundings) -> Result<Option<String>, Failure> {
    let flags = Flags {
        config_folder: Some(folder.to_owned()),
        data_folder: Some(folder.to_owned()),
        ..Flags::default()
    };
    let config = Config::load(&flags, surroundings)?;
    let loaded = manifest::load(&config.skills.manifest, &app::skill_rules(&config));
    Ok(loaded.err().map(|refusals| {
        refusals
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    }))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(Failure::internal)
}

/// Finds the tool, reads what it may read, and has it try what it may not.
pub(super) fn step(play: &mut Play<'_>, scene: &mut Scene) -> Result<(), Failure> {
    let stage = match &play.stage {
        Ok(stage) => stage,
        Err(why) => {
            scene.tell(format!("not shown here: {why}"));
            return Ok(());
        }
    };
    let (note, database) = (stage.note.clone(), play.folder.join("mimo.db"));
    let wanted = json!({"query": "what does this note say?", "limit": 1});
    let found = scene.call(&mut play.client, "skill_find", wanted)?;
    let tool = &found["tools"][0];
    expect(tool["tool"] == "notes__read_note", || {
        format!("it found {found}")
    })?;
    scene.tell(format!(
        "{}: {}",
        tool["tool"].as_str().unwrap_or("?"),
        tool["description"].as_str().unwrap_or("?")
    ));
    let read = |path: &Path| json!({"tool": "notes__read_note", "arguments": {"path": path}});
    let (text, is_error) = scene.skill(&mut play.client, read(&note))?;
    scene.tell(format!("its own folder: {text}"));
    expect(text == NOTE && !is_error, || format!("it read {text:?}"))?;
    let (text, is_error) = scene.skill(&mut play.client, read(&database))?;
    scene.tell(format!("Mimo's database: {text}"));
    expect(is_error && text.starts_with("EACCES"), || {
        format!("it was not kept from the database: {text:?}")
    })?;
    let status = json!({"section": "skills"});
    let status = scene.call(&mut play.client, "mimo_status", status)?;
    let skill = &status["skills"][0];
    scene.tell(format!("held by {}", enforced(&skill["sandbox"])));
    expect(skill["state"] == "running", || format!("it is {skill}"))
}

/// The layers that hold the skill, by name.
fn enforced(sandbox: &Value) -> String {
    let layers = sandbox.as_object().into_iter().flatten();
    let holding = layers.filter(|(_, state)| *state == "enforced");
    let names: Vec<&str> = holding.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
