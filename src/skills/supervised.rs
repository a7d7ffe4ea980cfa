//! Starts the sandbox of a skill: Mimo itself as its supervisor, and the pipes.

use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;

use super::launcher;
use super::sandbox::{
    self, control,
    policy::{Policy, Report},
};
use super::spec::SkillSpec;
use crate::failure::{Failure, Kind};
use crate::limits::SANDBOX_REPORT_BYTES_MAX;
use crate::platform::create_private_folder;

/// How a skill is launched, besides what its spec says.
#[derive(Clone, Copy, Debug)]
pub struct LaunchSettings<'a> {
    /// Mimo itself.
    pub executable: &'a Path,
    /// The skill's private folder, absolute; created where it is missing.
    pub state_folder: &'a Path,
    /// Nothing runs unless every layer is enforced.
    pub strict: bool,
}

/// A launched skill. The first report says whether its program runs.
pub struct Launched {
    /// Closing it asks the skill to end.
    pub stdin: PipeWriter,
    pub stdout: PipeReader,
    pub stderr: PipeReader,
    /// They end when the whole process tree is gone.
    pub reports: Reports,
    pub process: Supervised,
}

/// The sandbox of a skill. Dropping it kills everything in it.
pub struct Supervised {
    child: Child,
    control: UnixStream,
}

/// The reports of one sandbox.
pub struct Reports {
    lines: BufReader<UnixStream>,
}

/// Launches `spec` in the sandbox it asks for. Where its environment names no
/// home, temporary folder or caches, it gets private ones.
pub fn launch(spec: &SkillSpec, settings: &LaunchSettings<'_>) -> Result<Launched, Failure> {
    sandbox::protect_gateway();
    let mut policy = Policy::of(spec);
    policy.strict = settings.strict;
    for (variable, folder) in sandbox::policy::OWN_FOLDERS {
        let folder = settings.state_folder.join(folder);
        create_private_folder(&folder).map_err(|error| {
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
    policy.state_folder = Some(settings.state_folder.to_owned());
    launch_policy(settings.executable, &policy)
}

/// Starts the supervisor of a sandbox and sends it `policy`.
pub(super) fn launch_policy(executable: &Path, policy: &Policy) -> Result<Launched, Failure> {
    let start = || -> io::Result<Launched> {
        let (control, theirs) = UnixStream::pair()?;
        let (their_stdin, stdin) = io::pipe()?;
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        let child = launcher::start_supervisor(executable, OwnedFd::from(theirs).into())?;
        // From here on dropping this ends the process.
        let process = Supervised { child, control };
        let pipes = [
            their_stdin.as_raw_fd(),
            their_stdout.as_raw_fd(),
            their_stderr.as_raw_fd(),
        ];
        control::send(&process.control, policy, pipes)?;
        sandbox::wait_until_received(&process.control)?;
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
        .hint("`mimo doctor` shows what the sandbox can do on this machine")
        .source(error)
    })
}

impl Supervised {
    /// The supervisor.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM to every process of the skill.
    pub fn terminate(&mut self) -> io::Result<()> {
        self.control.write_all(&[control::TERMINATE])
    }

    /// Kills every process of the skill, and waits until they are gone.
    pub fn kill(&mut self) -> io::Result<()> {
        // The supervisor kills them, waits for their end and ends itself. Where it
        // has ended already, the write fails and the wait is short.
        let _ = self.control.write_all(&[control::KILL]);
        let _ = self.control.shutdown(std::net::Shutdown::Write);
        self.child.wait().map(drop)
    }

    /// Reaps the supervisor; to be called when the reports have ended.
    pub fn wait(&mut self) -> io::Result<()> {
        self.child.wait().map(drop)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // This fails where the supervisor was reaped already.
        let _ = self.kill();
    }
}

impl Reports {
    /// Waits for the next report; `None` when everything has ended. Not an
    /// iterator, because a caller must stop at an error.
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

    /// The socket of the reports, each a JSON line, for an event loop. To be called
    /// before the first `next`.
    pub(crate) fn into_socket(self) -> UnixStream {
        self.lines.into_inner()
    }
}
