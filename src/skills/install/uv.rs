//! Packages of PyPI: resolved to exact versions with digests, then installed into a
//! virtual environment that may be moved.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::failures::{self, ProgramOutput};
use super::step::{Step, TREE};
use super::tree::Tree;
use super::{Installed, environment, netrc};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::secret::holds_sign_in;

/// A build from source runs untrusted code, which must not meet a password.
const ONLY_WHEELS: [&str; 2] = ["--only-binary", ":all:"];
const SETTINGS: &[(&str, &str)] = &[
    ("UV_NO_CONFIG", "1"),
    ("UV_NO_PROGRESS", "1"),
    ("UV_PYTHON_DOWNLOADS", "never"),
    ("UV_CACHE_DIR", "\0/uv"),
    ("UV_HTTP_TIMEOUT", "60"),
    ("HOME", "\0"),
    ("TMPDIR", "\0/tmp"),
];
const LOCK: &str = "lock.txt";
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// 2010-01-01, before any package of interest, and a day that is not reached soon.
const FIRST_DAY: i64 = 14_610;
const LAST_DAY: i64 = FIRST_DAY + 16_384;

/// Installs into the tree's folder, with the releases of `date` if there is one.
pub(super) async fn install(step: &Step<'_>, date: Option<&str>) -> Result<Installed, Failure> {
    let package = step.package;
    let tree = step.folder.join(TREE);
    let (tree_text, runtime) = (tree.to_string_lossy(), package.runtime.to_string_lossy());
    let venv = [
        "venv",
        "--no-project",
        "--relocatable",
        "--python",
        &runtime,
        &tree_text,
    ];
    uv(step, &venv).await?;
    let has_password = has_password(step);
    let wanted = step.write("requirements.in", &package.specs.join("\n"))?;
    let lock = tree.join(LOCK);
    let python = tree.join("bin/python");
    let (wanted, lock_text, python) = (
        wanted.to_string_lossy(),
        lock.to_string_lossy(),
        python.to_string_lossy(),
    );
    (step.progress)(format!("{}: finding out what it needs", package.name));
    let mut compile = vec!["pip", "compile", "--generate-hashes", "--python", &python];
    compile.extend(["-o", &lock_text]);
    compile.extend(date.iter().flat_map(|date| ["--exclude-newer", date]));
    compile.extend(ONLY_WHEELS.iter().filter(|_| has_password));
    compile.push(&wanted);
    uv(step, &compile).await?;
    (step.progress)(format!("{}: downloading", package.name));
    let common = [
        "pip",
        "install",
        "--require-hashes",
        "--link-mode",
        "copy",
        "--python",
        &python,
        "-r",
        &lock_text,
    ];
    let mut wheels = common.to_vec();
    wheels.extend(ONLY_WHEELS);
    if has_password {
        uv(step, &wheels).await?;
    } else if !try_uv(step, &wheels).await?.succeeded() {
        (step.progress)(format!("{}: building", package.name));
        uv(step, &common).await?;
    }
    compile_bytecode(step, &tree).await?;
    let tree = step.tree()?;
    let locked = tree.read(Path::new(LOCK)).map_err(Failure::internal)?;
    let version = version(&String::from_utf8_lossy(&locked), &package.name);
    let script = script(&tree, &package.name, package.bin.as_deref())?;
    // -I ignores variables that would write bytecode into the tree; -B does not
    // depend on them.
    let arguments = ["-I".to_owned(), "-B".to_owned(), format!("\0bin/{script}")];
    Ok(Installed {
        version,
        integrity: None,
        tree: String::new(),
        program: None,
        arguments: arguments.to_vec(),
        notes: Vec::new(),
    })
}

/// Compiles what was installed. uv would do it by starting the tree's Python with its
/// `.pth` files, which are untrusted code, beside the password of an index; `-S` reads none.
async fn compile_bytecode(step: &Step<'_>, tree: &Path) -> Result<(), Failure> {
    let libraries = tree.join("lib");
    let libraries = libraries.to_string_lossy();
    let arguments = [
        "-I",
        "-S",
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "checked-hash",
        &libraries,
    ];
    let environment = step.package.environment.clone();
    let python = tree.join("bin/python");
    let unheard = &mut |_: &str| {};
    let compile = step.run(&python, &arguments, environment, &[], unheard);
    // Templates with the ending of a program do not compile, and need not.
    compile.await.map(drop)
}

/// Whether uv is given one for an index.
fn has_password(step: &Step<'_>) -> bool {
    let variables = environment(step.package, &[]);
    let mut all = variables.iter().chain(step.indexes);
    let in_address =
        |(name, value): (&String, &String)| name.starts_with("UV_") && holds_sign_in(value);
    !step.sign_in.is_empty() || all.any(in_address)
}

