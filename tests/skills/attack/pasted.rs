//! Characters in the own arguments of a package or an image, and the program that
//! is named beside a package.

use mimo::skills::manifest::{Manifest, check};
use mimo::skills::refusal::Class::{Argument, Secret};
use serde_json::{Value, json};

use super::config::{hold, refused, run};
use crate::support::fixture::Fixture;

/// The entries of the three commands that run a package or an image, with one
/// argument of its own.
fn with_argument(argument: &str) -> [(&'static str, Value); 3] {
    let env = json!({"TOKEN": "${GITHUB_TOKEN}"});
    let entry = |command: &str, args: &[&str]| json!({"command": command, "args": args, "env": env.clone()});
    [
        ("/args/2", entry("npx", &["-y", "a", argument])),
        ("/args/1", entry("uvx", &["a", argument])),
        (
            "/args/3",
            entry("docker", &["run", "-i", "mcp/a", argument]),
        ),
    ]
}

#[test]
fn arguments_for_a_shell_or_hidden_from_a_reader_are_refused() {
    let fixture = Fixture::new();
    for argument in [
        "$(id)",
        "`id`",
        "a;id",
        "a&id",
        "a|id",
        "<x",
        ">x",
        "(x)",
        "$HOME",
        "${",
        "a\nb",
        "a\rb",
        "--flag=$(id)",
        "https://example.com/$(id)",
        "https://example.com/`id`",
        "{not json; id}",
        "/no/such/file; id",
        "\u{1b}[2K",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200b}b",
        "a\u{feff}b",
        "{\"a\": \"\u{202e}\"}",
    ] {
        for (place, entry) in with_argument(argument) {
            let found = refused(&entry, &fixture, &fixture.generous());
            assert_eq!(found, [(Argument, place.to_owned())], "{argument:?}");
        }
    }
    let unknown = with_argument("${OTHER}");
    for (place, entry) in unknown {
        let found = refused(&entry, &fixture, &fixture.generous());
        assert_eq!(found, [(Secret, place.to_owned())]);
    }
    let text = json!({"skills": {"x": with_argument("a;b")[0].1}}).to_string();
    let manifest = check(text.as_bytes(), &fixture.generous());
    let refusals = manifest.and_then(Manifest::whole).expect_err("refused");
    assert!(
        refusals[0].reason.contains("contains \";\""),
        "{refusals:?}"
    );
}

#[test]
fn arguments_that_people_paste_are_passed_on_as_they_are() {
    let fixture = Fixture::new();
    let photos = fixture.path("home/Photos (2024) & more");
    std::fs::create_dir(&photos).expect("a folder");
    let photos = photos.display().to_string();
    for argument in [
        photos.as_str(),
        &format!("--root={photos}"),
        "https://example.com/mcp?a=b&c=d;e=(f)",
        "--url=https://example.com/mcp?a=b&c=d",
        "{\"a\": [\"x; $(y) | z\"],\n \"b\": 1}",
        "[\"a & b\"]",
        "${TOKEN}",
        "Authorization: Bearer ${TOKEN}",
        "two words",
        "Grüße, 世界!",
        "C:\\Users\\me",
        "it's \"quoted\"",
        "*.md",
        "",
    ] {
        for (_, entry) in with_argument(argument) {
            let text = json!({"skills": {"x": entry}}).to_string();
            let manifest = check(text.as_bytes(), &fixture.generous()).and_then(Manifest::whole);
            let manifest = manifest.unwrap_or_else(|why| panic!("{argument:?}: {why:?}"));
            let last = manifest.skills[0].spec.arguments.last();
            assert_eq!(last.map(String::as_str), Some(argument));
        }
    }
}

#[test]
fn npx_runs_a_program_of_a_named_package() {
    let fixture = Fixture::new();
    for flag in [
        &["-p", "@scope/tools@1.2.3"][..],
        &["--package", "@scope/tools@1.2.3"],
        &["--package=@scope/tools@1.2.3"],
    ] {
        let args = [&["-y"], flag, &["mcp-Tools", "--stdio"]].concat();
        let text = json!({"skills": {"x": run("npx", &args)}}).to_string();
        let manifest = check(text.as_bytes(), &fixture.strict()).expect("an ordinary form");
        let spec = &manifest.skills[0].spec;
        assert_eq!(spec.arguments, ["--stdio"]);
        let package = spec.package.as_ref().expect("a package");
        assert_eq!(package.specs, ["@scope/tools@1.2.3"]);
        assert_eq!(package.bin.as_deref(), Some("mcp-Tools"));
    }
    let cases = [
        ("no package", run("npx", &["-p"]), Argument, "/args"),
        ("no program", run("npx", &["-p", "a"]), Argument, "/args"),
        (
            "a folder",
            run("npx", &["-p", "./a", "b"]),
            Argument,
            "/args/1",
        ),
        (
            "a path",
            run("npx", &["-p", "a", "/bin/b"]),
            Argument,
            "/args/2",
        ),
        (
            "a flag behind it",
            run("npx", &["-p", "a", "-c", "b"]),
            Argument,
            "/args/2",
        ),
    ];
    hold(&cases, &fixture, &fixture.strict());
}

/// What a file of another system or editor holds, and what no setting can allow.
#[test]
fn what_cannot_be_allowed_has_another_next_step() {
    let fixture = Fixture::new();
    for (entry, why, fix) in [
        (
            run("bash", &["-c", "npx a"]),
            "runs what its arguments say",
            "no setting allows it",
        ),
        (
            run("cmd", &["/c", "npx", "a"]),
            "runs what its arguments say",
            "becomes npx",
        ),
        (
            run(r"C:\Windows\cmd.exe", &["/c"]),
            "runs what its arguments say",
            "becomes npx",
        ),
        (
            run("npm", &["exec", "a"]),
            "runs what its arguments say",
            "npx -y PACKAGE",
        ),
        (
            run(r"C:\Program Files\npx.cmd", &["a"]),
            "path of Windows",
            "alone",
        ),
        (
            json!({"command": "npx", "args": ["a"], "env": {"K": "${input:pk}"}}),
            "filled in by the editor",
            "write ${NAME}",
        ),
        (
            json!({"command": "npx", "args": ["a"], "env": {"K": "${workspaceFolder}/x"}}),
            "filled in by the editor",
            "absolute path",
        ),
        (
            run("npx", &["a", "${workspaceFolder}"]),
            "is not expanded",
            "absolute path",
        ),
    ] {
        let text = json!({"skills": {"x": entry}}).to_string();
        let refusals = check(text.as_bytes(), &fixture.strict())
            .and_then(Manifest::whole)
            .expect_err("refused");
        let first = &refusals[0];
        assert!(
            first.reason.contains(why) && first.fix.contains(fix),
            "{entry}: {first:?}"
        );
        assert!(!first.fix.contains("may add it"), "{first:?}");
    }
}
