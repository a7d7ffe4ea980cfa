//! The clients that the tests drive, installed once under `target/clients` at
//! the versions named here; what they are used for stands elsewhere.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What pip installs.
const PYTHON: &[&str] = &["mcp==2.3.0"];

/// What npm installs.
const NODE: &[&str] = &[
    "@modelcontextprotocol/sdk@1.32.2",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/inspector@2.12.0",
];

/// A Python interpreter that knows the SDK.
pub fn python() -> PathBuf {
    venv("python", PYTHON)
}

/// A Python interpreter of its own that knows `packages`.
pub fn venv(name: &str, packages: &[&str]) -> PathBuf {
    needs("python3", "Python 3.10 or newer with its venv module");
    let folder = once(name, packages, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder));
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .args(packages);
        run(&mut pip);
    });
    folder.join("bin/python")
}

/// Node itself, and a folder in which it finds the SDKs and the inspector.
pub fn node() -> (PathBuf, PathBuf) {
    (node_alone(), npm("node", NODE))
}

/// Node itself.
pub fn node_alone() -> PathBuf {
    needs("node", "Node.js 20 or newer with npm");
    // A version manager's `node` may need the person's environment to find it.
    let asked = Command::new("node")
        .args(["-p", "process.execPath"])
        .output();
    let found = String::from_utf8(asked.expect("node starts").stdout).expect("a path");
    PathBuf::from(found.trim())
}

/// A folder `name` in which Node finds `packages`.
pub fn npm(name: &str, packages: &[&str]) -> PathBuf {
    once(name, packages, |folder| {
        fs::create_dir_all(folder).expect("a folder under target");
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
        run(&mut npm);
    })
}

/// Whether `program` is on this machine.
pub fn have(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// The folder `target/clients/name`, filled by `install` unless an earlier run
/// did that with the same packages. Tests that want it meanwhile wait.
fn once(name: &str, packages: &[&str], install: impl FnOnce(&Path)) -> PathBuf {
    let clients = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
    fs::create_dir_all(&clients).expect("a folder under target");
    let lock = File::create(clients.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let folder = clients.join(name);
    // Written last, so that an installation that was cut off is made again.
    let marker = folder.join("installed.txt");
    let wanted = packages.join("\n");
    if fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return folder;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the earlier installation goes");
    }
    install(&folder);
    fs::write(&marker, wanted).expect("the marker");
    folder
}

fn needs(program: &str, what: &str) {
    assert!(
        have(program),
        "these tests drive real MCP clients and need {what}: install it, so that \
         `{program} --version` works in this shell, and run them again"
    );
}

fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| {
        panic!("{command:?} does not start ({error}); it installs an MCP client for these tests")
    });
    assert!(
        done.status.success(),
        "{command:?} failed; it installs an MCP client for these tests and needs a package \
         registry the first time:\n{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}