/// Thirty days after the release of the installed version. The index has no question
/// for that, so the first day on which it resolves is searched.
pub(super) async fn released(step: &Step<'_>, installed: &Installed) -> Option<String> {
    let spec = format!("{}=={}", step.package.name, installed.version);
    let wanted = step.write("released.in", &spec).ok()?;
    let (wanted, runtime) = (
        wanted.to_string_lossy(),
        step.package.runtime.to_string_lossy(),
    );
    let day = |days: i64| {
        Timestamp::default()
            .plus_seconds(days * DAY_SECONDS)
            .to_day()
    };
    let (mut before, mut since) = (FIRST_DAY, LAST_DAY);
    let has_password = has_password(step);
    while since - before > 1 {
        let middle = (before + since) / 2;
        let date = day(middle);
        let mut compile = vec!["pip", "compile", "--no-deps", "--python", &runtime];
        compile.extend(["--exclude-newer", &date, &wanted]);
        if has_password {
            compile.extend(ONLY_WHEELS);
        }
        match try_uv(step, &compile).await.ok()?.succeeded() {
            true => since = middle,
            false => before = middle,
        }
    }
    Some(day(since + limits::INSTALL_AS_OF_SECONDS / DAY_SECONDS))
}

async fn uv(step: &Step<'_>, arguments: &[&str]) -> Result<ProgramOutput, Failure> {
    let printed = try_uv(step, arguments).await?;
    match printed.succeeded() {
        true => Ok(printed),
        false => Err(failures::of(step.package, &printed, step.settings)),
    }
}

async fn try_uv(step: &Step<'_>, arguments: &[&str]) -> Result<ProgramOutput, Failure> {
    let (manager, mut variables) = prepared(step)?;
    let given = [step.own.to_owned()];
    let sign_in = match step.sign_in {
        "" => None,
        lines => Some(step.write("netrc", lines)?),
    };
    if let Some(sign_in) = &sign_in {
        let path = sign_in.to_string_lossy().into_owned();
        variables.insert(netrc::VARIABLE.into(), path);
    }
    let unheard = &mut |_: &str| {};
    let run = step.run(manager, arguments, variables, &given, unheard);
    let printed = run.await;
    if let Some(sign_in) = sign_in {
        fs::remove_file(sign_in).map_err(Failure::internal)?;
    }
    printed
}

fn prepared<'a>(step: &Step<'a>) -> Result<(&'a Path, BTreeMap<String, String>), Failure> {
    let package = step.package;
    let Some(manager) = &package.manager else {
        return Err(
            Failure::new(Kind::Unavailable, "no uv was found beside uvx").hint(
                "install uv, which has both, or add its folder to [skills] path in config.toml",
            ),
        );
    };
    let folder = step.folder.to_string_lossy();
    let mut variables = environment(package, SETTINGS);
    variables.remove(netrc::VARIABLE);
    for value in variables.values_mut() {
        *value = value.replace('\0', &folder);
    }
    variables.extend(step.indexes.clone());
    variables.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
    Ok((manager, variables))
}

/// The version of `name` in a list of exact requirements.
fn version(locked: &str, name: &str) -> String {
    let name = normal(name);
    let versions = locked.lines().filter_map(|line| line.split_once("=="));
    let mut versions = versions.filter(|(found, _)| normal(found) == name);
    let version = versions.next().map_or("", |(_, rest)| rest);
    version
        .split([' ', '\\', ';'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The script that uvx would run: the one called like the package, or `wanted`.
fn script(tree: &Tree, name: &str, wanted: Option<&str>) -> Result<String, Failure> {
    let wanted = wanted.unwrap_or(name);
    let scripts = scripts(tree, name);
    let found = scripts
        .iter()
        .find(|script| normal(script) == normal(wanted));
    // With another name it may also be a dependency's.
    let named = tree
        .is_file(&Path::new("bin").join(wanted))
        .then(|| wanted.to_owned());
    found.cloned().or(named).ok_or_else(|| {
        let why = format!("{name} has no program {wanted} to run");
        let has = match scripts.is_empty() {
            true => "it has none".to_owned(),
            false => format!("write --from {name} and one of {}", scripts.join(", ")),
        };
        Failure::new(Kind::NotFound, why).hint(has)
    })
}

/// The programs that the package itself declares.
fn scripts(tree: &Tree, name: &str) -> Vec<String> {
    let library = Path::new("lib");
    let mut scripts = Vec::new();
    for python in tree.names(library) {
        let packages = library.join(python).join("site-packages");
        for folder in tree.names(&packages) {
            let own = folder
                .strip_suffix(".dist-info")
                .and_then(|folder| folder.rsplit_once('-'))
                .is_some_and(|(found, _)| normal(found) == normal(name));
            if own {
                let text = tree.read(&packages.join(&folder).join("entry_points.txt"));
                let text = text.unwrap_or_default();
                scripts.extend(console_scripts(&String::from_utf8_lossy(&text)));
            }
        }
    }
    scripts
}

fn console_scripts(text: &str) -> Vec<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| line.trim() != "[console_scripts]");
    lines.next();
    let own = lines.take_while(|line| !line.starts_with('['));
    let names = own.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()));
    names.filter(|name| !name.contains('/')).collect()
}

/// A package's name as indexes compare it.
fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['_', '.'], "-")
}
