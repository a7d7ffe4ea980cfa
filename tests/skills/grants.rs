//! What an entry is granted for its arguments and its `cwd`.

use mimo::skills::spec::Network;
use serde_json::{Value, json};

use super::manifest::skill;
use crate::support::fixture::Fixture;

#[test]
fn entry_without_a_sandbox_gets_its_files_or_the_network() {
    let fixture = Fixture::new();
    let home = fixture.path("home");
    let work = home.join("work");
    std::fs::create_dir_all(&work).expect("a folder");
    let sandbox = |arguments: &[&str]| {
        let args = [&["-y", "@scope/server"], arguments].concat();
        skill("a", &json!({"command": "npx", "args": args}), &fixture).spec
    };
    let outbound = Network::Outbound(Vec::new());
    let work_text = work.to_str().expect("text");
    for (arguments, files, network) in [
        (&["--verbose"][..], vec![], &outbound),
        (&[work_text], vec![work.clone()], &Network::None),
        (&["--root=~/work"], vec![work.clone()], &Network::None),
        (
            &["~/work", "/no/such/folder"],
            vec![work.clone()],
            &Network::None,
        ),
        // As a whole it is not granted, and then there is no network either.
        (&["~"], vec![], &Network::None),
    ] {
        let spec = sandbox(arguments);
        assert_eq!(
            (&spec.sandbox.write, &spec.sandbox.network),
            (&files, network),
            "{arguments:?}"
        );
    }
    assert_eq!(
        sandbox(&["~/work"]).arguments,
        [work_text],
        "the server's HOME is another"
    );
}

#[test]
fn cwd_is_granted_where_it_may_be_and_else_noted() {
    let fixture = Fixture::new();
    let work = fixture.path("home/work");
    for name in ["home/.ssh", "home/work/inner", "home/other"] {
        std::fs::create_dir_all(fixture.path(name)).expect("a folder");
    }
    let started = |entry: Value| {
        let skill = skill("a", &entry, &fixture);
        let network = skill.spec.sandbox.network != Network::None;
        let (folder, write) = (skill.spec.folder, skill.spec.sandbox.write);
        (folder, write, network, skill.notes.join("; "))
    };
    let pasted = |cwd: &str, args: &[&str]| {
        let args = [&["-y", "@scope/server"], args].concat();
        started(json!({"command": "npx", "args": args, "cwd": fixture.fill(cwd)}))
    };
    for cwd in ["/FIXTURE/home/work", "~/work"] {
        let (folder, write, network, notes) = pasted(cwd, &[]);
        assert_eq!((folder, write), (Some(work.clone()), vec![work.clone()]));
        assert!(!network && notes.contains("cwd"), "{notes}");
    }
    let (folder, write, ..) = pasted("~/work", &["~/other"]);
    assert_eq!(folder, Some(work.clone()));
    assert_eq!(write, [work.clone(), fixture.path("home/other")]);
    // It runs as if it had none.
    for cwd in [
        "~",
        "/",
        "~/.ssh",
        "/usr",
        "/etc",
        "~/gone",
        "work",
        "/FIXTURE/data",
        "~/server.js",
        "/proc/self",
    ] {
        let (folder, write, network, notes) = pasted(cwd, &[]);
        assert_eq!((folder, write), (None, vec![]), "{cwd}");
        assert!(
            network && notes.contains("cwd is ignored"),
            "{cwd}: {notes}"
        );
    }
    let decided = |cwd: &str| {
        let sandbox = json!({"fs": {"read": ["~/work"]}, "network": "outbound"});
        let (folder, write, network, notes) =
            started(json!({"command": "npx", "args": ["a"], "cwd": cwd, "sandbox": sandbox}));
        assert!(write.is_empty() && network, "its sandbox decides");
        (folder, notes)
    };
    assert_eq!(decided("~/work/inner").0, Some(work.join("inner")));
    let (folder, notes) = decided("~/other");
    assert!(folder.is_none() && notes.contains("sandbox.fs"), "{notes}");
    let docker = json!({"command": "docker", "args": ["run", "-i", "mcp/a"], "cwd": work});
    let (folder, _, network, notes) = started(docker);
    assert!(
        folder.is_none() && network && notes.contains("container"),
        "{notes}"
    );
}

#[test]
fn cwd_is_part_of_what_a_person_approved() {
    let fixture = Fixture::new();
    let identity = |more: Value| {
        let mut entry = json!({"command": "npx", "args": ["a"]});
        let keys = more.as_object().cloned().unwrap_or_default();
        entry.as_object_mut().expect("an object").extend(keys);
        skill("a", &entry, &fixture).spec.identity
    };
    let (without, with) = (identity(json!({})), identity(json!({"cwd": "~/work"})));
    assert_eq!(without.program, with.program);
    assert_ne!(without.entry, with.entry);
    assert_eq!(identity(json!({"cwd": null})), without);
}
