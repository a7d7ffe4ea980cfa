//! The only file that makes processes. A process inherits nothing: no variable
//! and no descriptor, but for those that the desktop's own programs need.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::failure::{Failure, Kind};
use crate::platform::without_our_signals;

/// Starts Mimo as the supervisor of a sandbox, with `control` as its stdin. Spawns rather
/// than forks: a fork would copy the page tables of a large gateway.
#[allow(clippy::disallowed_methods)]
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn start_supervisor(executable: &Path, control: Stdio) -> io::Result<Child> {
    without_our_signals(&mut Command::new(executable))
        .arg(super::sandbox::ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(control)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// A running Mimo and its pipes. Dropping this kills it.
pub(crate) struct OwnProcess {
    child: Child,
    /// Taken once; dropping it asks the process to exit.
    pub(crate) input: Option<ChildStdin>,
    /// Taken once.
    pub(crate) output: Option<ChildStdout>,
}

/// Opens a file with `opener`, the desktop's own program for that, and does not wait.
#[allow(clippy::disallowed_methods)]
pub(crate) fn open_on_desktop(
    opener: &Path,
    file: &Path,
    variables: &[(&'static str, OsString)],
) -> io::Result<()> {
    let variables = variables.iter().map(|(name, value)| (name, value));
    // A browser may start with this.
    let mut child = without_our_signals(&mut Command::new(opener))
        .arg(file)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Some run as long as the browser.
    std::thread::spawn(move || child.wait());
    Ok(())
}

/// Starts `executable`, Mimo itself. The environment is empty, so that no variable
/// points it to the user's own files.
#[allow(clippy::disallowed_methods)]
pub(crate) fn start_ourselves(
    executable: &Path,
    arguments: &[&OsStr],
) -> Result<OwnProcess, Failure> {
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
    /// Kills it with SIGKILL, so that it cannot save anything.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Closes its stdin and waits for its end; whether it succeeded.
    pub(crate) fn wait(mut self) -> io::Result<bool> {
        drop(self.input.take());
        self.child.wait().map(|status| status.success())
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        // Both fail where `kill` or `wait` was called before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
