//! Folders of valid and invalid manifests against the reader and the schema, and
//! the result of a valid one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::fixture::Fixture;
use mimo::skills::manifest::{Manifest, Skill, check};
use mimo::skills::refusal::{Class, Refusal};
use mimo::skills::spec::Expose;
use mimo::skills::spec::Network;
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(ROOT).join("tests/skills/manifests").join(folder);
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").path())
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read(path).expect("its bytes"))
        })
        .collect();
    all.sort();
    all
}

fn schema() -> jsonschema::Validator {
    let text = std::fs::read(Path::new(ROOT).join("schemas/skills.schema.json")).expect("a file");
    let schema: Value = serde_json::from_slice(&text).expect("JSON");
    assert!(jsonschema::meta::is_valid(&schema), "a schema of its draft");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn filled(bytes: &[u8], fixture: &Fixture) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => fixture.fill(text).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

fn read(bytes: &[u8], fixture: &Fixture) -> Result<Manifest, Vec<Refusal>> {
    check(&filled(bytes, fixture), &fixture.generous()).and_then(Manifest::whole)
}

#[test]
fn valid_manifests_pass_the_reader_and_the_schema() {
    let (fixture, schema) = (Fixture::new(), schema());
    for (name, bytes) in files("valid") {
        let value: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert!(schema.is_valid(&value), "{name}");
        if let Err(refusals) = read(&bytes, &fixture) {
            panic!("{name}: {refusals:#?}");
        }
    }
    let example = std::fs::read(Path::new(ROOT).join("skills.example.json")).expect("a file");
    assert!(schema.is_valid(&serde_json::from_slice(&example).expect("JSON")));
    let manifest = check(&example, &fixture.strict()).expect("the example");
    assert_eq!(manifest.skills.len(), 3);
}

/// What other clients write, which is no example for Mimo's own file.
#[test]
fn files_of_other_clients_are_taken() {
    let fixture = Fixture::new();
    for (name, bytes) in files("lenient") {
        let manifest =
            read(&bytes, &fixture).unwrap_or_else(|refusals| panic!("{name}: {refusals:#?}"));
        let notes = manifest.notes.len()
            + manifest
                .skills
                .iter()
                .map(|skill| skill.notes.len())
                .sum::<usize>();
        assert!(notes > 0 || name == "comment", "{name}: {manifest:#?}");
    }
}

#[test]
fn refused_entry_does_not_refuse_the_others() {
    let fixture = Fixture::new();
    let good = json!({"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"]});
    let text = json!({"mcpServers": {
        "one": good, "two": {"command": "no-such-command"}, "three": good,
        "four": {"url": "https://example.org/mcp"}, "off": {"command": "gone", "disabled": true},
    }});
    let manifest = check(text.to_string().as_bytes(), &fixture.generous()).expect("a manifest");
    let names = manifest.skills.iter().map(|skill| skill.spec.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["one", "three"]);
    let refused: Vec<_> = manifest
        .refused
        .iter()
        .filter_map(|entry| entry.name.as_ref())
        .collect();
    assert_eq!(
        refused.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["two", "four"]
    );
    let remote = &manifest.refused[1].refusals[0];
    assert!(remote.fix.contains("mcp-remote"), "{remote:?}");
}

#[test]
fn invalid_manifests_are_refused_at_the_expected_paths() {
    let (fixture, schema) = (Fixture::new(), schema());
    let text = std::fs::read(Path::new(ROOT).join("tests/skills/manifests/expected.json"));
    let expected: Value = serde_json::from_slice(&text.expect("a file")).expect("JSON");
    let files = files("invalid");
    assert_eq!(
        expected.as_object().map(serde_json::Map::len),
        Some(files.len())
    );
    for (name, bytes) in files {
        let refusals = read(&bytes, &fixture).expect_err(&name);
        let mut found: Vec<[&str; 2]> = refusals
            .iter()
            .map(|each| [each.class.name(), &each.path])
            .collect();
        found.sort_unstable();
        assert_eq!(
            json!(found),
            expected[&name]["errors"],
            "{name}: {refusals:#?}"
        );
        assert!(refusals.iter().all(|each| !each.fix.is_empty()), "{name}");
        let fits = serde_json::from_slice(&bytes).is_ok_and(|value| schema.is_valid(&value));
        assert_eq!(
            json!(fits),
            expected[&name]["schema"],
            "{name}: the schema's verdict"
        );
    }
}

