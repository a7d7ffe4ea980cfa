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

#[test]
fn granted_path_that_leads_elsewhere_keeps_the_skill_from_starting() {
    skip_unless!(python);
    let world = World::new();
    let (granted, other) = (world.path("granted"), world.path("other"));
    fs::create_dir(&granted).expect("made");
    fs::create_dir(&other).expect("made");
    fs::write(granted.join("file"), "x").expect("written");
    let mut entry = world.skill("ok");
    entry["sandbox"] = json!({"fs": {"read": [granted, granted.join("file")]}});
    world.manifest(&json!({ "one": entry }));
    let start = || {
        let mut mimo = world.serve();
        mimo.call("one__echo", json!({}));
        mimo
    };
    let mut mimo = start();
    mimo.until_running(&["one"]);
    assert!(mimo.server.exit().success());

    // An editor replaces a file when it saves it.
    fs::write(granted.join("new"), "y").expect("written");
    fs::rename(granted.join("new"), granted.join("file")).expect("renamed");
    let mut mimo = start();
    mimo.until_running(&["one"]);
    assert!(mimo.server.exit().success());

    // Another folder, then a link, each accepted by a person.
    let replace_by_folder = || fs::create_dir(&granted).expect("made");
    let replace_by_link = || {
        fs::write(other.join("file"), "z").expect("written");
        std::os::unix::fs::symlink(&other, &granted).expect("a link");
    };
    let replacements: [(&dyn Fn(), &str); 2] = [
        (
            &replace_by_folder,
            "is another folder than the one that was granted",
        ),
        (&replace_by_link, "when it was granted, and leads to"),
    ];
    for (replace, why) in replacements {
        fs::rename(&granted, world.path(&format!("away {}", why.len()))).expect("moved");
        replace();
        let mut mimo = start();
        let ended = mimo.until_ended();
        assert!(ended.contains(why), "{ended}");
        assert!(ended.contains("mimo skill approve one"), "{ended}");
        let shown = world.document(&["approve", "one"]);
        assert_eq!(shown["pending"][0]["why"], "moved", "{shown}");
        assert_eq!(shown["pending"][0]["path"], json!(granted));
        let told = world.document(&["approve", "one", "--yes"]);
        assert_eq!(told["ok"], true, "{told}");
        mimo.until_running(&["one"]);
        assert!(mimo.server.exit().success());
    }
}
