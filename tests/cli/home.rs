//! A user account with its own folders, and the binary run in it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const MIMO: &str = env!("CARGO_BIN_EXE_mimo");

/// Copies the program by another process: a file that is open for writing here may be
/// inherited by another test's child, and then cannot be executed.
pub fn copy_program(to: &Path) {
    let copied = Command::new("cp").arg(MIMO).arg(to).status();
    assert!(copied.expect("cp runs").success());
}

/// The outcome of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A home folder without anything of the real environment.
pub struct Home(pub TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn with_config(text: &str) -> Home {
        let home = Home::new();
        std::fs::create_dir(home.path().join("config")).expect("a folder");
        std::fs::write(home.path().join("config/config.toml"), text).expect("a file");
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.path().join("data")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MIMO);
        command
            .args(arguments)
            .env_clear()
            .env("MIMO_CONFIG_DIR", self.path().join("config"))
            .env("MIMO_DATA_DIR", self.data())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        ran(self.command(arguments), input)
    }

    pub fn call(&self, arguments: &[&str]) -> Value {
        let called = self.run(&[&["call"], arguments].concat());
        assert_eq!(called.code, Some(0), "{called:?}");
        called.json()
    }
}

pub fn ran(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mimo starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command may ignore its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
