//! Packages of the npm registry: resolved and unpacked with the account's token and
//! without running their scripts, then their scripts without the token.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::step::{Step, TREE};
use super::tree::Tree;
use super::{Installed, environment, failures, netrc};
use crate::clock::Timestamp;
use crate::failure::{Failure, Kind};
use crate::limits;

/// Settings of npm in every step.
const SETTINGS: &[(&str, &str)] = &[
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_update_notifier", "false"),
    ("npm_config_cache", "\0/npm"),
    // Also missing, but another path: npm refuses one file for both.
    ("npm_config_globalconfig", "/dev/null/none"),
    ("npm_config_loglevel", "http"),
    // Servers use packages that they do not declare.
    ("npm_config_install_strategy", "hoisted"),
    ("npm_config_omit_lockfile_registry_resolved", "false"),
    ("npm_config_fetch_timeout", "60000"),
    ("npm_config_fetch_retries", "2"),
    ("npm_config_fetch_retry_mintimeout", "1000"),
    // Browsers are not the server's own.
    ("PUPPETEER_SKIP_DOWNLOAD", "1"),
    ("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"),
    // A sandbox sets it to true; the steps before the scripts have it as an option.
    ("npm_config_ignore_scripts", "false"),
    // npm 12 runs no install scripts without it.
    ("npm_config_dangerously_allow_all_scripts", "true"),
    ("HOME", "\0"),
    ("TMPDIR", "\0/tmp"),
];

/// Runs the install scripts of the packages.
const SCRIPTS: [&str; 1] = ["rebuild"];

/// Installs into the tree's folder, with the releases of `date` if there is one.
pub(super) async fn install(step: &Step<'_>, date: Option<&str>) -> Result<Installed, Failure> {
    let package = step.package;
    let tree = step.folder.join(TREE);
    // The step's folder is new, so nothing of the package is there yet.
    fs::create_dir(&tree).map_err(Failure::internal)?;
    let mut dependencies = serde_json::Map::new();
    for spec in &package.specs {
        let (name, version) = split(spec);
        dependencies.insert(name.to_owned(), json!(version));
    }
    let manifest = json!({"private": true, "dependencies": dependencies}).to_string();
    fs::write(tree.join("package.json"), manifest).map_err(Failure::internal)?;

    let settings = step.write("npmrc", &step.settings.npmrc)?;
    (step.progress)(format!("{}: finding out what it needs", package.name));
    let mut resolve = vec!["install", "--package-lock-only", "--ignore-scripts"];
    resolve.extend(date.iter().flat_map(|date| ["--before", date]));
    npm(step, &resolve, Some(&settings), &mut |_| {}).await?;
    let locked = read_json(&step.tree()?, Path::new("package-lock.json"))?;
    let packages = locked["packages"].as_object();
    let all = packages.map_or(0, |packages| packages.len().saturating_sub(1));
    let mut fetched = 0;
    let mut count = |line: &str| {
        if line.starts_with("npm http fetch GET") {
            fetched += 1;
            (step.progress)(format!(
                "{}: {} of {all} packages",
                package.name,
                all.min(fetched)
            ));
        }
    };
    let unpack = ["ci", "--ignore-scripts", "--omit=dev"];
    npm(step, &unpack, Some(&settings), &mut count).await?;
    // The scripts are untrusted code: the token is gone before they run.
    fs::remove_file(&settings).map_err(Failure::internal)?;
    let mut notes = Vec::new();
    let scripts = packages.is_some_and(|packages| {
        packages
            .values()
            .any(|each| each["hasInstallScript"] == true)
    });
    if scripts {
        (step.progress)(format!("{}: running install scripts", package.name));
        if let Err(failure) = npm(step, &SCRIPTS, None, &mut |_| {}).await {
            // Many servers work without what a script would have built.
            notes.push(failure.message);
        }
    }
    let place = format!("node_modules/{}", package.name);
    let own = &locked["packages"][&place];
    let (program, arguments) = command(step, &step.tree()?)?;
    Ok(Installed {
        version: own["version"].as_str().unwrap_or_default().to_owned(),
        integrity: own["integrity"].as_str().map(str::to_owned),
        tree: String::new(),
        program,
        arguments,
        notes,
    })
}

/// Thirty days after the release of the installed version: what its author tested
/// with, and corrections of it.
pub(super) async fn released(step: &Step<'_>, installed: &Installed) -> Option<String> {
    let name = &step.package.name;
    let printed = npm(step, &["view", name, "time", "--json"], None, &mut |_| {})
        .await
        .ok()?;
    let times: Value = serde_json::from_str(&printed).ok()?;
    let released = Timestamp::from_iso(times[&installed.version].as_str()?)?;
    Some(
        released
            .plus_seconds(limits::INSTALL_AS_OF_SECONDS)
            .to_day(),
    )
}

