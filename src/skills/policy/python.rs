//! The grammar of python3: an installed module, or one script. Code in arguments is
//! refused, also through modules that would run it.

use std::path::Path;

use super::{CheckScript, Plan, forced, refused_argument};
use crate::skills::refusal::{Class, Refusal, shown};

/// Joined letters are refused: `-uc` would run code.
const SWITCHES: &[&str] = &["-u", "-B", "-E", "-I", "-P", "-s"];

/// Standard modules that run or install what their arguments say.
const RUNNERS: &[&str] = &[
    "antigravity",
    "asyncio",
    "bdb",
    "cProfile",
    "code",
    "codeop",
    "compileall",
    "doctest",
    "ensurepip",
    "http",
    "idlelib",
    "lib2to3",
    "pdb",
    "pip",
    "profile",
    "pydoc",
    "runpy",
    "site",
    "test",
    "timeit",
    "trace",
    "turtledemo",
    "unittest",
    "uv",
    "venv",
    "webbrowser",
    "zipapp",
];

const FORCED: &[(&str, &str)] = &[("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1")];

/// The argv that runs a module or a script.
pub(super) fn plan(arguments: &[String], script: &CheckScript<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan {
        arguments: arguments.to_vec(),
        environment: forced(FORCED),
        ..Plan::default()
    };
    for (at, argument) in arguments.iter().enumerate() {
        if SWITCHES.contains(&argument.as_str()) {
            continue;
        }
        if argument == "-m" {
            let named = arguments.get(at + 1).map_or("", String::as_str);
            module(named).map_err(|refusal| refusal.under(at + 1))?;
            // Python would search the start folder for modules first.
            plan.environment.insert("PYTHONSAFEPATH".into(), "1".into());
            plan.runs = format!("-m {named}");
            return Ok(plan);
        }
        if argument.starts_with('-') {
            let why = "only -u, -B, -E, -I, -P, -s and -m MODULE are allowed, each as a separate \
                       argument; -c, -i and - would run unchecked code";
            return Err(refused_argument(at, argument, why));
        }
        plan.runs = argument.clone();
        plan.read = vec![script(Path::new(argument)).map_err(|refusal| refusal.under(at))?];
        return Ok(plan);
    }
    Err(Refusal::new(
        Class::Argument,
        "python3 needs a module or a script to run",
        "name a module ([\"-m\", \"mcp_server_time\"]) or a script by its absolute path",
    ))
}

fn module(name: &str) -> Result<(), Refusal> {
    let is_word = |part: &str| {
        part.bytes()
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == b'_')
            && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
    };
    let fix = "name the server's own module, for example [\"-m\", \"mcp_server_time\"]";
    if !name.split('.').all(is_word) {
        let why = format!("{} is not a module name", shown(name));
        return Err(Refusal::new(Class::Argument, why, fix));
    }
    let first = name.split('.').next().unwrap_or(name);
    match RUNNERS.contains(&first) {
        true => Err(Refusal::new(
            Class::Argument,
            format!(
                "the module {} runs or installs what its arguments say",
                shown(name)
            ),
            fix,
        )),
        false => Ok(()),
    }
}
