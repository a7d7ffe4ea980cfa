//! `bunx`, `pnpm dlx` and `deno run`: which of their arguments are taken, and which
//! would run other code.

use mimo::skills::manifest::{Manifest, check};
use mimo::skills::refusal::Class::{Argument, Command};
use mimo::skills::spec::SkillSpec;
use serde_json::{Value, json};

use super::config::{hold, run};
use crate::support::fixture::Fixture;

fn taken(entry: &Value, fixture: &Fixture) -> SkillSpec {
    let text = fixture.fill(&json!({"skills": {"x": entry}}).to_string());
    let manifest = check(text.as_bytes(), &fixture.generous()).and_then(Manifest::whole);
    let mut skills = manifest
        .unwrap_or_else(|why| panic!("{entry}: {why:?}"))
        .skills;
    skills.pop().expect("a skill").spec
}

#[test]
fn runners_are_refused_until_the_settings_allow_them() {
    let fixture = Fixture::new();
    for (command, args) in [
        ("bunx", &["a"][..]),
        ("pnpm", &["dlx", "a"]),
        ("deno", &["run", "npm:a"]),
        ("bun", &["x", "a"]),
    ] {
        let text = json!({"skills": {"x": run(command, args)}}).to_string();
        let manifest = check(text.as_bytes(), &fixture.strict()).and_then(Manifest::whole);
        let refusals = manifest.expect_err("refused");
        assert_eq!(refusals[0].class, Command);
        assert!(
            refusals[0].fix.contains("[skills] commands"),
            "{refusals:?}"
        );
    }
}

#[test]
fn ordinary_forms_of_runners_are_taken() {
    let fixture = Fixture::new();
    for entry in [
        run("bunx", &["@scope/a@1.2.3", "--stdio"]),
        run("bunx", &["-y", "@scope/a@1.2.3", "--stdio"]),
        run("pnpm", &["dlx", "@scope/a@1.2.3", "--stdio"]),
        run("pnpm", &["dlx", "--silent", "@scope/a@1.2.3", "--stdio"]),
        run("deno", &["run", "-A", "npm:@scope/a@1.2.3", "--stdio"]),
        run("deno", &["run", "npm:/@scope/a@1.2.3", "--stdio"]),
    ] {
        let spec = taken(&entry, &fixture);
        let package = spec.package.expect("a package");
        assert_eq!(package.specs, ["@scope/a@1.2.3"], "{entry}");
        assert_eq!(spec.arguments, ["--stdio"]);
    }
    let spec = taken(&run("bunx", &["--bun", "-p", "@scope/a", "b"]), &fixture);
    let package = spec.package.expect("a package");
    assert_eq!(package.bin.as_deref(), Some("b"));
    let host = package.host.expect("bun");
    assert_eq!(host.program, Some(fixture.path("bin/bun")));
    let spec = taken(&run("bunx", &["a", "--bun"]), &fixture);
    assert!(
        spec.package.expect("a package").host.is_none(),
        "the server's own"
    );
}

#[test]
fn permissions_of_deno_are_passed_on() {
    let fixture = Fixture::new();
    let permissions = [
        "--allow-net=example.com:443",
        "--allow-read=/srv",
        "--deny-run",
        "--allow-env",
        "-RN",
        "--quiet",
    ];
    let script = "/FIXTURE/home/server.js";
    let args = [&["run"], &permissions[..], &[script, "-x"]].concat();
    let spec = taken(&run("deno", &args), &fixture);
    let filled: Vec<String> = args.iter().map(|each| fixture.fill(each)).collect();
    assert_eq!(spec.arguments, filled);
    assert!(spec.sandbox.read.contains(&fixture.path("home/server.js")));
    assert_eq!(spec.environment["DENO_DIR"], "\0/deno");
    let args = [&["run"], &permissions[..], &["npm:a", "-x"]].concat();
    let host = taken(&run("deno", &args), &fixture)
        .package
        .and_then(|package| package.host);
    let host = host.expect("deno");
    assert!(host.always, "its permissions hold");
    let (own, ours) = host.arguments.split_at(permissions.len() + 1);
    assert_eq!(own, &args[..=permissions.len()]);
    assert_eq!(ours, ["--no-config", "--node-modules-dir=manual"]);
}