async fn npm(
    step: &Step<'_>,
    arguments: &[&str],
    settings: Option<&Path>,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<String, Failure> {
    let package = step.package;
    let Some(manager) = &package.manager else {
        let why = match package.runtime.as_os_str().is_empty() {
            true => "no npm was found, which installs packages".to_owned(),
            false => format!("no npm was found beside {}", package.runtime.display()),
        };
        return Err(Failure::new(Kind::Unavailable, why)
            .hint("install Node.js with npm, or add its folder to [skills] path in config.toml"));
    };
    let folder = step.folder.to_string_lossy();
    let mut variables = environment(package, SETTINGS);
    // Addresses of uv's indexes may hold passwords, and install scripts would see them.
    variables.retain(|name, _| !name.starts_with("UV_") && name != netrc::VARIABLE);
    // The scripts' steps ask no registry, and its address may hold a password.
    if arguments == SCRIPTS {
        variables.remove("npm_config_registry");
    }
    for value in variables.values_mut() {
        *value = value.replace('\0', &folder);
    }
    let path = package.runtime.parent().unwrap_or(Path::new("/usr/bin"));
    variables.insert(
        "PATH".into(),
        format!("{}:/usr/local/bin:/usr/bin:/bin", path.display()),
    );
    let given: Vec<PathBuf> = settings.iter().map(|path| path.to_path_buf()).collect();
    let settings = settings.unwrap_or(Path::new("/dev/null"));
    variables.insert(
        "npm_config_userconfig".into(),
        settings.to_string_lossy().into_owned(),
    );
    let tree = step.folder.join(TREE);
    let (manager, tree) = (manager.to_string_lossy(), tree.to_string_lossy());
    let mut all = vec![&*manager];
    all.extend_from_slice(arguments);
    all.extend(["--prefix", &tree]);
    let run = step.run(&package.runtime, &all, variables, &given, line);
    let printed = run.await?;
    match printed.succeeded() {
        true => Ok(printed.stdout),
        false => Err(failures::of(package, &printed, step.settings)),
    }
}

/// The program of the package: executed itself, or run by node with arguments.
fn command(step: &Step<'_>, tree: &Tree) -> Result<(Option<String>, Vec<String>), Failure> {
    let package = step.package;
    let file = match &package.bin {
        // A program of any installed package.
        Some(bin) => tree.place(&Path::new("node_modules/.bin").join(bin)).ok(),
        None => own_bin(tree, &package.name)?,
    };
    let file = file.filter(|file| tree.is_file(file)).ok_or_else(|| {
        let what = package.bin.as_deref().unwrap_or(&package.name);
        let why = format!("{} has no program {what} to run", package.name);
        Failure::new(Kind::NotFound, why)
            .hint("name the program after -p PACKAGE; the package's page says what it is called")
    })?;
    let line = tree.start(&file, 256).map_err(Failure::internal)?;
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line
        .strip_prefix("#!")
        .unwrap_or("")
        .split_ascii_whitespace()
        .collect();
    let node = words
        .iter()
        .position(|word| Path::new(word).ends_with("node"));
    let text = file.to_string_lossy().into_owned();
    let script = file
        .extension()
        .is_some_and(|end| ["js", "cjs", "mjs"].iter().any(|each| end == *each));
    match (node, script) {
        (Some(at), _) => {
            let flags = words[at + 1..].iter().filter(|flag| is_harmless(flag));
            let flags = flags.map(|flag| (*flag).to_owned());
            Ok((None, flags.chain([format!("\0{text}")]).collect()))
        }
        (None, true) => Ok((None, vec![format!("\0{text}")])),
        (None, false) => Ok((Some(text), Vec::new())),
    }
}

/// Whether node takes `flag` of a script's first line. One that loads code would run more
/// than the program that was found.
fn is_harmless(flag: &str) -> bool {
    const FLAGS: [&str; 13] = [
        "--allow-",
        "--dns-result-order",
        "--enable-source-maps",
        "--expose-gc",
        "--harmony",
        "--max-",
        "--no-",
        "--permission",
        "--preserve-symlinks",
        "--stack-",
        "--trace-",
        "--unhandled-rejections",
        "--use-",
    ];
    const EXPERIMENTS: [&str; 4] = ["loader", "config", "sea", "default-config"];
    match flag.strip_prefix("--experimental-") {
        Some(name) => !EXPERIMENTS.iter().any(|each| name.starts_with(each)),
        None => {
            flag.starts_with("--disable-warning") || FLAGS.iter().any(|each| flag.starts_with(each))
        }
    }
}

/// The program that npx would run of a package: the only one there is, or the one that is
/// called like the package.
fn own_bin(tree: &Tree, name: &str) -> Result<Option<PathBuf>, Failure> {
    let place = Path::new("node_modules").join(name);
    let manifest = read_json(tree, &place.join("package.json"))?;
    let short = name.rsplit('/').next().unwrap_or(name);
    let file = match &manifest["bin"] {
        Value::String(file) => Some(file.as_str()),
        Value::Object(all) => {
            let mut files = all.values().filter_map(Value::as_str);
            let first = files.next();
            match files.all(|file| Some(file) == first) {
                true => first,
                false => all.get(short).and_then(Value::as_str),
            }
        }
        _ => None,
    };
    Ok(file.map(|file| place.join(without_dot(file))))
}

fn without_dot(file: &str) -> PathBuf {
    Path::new(file)
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

/// `name@version` in its parts.
fn split(spec: &str) -> (&str, &str) {
    match spec.rfind('@') {
        Some(at) if at > 0 => (&spec[..at], &spec[at + 1..]),
        _ => (spec, "*"),
    }
}

fn read_json(tree: &Tree, file: &Path) -> Result<Value, Failure> {
    let text = tree.read(file).map_err(Failure::internal)?;
    serde_json::from_slice(&text).map_err(Failure::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_load_code_are_left_out() {
        for flag in [
            "--no-warnings",
            "--experimental-sqlite",
            "--max-old-space-size=4096",
            "--enable-source-maps",
            "--disable-warning=ExperimentalWarning",
        ] {
            assert!(is_harmless(flag), "{flag}");
        }
        for flag in [
            "--import",
            "--import=data:text/javascript,1",
            "-r",
            "--require=/x",
            "--loader",
            "--experimental-loader=/x",
            "--experimental-config-file=/x",
            "--env-file=/x",
            "--eval",
            "-e",
            "--inspect",
            "data:text/javascript,1",
        ] {
            assert!(!is_harmless(flag), "{flag}");
        }
    }
}
