//! The only file that makes processes. Who is started and why is decided by
//! the caller; what a process inherits is decided here: nothing.

use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, OwnedFd};
#[cfg(target_os = "linux")]
use std::os::unix::{net::UnixStream, process::CommandExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

#[cfg(target_os = "linux")]
use super::sandbox::{
    self, control,
    policy::{Policy, Report},
};
#[cfg(target_os = "linux")]
use super::spec::SkillSpec;
use crate::failure::{Failure, Kind};
#[cfg(target_os = "linux")]
use crate::limits::SANDBOX_REPORT_BYTES_MAX;

/// Where and how a skill is launched, beside what its spec says.
#[derive(Clone, Copy, Debug)]
pub struct LaunchSettings<'a> {
    /// Mimo itself: `/proc/self/exe`, which stays the same program when the
    /// file is replaced. A test names the real binary.
    pub executable: &'a Path,
    /// The skill's own folder, absolute; made where it is missing.
    pub state_folder: &'a Path,
    /// Nothing runs unless every layer is enforced.
    pub strict: bool,
}

/// A skill that was launched. Whether its program runs is the first report.
#[cfg(target_os = "linux")]
pub struct Launched {
    /// Its stdin; closing it asks it to end.
    pub stdin: PipeWriter,
    /// Its stdout.
    pub stdout: PipeReader,
    /// Its stderr.
    pub stderr: PipeReader,
    /// What its sandbox reports; the end comes when all of it is gone.
    pub reports: Reports,
    /// Its sandbox.
    pub process: Supervised,
}

/// The sandbox of a skill. Dropping it kills everything in it.
#[cfg(target_os = "linux")]
pub struct Supervised {
    child: Child,
    control: UnixStream,
}

/// The reports of one sandbox.
#[cfg(target_os = "linux")]
pub struct Reports {
    lines: BufReader<UnixStream>,
}

/// Launches what `spec` says in the sandbox it asks for. The environment is
/// the spec's, with a home, a folder for temporary files and caches that are
/// the skill's own where the spec names none.
#[cfg(target_os = "linux")]
pub fn launch(spec: &SkillSpec, place: &LaunchSettings<'_>) -> Result<Launched, Failure> {
    sandbox::close_ourselves();
    let mut policy = Policy::of(spec);
    policy.strict = place.strict;
    for (variable, folder) in sandbox::policy::OWN_FOLDERS {
        let folder = place.state_folder.join(folder);
        sandbox::private_folder(&folder).map_err(|error| {
            Failure::new(
                Kind::Unavailable,
                format!(
                    "the skill's folder {} cannot be made: {error}",
                    folder.display()
                ),
            )
            .hint("give your account the right to write there")
        })?;
        policy.default_variable(variable, &folder.to_string_lossy());
    }
    policy.default_variable("PATH", sandbox::policy::PATH_DEFAULT);
    policy.default_variable("npm_config_ignore_scripts", "true");
    policy.state_folder = Some(place.state_folder.to_owned());
    launch_policy(place.executable, &policy)
}

/// Starts the supervisor of a sandbox and hands it `policy`. A plain spawn: a
/// gateway with much memory would pay for every page of it in a fork.
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods)]
pub(super) fn launch_policy(executable: &Path, policy: &Policy) -> Result<Launched, Failure> {
    let start = || -> io::Result<Launched> {
        let (control, theirs) = UnixStream::pair()?;
        let (their_stdin, stdin) = io::pipe()?;
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        let child = Command::new(executable)
            .arg(sandbox::ARGUMENT)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // From here on dropping it ends the process.
        let process = Supervised { child, control };
        let pipes = [
            their_stdin.as_raw_fd(),
            their_stdout.as_raw_fd(),
            their_stderr.as_raw_fd(),
        ];
        control::send(&process.control, policy, pipes)?;
        let lines = BufReader::new(process.control.try_clone()?);
        Ok(Launched {
            stdin,
            stdout,
            stderr,
            reports: Reports { lines },
            process,
        })
    };
    start().map_err(|error| {
        Failure::new(
            Kind::Unavailable,
            format!("the skill's sandbox cannot be started: {error}"),
        )
        .hint("mimo doctor shows what this machine gives")
        .source(error)
    })
}

#[cfg(target_os = "linux")]
impl Supervised {
    /// The process that holds the sandbox up.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks every process of the skill to end (SIGTERM).
    pub fn terminate(&mut self) -> io::Result<()> {
        self.control.write_all(&[control::TERMINATE])
    }

    /// Kills every process of the skill, and waits until they are gone.
    pub fn kill(&mut self) -> io::Result<()> {
        // The supervisor kills them and waits for their end, in namespaces or
        // not; then it ends itself.
        // One that ended already cannot be told; then the wait is short.
        let _ = self.control.write_all(&[control::KILL]);
        let _ = self.control.shutdown(std::net::Shutdown::Write);
        self.child.wait().map(drop)
    }

    /// Takes the ended sandbox; call it when the reports have ended.
    pub fn wait(&mut self) -> io::Result<()> {
        self.child.wait().map(drop)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Supervised {
    fn drop(&mut self) {
        // Ended already where somebody waited for it: then both say so.
        let _ = self.kill();
    }
}

#[cfg(target_os = "linux")]
impl Reports {
    /// Waits for the next report; `None` when everything has ended. (Not an
    /// iterator: a caller that meets an error has to stop.)
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<Report>> {
        let mut line = Vec::new();
        let bound = SANDBOX_REPORT_BYTES_MAX as u64;
        let mut bounded = self.lines.by_ref().take(bound);
        match bounded.read_until(b'\n', &mut line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_slice(&line)?)),
        }
    }

    /// The socket the reports come from, for an event loop: each is a JSON
    /// line. Only before the first `next`.
    pub fn into_socket(self) -> UnixStream {
        self.lines.into_inner()
    }
}

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