#[test]
fn dangerous_arguments_of_runners_are_refused() {
    let fixture = Fixture::new();
    let bunx = |args: &[&str]| run("bunx", args);
    let pnpm = |args: &[&str]| run("pnpm", args);
    let deno = |args: &[&str]| run("deno", &[&["run"], args].concat());
    let cases = [
        ("a shell's letters", bunx(&["a;id"]), Argument, "/args/0"),
        ("a substitution", bunx(&["a", "$(id)"]), Argument, "/args/1"),
        (
            "another folder",
            bunx(&["--cwd=/x", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "code before it",
            bunx(&["--preload=/x", "a"]),
            Argument,
            "/args/0",
        ),
        ("a script's text", bunx(&["-e", "id"]), Argument, "/args/0"),
        ("git", bunx(&["github:a/b"]), Argument, "/args/0"),
        ("a file", bunx(&["./a"]), Argument, "/args/0"),
        ("no package", bunx(&["--bun"]), Argument, "/args"),
        ("another verb", pnpm(&["exec", "id"]), Argument, "/args"),
        ("no verb", pnpm(&[]), Argument, "/args"),
        (
            "an option first",
            pnpm(&["-C", "/x", "dlx", "a"]),
            Argument,
            "/args/0",
        ),
        ("a shell", pnpm(&["dlx", "-c", "id"]), Argument, "/args/1"),
        (
            "its long name",
            pnpm(&["dlx", "--shell-mode", "id"]),
            Argument,
            "/args/1",
        ),
        (
            "scripts",
            pnpm(&["dlx", "--allow-build=a", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "another registry",
            pnpm(&["dlx", "--registry=http://x", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "an address",
            pnpm(&["dlx", "https://x/y.tgz"]),
            Argument,
            "/args/1",
        ),
        (
            "a line break",
            pnpm(&["dlx", "a", "b\nc"]),
            Argument,
            "/args/2",
        ),
        (
            "code in argv",
            run("deno", &["eval", "x"]),
            Argument,
            "/args",
        ),
        ("a task", run("deno", &["task", "x"]), Argument, "/args"),
        (
            "a file alone",
            run("deno", &["/FIXTURE/home/server.js"]),
            Argument,
            "/args",
        ),
        (
            "an address",
            deno(&["-A", "https://x/y.ts"]),
            Argument,
            "/args/2",
        ),
        ("another registry", deno(&["jsr:@a/b"]), Argument, "/args/1"),
        (
            "a file as version",
            deno(&["npm:a@file:../b"]),
            Argument,
            "/args/1",
        ),
        ("a relative path", deno(&["server.ts"]), Argument, "/args/1"),
        (
            "settings",
            deno(&["--config=/x", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "settings, short",
            deno(&["-c", "/x", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "another map",
            deno(&["--import-map=/x", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "code before it",
            deno(&["--preload=/x", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "variables",
            deno(&["--env-file=/x", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "a debugger",
            deno(&["--inspect", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "the engine's",
            deno(&["--v8-flags=--x", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "other hosts' code",
            deno(&["--allow-import", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "install scripts",
            deno(&["--allow-scripts", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "named permissions",
            deno(&["-P=x", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "certificates",
            deno(&["--unsafely-ignore-certificate-errors", "npm:a"]),
            Argument,
            "/args/1",
        ),
        (
            "a substitution",
            deno(&["npm:a", "`id`"]),
            Argument,
            "/args/2",
        ),
    ];
    hold(&cases, &fixture, &fixture.generous());
}
