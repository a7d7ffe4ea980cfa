//! The house rules, checked on the tree: dependencies between rooms, banned words,
//! and that README and guide match the code. Each ban names its replacement; the
//! checks are tested on made-up files.

mod arrows;
mod cycles;
mod guide;
mod monitoring;
mod packages;
mod source;
mod tables;

use std::path::{Path, PathBuf};

use arrows::{ARROWS, wrong_arrows};
use source::{Source, is_word, line_of, places, without_literals};

/// A longer file should be split.
const FILE_LINES: usize = 500;

/// Words that are allowed in some places only.
struct Ban {
    words: &'static [&'static str],
    /// Path prefixes where they are allowed.
    allowed: &'static [&'static str],
    /// Whether it applies to test code too.
    in_tests: bool,
    instead: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        words: &["Command::new", "posix_spawn"],
        allowed: &["src/skills/launcher.rs"],
        in_tests: false,
        instead: "only src/skills/launcher.rs makes processes: ask it for one",
    },
    Ban {
        words: &["unistd::fork", "libc::fork"],
        allowed: &[
            "src/skills/sandbox/linux/process.rs",
            "src/skills/sandbox/macos/process.rs",
        ],
        in_tests: false,
        instead: "only the sandbox's supervisor forks, which has one thread: ask \
                  src/skills/launcher.rs for a process",
    },
    Ban {
        words: &["rusqlite", "sqlite_vec"],
        allowed: &["src/store/"],
        in_tests: false,
        instead: "only src/store knows SQL: add a command or a query to its port",
    },
    Ban {
        words: &[
            "env::var",
            "env::var_os",
            "env::vars",
            "env::vars_os",
            "env::set_var",
            "env::remove_var",
            "env::temp_dir",
            "env::current_exe",
            "env::current_dir",
            "env::home_dir",
            "ProjectDirs",
            "UserDirs",
            "BaseDirs",
        ],
        allowed: &["src/config/environment.rs"],
        in_tests: false,
        instead: "only src/config/environment.rs reads the environment: take the value as a parameter",
    },
    Ban {
        words: &["ureq", "TcpStream::connect", "UdpSocket"],
        allowed: &["src/endpoint.rs", "src/bridge/", "src/telemetry/traces.rs"],
        in_tests: false,
        instead: "src/endpoint.rs and src/bridge connect over the network: ask them",
    },
    Ban {
        words: &["TcpListener"],
        allowed: &["src/server/http"],
        in_tests: false,
        instead: "only src/server/http listens",
    },
    Ban {
        words: &["env::args", "env::args_os"],
        allowed: &["src/main.rs"],
        in_tests: false,
        instead: "only src/main.rs reads argv: add an argument to src/cli",
    },
    Ban {
        words: &["unsafe"],
        allowed: &[
            "src/vector/",
            "src/skills/sandbox/",
            "src/store/sqlite/extension.rs",
            "src/embed/mapped.rs",
        ],
        in_tests: true,
        instead: "unsafe stands in src/vector, src/skills/sandbox, the vector extension's \
                  registration and src/embed/mapped.rs: write it safely, or put it there with \
                  its reason",
    },
    Ban {
        words: &["println!", "print!"],
        allowed: &["src/cli/", "src/main.rs"],
        in_tests: false,
        instead: "stdout carries protocol lines only: log with tracing",
    },
    Ban {
        words: &["anyhow"],
        allowed: &["src/cli/", "src/main.rs"],
        in_tests: false,
        instead: "return a typed error, or failure::Failure where it leaves a room",
    },
    Ban {
        words: &["SystemTime::now", "Utc::now", "Local::now", "getrandom"],
        allowed: &["src/clock.rs"],
        in_tests: false,
        instead: "time and randomness come from src/clock.rs: take a Clock as a parameter",
    },
    Ban {
        words: &["todo!", "unimplemented!", "dbg!", "#[ignore]"],
        allowed: &[],
        in_tests: true,
        instead: "finish it, or leave it out and say so in the report",
    },
];

#[test]
fn tree_keeps_the_house_rules() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let inside = path.strip_prefix(root()).expect("inside the tree");
            found.extend(problems(&Source::new(&inside.to_string_lossy(), &text)));
        }
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn arrows_form_no_cycle() {
    fn reaches(from: &str, to: &str, steps: usize) -> bool {
        let (_, next) = ARROWS
            .iter()
            .find(|(room, _)| *room == from)
            .expect("placed");
        steps > 0
            && next
                .iter()
                .any(|room| *room == to || reaches(room, to, steps - 1))
    }
    for (room, _) in ARROWS {
        assert!(!reaches(room, room, ARROWS.len()), "{room} reaches itself");
    }
}

