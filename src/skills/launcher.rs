//! The only file that makes processes. Who is started and why is decided by
//! the caller; what a process inherits is decided here: nothing.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::failure::{Failure, Kind};

/// A running Mimo with both ends of its pipes. It never outlives this value.
pub struct OwnProcess {
    child: Child,
    /// Its stdin; taken once, dropping it tells the process to finish.
    pub input: Option<ChildStdin>,
    /// Its stdout; taken once.
    pub output: Option<ChildStdout>,
}

/// Starts `executable` (Mimo itself) with `arguments`. The environment is
/// empty, so that no variable leads it to a person's own files.
#[allow(clippy::disallowed_methods)]
pub fn start_ourselves(executable: &Path, arguments: &[&OsStr]) -> Result<OwnProcess, Failure> {
    let mut child = Command::new(executable)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| {
            Failure::new(
                Kind::Unavailable,
                format!("{} cannot be started: {error}", executable.display()),
            )
            .hint("was the program moved or replaced while it ran?")
        })?;
    Ok(OwnProcess {
        input: child.stdin.take(),
        output: child.stdout.take(),
        child,
    })
}

impl OwnProcess {
    /// Kills it at once (SIGKILL): it gets no chance to save anything.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Waits for its own end; whether it ended well.
    pub fn wait(mut self) -> io::Result<bool> {
        drop(self.input.take());
        self.child.wait().map(|status| status.success())
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        // Already ended where `kill` or `wait` was called: then both say so.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
