//! Folders inside and outside the sandbox of an attacker, and the real binary.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mimo::skills::sandbox::policy::{KillReason, Report};
use mimo::skills::spec::{SkillName, SkillSpec};
use mimo::skills::supervised::{LaunchSettings, Launched, launch};

use crate::support::machine::PYTHON;

/// The content of files that no attacker may read.
pub const SECRET: &str = "the-secret-of-the-person";

/// Helpers for every attacker.
const PRELUDE: &str = r#"
import os, sys, socket, ctypes, errno, resource, struct, mmap, time, signal
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    ctypes.set_errno(0)
    if libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
def until_killed(bound=60):
    # Some seconds, at the end of which it was not killed.
    def survive(*_):
        print('survived', flush=True)
        os._exit(0)
    signal.signal(signal.SIGALRM, survive)
    signal.alarm(bound)
    while True: signal.pause()
def attempt(what):
    try:
        print("DONE", what(), flush=True)
    except OSError as error:
        print("REFUSED", errno.errorcode[error.errno], flush=True)
"#;

/// What a file that was not granted answers: it does not exist in the new root, it is
/// read-only there, or Landlock refuses it.
pub const CLOSED: &[&str] = &["ENOENT", "EROFS", "EACCES", "EPERM"];

pub struct World {
    folder: tempfile::TempDir,
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Ran {
    pub reports: Vec<Report>,
    pub out: String,
    pub err: String,
}

impl World {
    pub fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        for each in ["state", "outside/.ssh", "mimo"] {
            std::fs::create_dir_all(folder.path().join(each)).expect("its folders");
        }
        let world = World { folder };
        std::fs::write(world.secret(), SECRET).expect("a secret");
        std::fs::write(world.path("mimo/mimo.db"), SECRET).expect("a database");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn secret(&self) -> PathBuf {
        self.path("outside/.ssh/id_ed25519")
    }

    pub fn start(&self, spec: &SkillSpec) -> Launched {
        let place = LaunchSettings {
            executable: Path::new(env!("CARGO_BIN_EXE_mimo")),
            state_folder: &self.path("state"),
            strict: false,
        };
        launch(spec, &place).expect("the sandbox starts")
    }

    /// Runs `spec` to its end.
    pub fn run(&self, spec: &SkillSpec) -> Ran {
        finish(self.start(spec))
    }

    /// Runs a Python attacker to its end.
    pub fn attack(&self, script: &str) -> Ran {
        self.run(&python(script))
    }
}

/// Closes the skill's stdin and waits for all of it to end.
pub fn finish(launched: Launched) -> Ran {
    let Launched {
        stdin,
        mut stdout,
        mut stderr,
        mut reports,
        mut process,
    } = launched;
    drop(stdin);
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).expect("its stderr");
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut out = Vec::new();
    stdout.read_to_end(&mut out).expect("its stdout");
    let mut all = Vec::new();
    while let Some(report) = reports.next().expect("reports") {
        all.push(report);
    }
    process.wait().expect("the end");
    Ran {
        reports: all,
        out: String::from_utf8_lossy(&out).into_owned(),
        err: errors.join().expect("its stderr"),
    }
}

impl Ran {
    /// Asserts that the attempt was refused with one of `errors`.
    #[track_caller]
    pub fn refused(&self, errors: &[&str]) {
        let expected = errors.iter().map(|error| format!("REFUSED {error}"));
        let found = self.out.trim();
        assert!(expected.clone().any(|each| each == found), "{self:?}");
        assert!(!self.out.contains(SECRET), "{self:?}");
    }

    /// The reason if it was killed.
    pub fn killed(&self) -> Option<KillReason> {
        self.reports.iter().find_map(|report| match report {
            Report::Killed { reason, .. } => Some(*reason),
            _ => None,
        })
    }
}

/// A skill that runs `program` with default limits.
pub fn spec(program: impl Into<PathBuf>, arguments: &[&str]) -> SkillSpec {
    let name = SkillName::new("attacker").expect("a name");
    SkillSpec {
        arguments: arguments.iter().map(|each| (*each).to_owned()).collect(),
        ..SkillSpec::bare(name, program.into(), Duration::from_secs(60))
    }
}

/// A skill that is a Python script, run by the system's interpreter.
pub fn python(script: &str) -> SkillSpec {
    let script = format!("{PRELUDE}{script}");
    spec(PYTHON, &["-I", "-S", "-c", &script])
}