#[test]
fn compiler_satisfies_the_stated_rust_version() {
    let manifest: toml::Value = toml::from_str(&read("Cargo.toml")).expect("TOML");
    let stated = manifest["package"]["rust-version"].as_str();
    let numbers = |version: &str| -> Vec<u32> {
        let parts = version.split(['.', '-']);
        parts.map_while(|part| part.parse().ok()).collect()
    };
    let compiler = std::process::Command::new("rustc")
        .arg("--version")
        .current_dir(root())
        .output()
        .expect("rustc");
    let compiler = String::from_utf8(compiler.stdout).expect("UTF-8");
    let version = compiler.split(' ').nth(1).expect("a version");
    let stated = stated.expect("rust-version in Cargo.toml");
    assert!(numbers(version) >= numbers(stated), "{version} < {stated}");
    assert!(
        numbers(stated).len() >= 2,
        "{stated} names no minor version"
    );
}

#[test]
fn ci_runs_the_readme_test_command() {
    let readme = read("README.md");
    let commands: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with("cargo "))
        .collect();
    assert_eq!(commands[..2], ["cargo run --release -- demo", "cargo test"]);
    let ci = read(".ci/run");
    assert!(ci.lines().any(|line| line == commands[1]), "{ci}");
}

fn problems(source: &Source) -> Vec<String> {
    let mut found = wrong_arrows(source);
    for ban in BANS {
        let is_allowed = ban
            .allowed
            .iter()
            .any(|start| source.path.starts_with(start));
        let code = match ban.in_tests {
            true => &source.code,
            false => &source.shipped,
        };
        for word in ban.words.iter().filter(|_| !is_allowed) {
            found.extend(places(code, word).map(|at| {
                let line = line_of(code, at);
                format!("{}:{line}: {word}: {}", source.path, ban.instead)
            }));
        }
    }
    if source.lines > FILE_LINES {
        found.push(format!(
            "{}: {} lines: split it where it holds two things",
            source.path, source.lines
        ));
    }
    found.extend(stray_bounds(source));
    found
}

/// A bound anywhere but in `limits.rs`.
fn stray_bounds(source: &Source) -> Vec<String> {
    let code = &source.shipped;
    let name = |at: usize| -> String {
        let after = code[at + "const".len()..].trim_start();
        after.chars().take_while(|c| is_word(*c)).collect()
    };
    places(code, "const")
        .map(|at| (line_of(code, at), name(at)))
        .filter(|(_, name)| name.ends_with("_MAX") && !source.path.starts_with("src/limits"))
        .map(|(line, name)| {
            format!(
                "{}:{line}: {name}: every bound stands in src/limits.rs",
                source.path
            )
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false if path.extension().is_some_and(|end| end == "rs") => vec![path],
            false => Vec::new(),
        })
        .collect()
}

// The checks on made-up files: each must be able to fail.

fn found(path: &str, text: &str) -> String {
    problems(&Source::new(path, text)).join("\n")
}

#[test]
fn backward_arrows_are_found() {
    for (path, text, wrong) in [
        (
            "src/store/x.rs",
            "use crate::memory::Recall;",
            "store -> memory",
        ),
        (
            "src/memory/x.rs",
            "use crate::{limits, tools::Tool};",
            "memory -> tools",
        ),
        (
            "src/wire/x.rs",
            "use crate::{\n  failure::{Kind, Failure},\n  server,\n};",
            "wire -> server",
        ),
        (
            "src/embed/x.rs",
            "fn f() { crate::store::open() }",
            "embed -> store",
        ),
        (
            "src/tools/x.rs",
            "use super::super::server::Mcp;",
            "tools -> server",
        ),
        ("src/clock.rs", "use super::config;", "clock -> config"),
        (
            "src/main.rs",
            "fn main() { mimo::store::open() }",
            "main -> store",
        ),
        ("src/attic/x.rs", "", "the room attic is not placed yet"),
        ("src/tools/x.rs", "use crate::attic;", "tools -> attic"),
    ] {
        let found = found(path, text);
        assert!(found.contains(wrong), "{path} {text}: {found}");
    }
    for (path, text) in [
        (
            "src/tools/x.rs",
            "use crate::memory::Recall;\nuse crate::limits;",
        ),
        (
            "src/store/x.rs",
            "use crate::store::port; use super::sqlite;",
        ),
        (
            "src/store/x.rs",
            "// use crate::memory;\nconst A: &str = \"crate::memory::x\";",
        ),
        (
            "src/store/x.rs",
            "#[cfg(test)]\nmod tests { use crate::memory; fn f() {} }\nfn g() {}",
        ),
        ("src/store/x/tests.rs", "use crate::memory;"),
        ("src/store.rs", "mod inner { use super::Thing; }"),
        ("src/lib.rs", "pub use crate::memory::Recall;"),
        ("src/main.rs", "fn main() { mimo::cli::main() }"),
    ] {
        assert_eq!(found(path, text), "", "{path} {text}");
    }
}