/// Mutations of `value`: every place with several changes.
fn mutations(value: &Value) -> Vec<Value> {
    fn places(value: &Value, above: &str, all: &mut Vec<String>) {
        all.push(above.to_owned());
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    places(inner, &format!("{above}/{}", key.replace('/', "~1")), all);
                }
            }
            Value::Array(list) => {
                for (at, inner) in list.iter().enumerate() {
                    places(inner, &format!("{above}/{at}"), all);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    places(value, "", &mut all);
    let with = |path: &String, new: Value| {
        let mut value = value.clone();
        *value.pointer_mut(path).expect("a place") = new;
        value
    };
    let news = [
        json!(null),
        json!(-1),
        json!("x"),
        json!([7]),
        json!({"x": 1}),
        json!(99999999),
    ];
    all.iter()
        .flat_map(|path| news.iter().map(move |new| with(path, new.clone())))
        .collect()
}

#[test]
fn reader_takes_every_shape_that_the_schema_allows() {
    let (fixture, schema) = (Fixture::new(), schema());
    let mut tried = 0;
    for (name, bytes) in files("valid") {
        let value: Value = serde_json::from_slice(&bytes).expect("JSON");
        for mutant in mutations(&value) {
            tried += 1;
            let refusals = read(mutant.to_string().as_bytes(), &fixture)
                .err()
                .unwrap_or_default();
            let is_shape = |each: &Refusal| {
                matches!(each.class, Class::Key | Class::Value | Class::Name)
                    && !each.path.ends_with("/ports")
            };
            // The reader also takes what other clients write.
            if schema.is_valid(&mutant) {
                let shape: Vec<_> = refusals.iter().filter(|each| is_shape(each)).collect();
                assert!(shape.is_empty(), "{name}: {shape:?} {mutant}");
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

pub fn skill(name: &str, entry: &Value, fixture: &Fixture) -> Skill {
    let text = json!({"skills": {name: entry}}).to_string();
    let manifest = read(text.as_bytes(), fixture);
    let mut skills = manifest
        .unwrap_or_else(|refusals| panic!("{refusals:#?}"))
        .skills;
    skills.pop().expect("a skill")
}

#[test]
fn every_field_of_a_skill_is_read() {
    let fixture = Fixture::new();
    let text = std::fs::read(Path::new(ROOT).join("tests/skills/manifests/valid/everything.json"));
    let manifest = read(&text.expect("a file"), &fixture).expect("valid");
    let [skill] = manifest.skills.as_slice() else {
        panic!("{manifest:?}")
    };
    let (spec, sandbox) = (&skill.spec, &skill.spec.sandbox);
    assert!(skill.disabled && !spec.eager && skill.spec.expose == Expose::Search);
    assert_eq!(spec.program, fixture.path("bin/npx"));
    assert!(spec.arguments.is_empty());
    let package = spec.package.as_ref().expect("a package");
    assert_eq!(package.specs, ["@modelcontextprotocol/server-memory@*"]);
    assert_eq!(spec.environment["npm_config_ignore_scripts"], "true");
    assert_eq!(spec.environment["HOME"], "\0");
    assert_eq!(
        spec.environment["PATH"],
        fixture.path("bin").display().to_string()
    );
    assert_eq!(spec.environment["A"], "1");
    let programs = [fixture.path("bin/npx"), fixture.path("bin")];
    let given = [PathBuf::from("/srv/notes"), fixture.path("home/work")];
    assert_eq!(sandbox.read, [&given[..], &programs[..]].concat());
    assert_eq!(sandbox.write, [fixture.path("home/work/new")]);
    assert_eq!(sandbox.network, Network::Outbound(vec![80, 443]));
    assert_eq!(
        (sandbox.memory_bytes, sandbox.file_bytes),
        (256 << 20, 16 << 20)
    );
    assert_eq!(
        (sandbox.cpu_seconds, sandbox.processes, sandbox.open_files),
        (60, 64, 512)
    );
    assert_eq!(spec.timeouts.initialize, Duration::from_secs(90));
    assert_eq!(spec.timeouts.call, Duration::from_secs(30));
}

#[test]
fn identity_is_what_runs_and_not_how() {
    let fixture = Fixture::new();
    let identity = |entry: Value| skill("a", &entry, &fixture).spec.identity;
    let npx = |args: &[&str]| json!({"command": "npx", "args": args});
    let first = identity(npx(&["-y", "@scope/a@1.0.0"]));
    let same = json!({
        "command": "npx", "args": ["@scope/a@2.0.0", "--verbose"], "env": {"A": "1"},
        "timeouts": {"call_s": 5}, "sandbox": {"network": "outbound"},
    });
    assert_eq!(identity(same.clone()).program, first.program);
    assert_ne!(identity(same).entry, first.entry, "a person edited it");
    let later = json!({
        "command": "npx", "args": ["-y", "@scope/a@1.0.0"], "expose": "search", "start": "eager",
    });
    assert_eq!(identity(later), first, "the same entry, seen otherwise");
    let mut all = BTreeSet::from([first.program]);
    for other in [
        npx(&["-y", "@scope/b@1.0.0"]),
        npx(&["-y", "-p", "@scope/a", "b"]),
        json!({"command": "uvx", "args": ["a"]}),
        json!({"command": "uvx", "args": ["--from", "b", "a"]}),
        json!({"command": "docker", "args": ["run", "-i", "localhost:5000/a:1"]}),
        json!({"command": "docker", "args": ["run", "-i", "localhost:5000/b:1"]}),
        json!({"command": "node", "args": ["/FIXTURE/home/server.js"]}),
        json!({"command": "python3", "args": ["/FIXTURE/home/server.js"]}),
        json!({"command": "python3", "args": ["-m", "a"]}),
    ] {
        assert!(all.insert(identity(other.clone()).program), "{other}");
    }
    let image = json!({"command": "docker", "args": ["run", "-i", "localhost:5000/a:2"]});
    assert!(!all.insert(identity(image).program), "another version");
    let package = json!({"command": "uvx", "args": ["a==2.0"]});
    assert!(!all.insert(identity(package).program), "another version");
}

#[test]
fn defaults_are_as_measured() {
    let fixture = Fixture::new();
    let skill = skill("a", &json!({"command": "npx", "args": ["a"]}), &fixture);
    let sandbox = &skill.spec.sandbox;
    assert_eq!(sandbox.network, Network::Outbound(Vec::new()));
    assert_eq!(
        (sandbox.memory_bytes, sandbox.file_bytes),
        (512 << 20, 512 << 20)
    );
    assert_eq!(
        (sandbox.cpu_seconds, sandbox.processes, sandbox.open_files),
        (3600, 128, 384)
    );
    assert_eq!(skill.spec.timeouts.initialize, Duration::from_secs(60));
    assert!(!skill.disabled && !skill.spec.eager && skill.spec.expose == Expose::Auto);
}

#[test]
fn docker_gets_every_limit_and_the_secret_stays_out_of_argv() {
    let fixture = Fixture::new();
    let entry = json!({
        "command": "docker",
        "args": ["run", "-i", "-e", "TOKEN", "mcp/x", "-v", "/:/h"],
        "env": {"TOKEN": "${GITHUB_TOKEN}"},
    });
    let skill = skill("gh", &entry, &fixture);
    let arguments = &skill.spec.arguments;
    let image = arguments
        .iter()
        .position(|each| each == "mcp/x")
        .expect("the image");
    assert_eq!(
        arguments[image + 1..],
        ["-v", "/:/h"],
        "its own arguments come behind"
    );
    let flags: BTreeSet<&str> = arguments[..image].iter().map(String::as_str).collect();
    for flag in [
        "--rm",
        "-i",
        "--init",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--memory=536870912b",
        "--memory-swap=536870912b",
        "--cpus=1",
        "--pids-limit=128",
        "--network=none",
        "--label=mimo.skill=gh",
        "--cidfile=\0/container",
    ] {
        assert!(flags.contains(flag), "{flag}: {flags:?}");
    }
    assert!(skill.spec.sandbox.docker);
    assert_eq!(skill.spec.environment["TOKEN"], "hunter2");
    assert!(!arguments.iter().any(|each| each.contains("hunter2")));
    assert_eq!(skill.variables, ["TOKEN"]);

    let placed = skill.spec.with_private_folder("/p/gh");
    assert!(
        placed
            .arguments
            .contains(&"--cidfile=/p/gh/container".to_owned())
    );
    assert_eq!(placed.environment["TMPDIR"], "/p/gh/tmp");
    let all = placed.arguments.iter().chain(placed.environment.values());
    assert!(!all.clone().any(|text| text.contains('\0')));
}

#[test]
fn unset_secret_blocks_only_skills_that_would_run() {
    let fixture = Fixture::new();
    let entry = |disabled: bool| {
        let env = json!({"KEY": "${EXA_API_KEY}"});
        let skill = json!({"command": "npx", "args": ["a"], "env": env, "disabled": disabled});
        json!({"a": skill}).to_string()
    };
    assert!(read(entry(true).as_bytes(), &fixture).is_ok());
    let refusals = read(entry(false).as_bytes(), &fixture).expect_err("not set");
    assert_eq!(refusals[0].class, Class::Secret);
    assert!(refusals[0].fix.contains("set EXA_API_KEY"), "{refusals:?}");
}

#[test]
fn schema_has_the_limits_of_the_code() {
    use mimo::limits as bound;
    let text = std::fs::read(Path::new(ROOT).join("schemas/skills.schema.json")).expect("a file");
    let schema: Value = serde_json::from_slice(&text).expect("JSON");
    let defs = &schema["$defs"];
    let (skill, sandbox) = (&defs["skill"]["properties"], &defs["sandbox"]["properties"]);
    let timeouts = &skill["timeouts"]["properties"];
    for (said, meant) in [
        (&defs["skills"]["maxProperties"], bound::SKILLS_MAX as u64),
        (
            &defs["name"]["maxLength"],
            bound::SKILL_NAME_BYTES_MAX as u64,
        ),
        (
            &skill["args"]["items"]["maxLength"],
            bound::SKILL_TEXT_BYTES_MAX as u64,
        ),
        (
            &sandbox["memory_mb"]["default"],
            bound::SKILL_MEMORY_MB_DEFAULT,
        ),
        (
            &sandbox["cpu_seconds"]["default"],
            bound::SKILL_CPU_SECONDS_DEFAULT,
        ),
        (&sandbox["nproc"]["default"], bound::SKILL_PROCESSES_DEFAULT),
        (
            &sandbox["nofile"]["default"],
            bound::SKILL_OPEN_FILES_DEFAULT,
        ),
        (&sandbox["file_mb"]["default"], bound::SKILL_FILE_MB_DEFAULT),
        (&sandbox["disk_mb"]["default"], bound::SKILL_DISK_MB_DEFAULT),
        (
            &timeouts["initialize_s"]["default"],
            bound::SKILL_INITIALIZE_SECONDS_DEFAULT,
        ),
        (&timeouts["call_s"]["default"], bound::CALL_SECONDS_MAX),
    ] {
        assert_eq!(said.as_u64(), Some(meant));
    }
}
