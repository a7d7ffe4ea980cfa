//! What belongs to one skill and what the next one of its name gets.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::world::World;

/// The entry of a copy of the fake skill.
fn copy(world: &World, name: &str) -> Value {
    let script = world.path(name);
    fs::copy(world.path("skill.py"), &script).expect("a copy");
    json!({"command": "python3", "args": [script, "ok"]})
}

/// The private folders of the skill `one`.
fn folders(world: &World) -> Vec<PathBuf> {
    let all = fs::read_dir(world.path("data/skills")).expect("the folder");
    let all = all.map(|entry| entry.expect("an entry").path());
    let own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_dir() && (name == "one" || name.starts_with("one."))
    };
    let mut own: Vec<PathBuf> = all.filter(own).collect();
    own.sort();
    own
}

fn has_plant(folder: &Path) -> bool {
    folder.join("home/planted").exists()
}

#[test]
fn next_skill_of_a_name_inherits_no_folder_and_no_approval() {
    skip_unless!(python);
    let world = World::with("first_sight = \"ask\"\n");
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    mimo.until(|_| world.document(&["approve"])["pending"] != json!([]));
    world.document(&["approve", "--yes"]);
    mimo.until(|status| status["pending"] == json!([]));
    fs::write(world.path("data/skills/one/home/planted"), "x").expect("written");

    // The same program with other arguments keeps both.
    world.manifest(&json!({"one": world.skill("edited")}));
    assert_eq!(world.document(&["reload"])["ok"], true);
    assert_eq!(mimo.status()["pending"], json!([]));
    assert_eq!(folders(&world).len(), 1);

    world.manifest(&json!({"one": copy(&world, "other.py")}));
    let status = mimo.until(|status| {
        status["pending"]
            .as_array()
            .is_some_and(|all| all.len() == 6)
    });
    assert_eq!(status["pending"][0]["why"], "nobody has approved it yet");
    let own = folders(&world);
    assert_eq!(own.len(), 2, "{own:?}");
    assert!(has_plant(&own[0]) && !has_plant(&own[1]));

    // The first one finds its own again.
    world.manifest(&json!({"one": world.skill("ok")}));
    mimo.until(|status| status["pending"] == json!([]));
    assert_eq!(folders(&world), own);
    assert!(mimo.server.exit().success());
}

#[test]
fn folder_of_an_earlier_version_is_kept_by_the_skill_that_has_the_name() {
    skip_unless!(python);
    let world = World::new();
    fs::create_dir_all(world.path("data/skills/one/home")).expect("made");
    fs::write(world.path("data/skills/one/home/planted"), "x").expect("written");
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    let own = folders(&world);
    assert!(own.len() == 1 && has_plant(&own[0]), "{own:?}");
    assert!(mimo.server.exit().success());
}