#[test]
fn banned_words_are_found_with_their_replacement() {
    for (path, text, wrong) in [
        (
            "src/tools/x.rs",
            "fn f() { Command::new(a); }",
            "x.rs:1: Command::new: only src/skills/launcher.rs",
        ),
        (
            "src/memory/x.rs",
            "\n\nuse rusqlite::Row;",
            "x.rs:3: rusqlite: only src/store",
        ),
        (
            "src/memory/x.rs",
            "let a = std::env::var(b);",
            "only src/config/environment.rs",
        ),
        (
            "src/cli/x.rs",
            "let a = std::env::args();",
            "only src/main.rs",
        ),
        (
            "src/store/x.rs",
            "unsafe { f() }",
            "unsafe stands in src/vector",
        ),
        (
            "tests/x.rs",
            "unsafe { f() }",
            "unsafe stands in src/vector",
        ),
        ("src/store/x.rs", "println!(a);", "log with tracing"),
        (
            "src/store/x.rs",
            "fn f() -> anyhow::Result<()>",
            "typed error",
        ),
        ("src/memory/x.rs", "SystemTime::now()", "take a Clock"),
        ("src/memory/x.rs", "todo!()", "finish it"),
        ("tests/x.rs", "#[ignore]\nfn f() {}", "finish it"),
        (
            "src/wire/x.rs",
            "const LINES_MAX: usize = 3;",
            "LINES_MAX: every bound",
        ),
        (
            "src/wire/x.rs",
            "pub(super) const LINES_MAX: u8 = 3;",
            "every bound",
        ),
    ] {
        let found = found(path, text);
        assert!(found.contains(wrong), "{path} {text}: {found}");
    }
    for (path, text) in [
        ("src/skills/launcher.rs", "fn f() { Command::new(a); }"),
        ("src/store/sqlite/x.rs", "use rusqlite::Row;"),
        ("src/config/environment.rs", "let a = std::env::var(b);"),
        (
            "src/memory/x.rs",
            "let a = env!(B); fn environment::variable() {}",
        ),
        ("src/vector/x.rs", "unsafe { f() }"),
        (
            "src/store/x.rs",
            "#![deny(unsafe_code)] eprintln!(a); // println!",
        ),
        (
            "src/store/x.rs",
            "let a = \"println!\"; let b = r#\"todo!() \"unsafe\" \"#;",
        ),
        (
            "src/memory/x.rs",
            "#[cfg(test)]\nuse std::env::var;\nfn f() {}",
        ),
        ("src/limits.rs", "pub const LINES_MAX: usize = 3;"),
        (
            "benches/x.rs",
            "fn main() { println!(a); Command::new(b); }",
        ),
        (
            "src/wire/x_tests.rs",
            "use crate::server; const LINES_MAX: usize = 3;",
        ),
        (
            "src/wire/x.rs",
            "let a = limits::LINES_MAX; const MAXIMA: u8 = 1;",
        ),
    ] {
        assert_eq!(found(path, text), "", "{path} {text}");
    }
    let long = "\n".repeat(FILE_LINES + 1);
    assert!(found("src/store/x.rs", &long).contains("split it"));
}

#[test]
fn literals_and_comments_are_not_code() {
    for (text, left) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"x\\\"y\") g", "f(      ) g"),
        ("f('\"') g", "f(   ) g"),
        ("f('\\'') g", "f(    ) g"),
        ("f::<'a>(b) // c", "f::<'a>(b)     "),
        ("r\"a\\\" b", "      b"),
        ("r#\"a\"b\"# c", "         c"),
        ("r#type c", "r#type c"),
        ("for\"a\"", "for   "),
    ] {
        assert_eq!(without_literals(text), left, "{text}");
    }
}
