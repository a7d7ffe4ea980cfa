//! C, the process that becomes the skill: sets its limits, and executes the program of
//! the system that applies the profile and executes the skill's.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, setpgid};

use super::policy::{Bounds, Policy};
use super::process;

/// No other program of this name counts.
const SANDBOX_EXEC: &CStr = c"/usr/bin/sandbox-exec";

/// Becomes `program` with the arguments of `policy`, held to `profile`. `begin` is called
/// last before that. Gives why it cannot.
pub(super) fn become_skill(
    policy: &Policy,
    program: &Path,
    profile: &str,
    pipes: &[OwnedFd; 3],
    begin: impl FnOnce(),
) -> Result<Infallible, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    // Who signals its own group reaches nobody else.
    let none = Pid::from_raw(0);
    setpgid(none, none).map_err(|error| failed("its process group", &error))?;
    let [input, output, errors] = pipes;
    dup2_stdin(input)
        .and_then(|()| dup2_stdout(output))
        .and_then(|()| dup2_stderr(errors))
        .map_err(|error| failed("its pipes", &error))?;
    let folder = policy.working_folder.as_deref();
    let folder = folder.or(policy.state_folder.as_deref());
    chdir(folder.unwrap_or("/".as_ref())).map_err(|error| failed("its folder", &error))?;

    let text =
        |bytes: &[u8]| CString::new(bytes).map_err(|_| "its command contains a NUL".to_owned());
    let mut arguments = vec![
        SANDBOX_EXEC.to_owned(),
        c"-p".to_owned(),
        text(profile.as_bytes())?,
        c"--".to_owned(),
        text(program.as_os_str().as_bytes())?,
    ];
    for argument in &policy.arguments {
        arguments.push(text(argument.as_bytes())?);
    }
    let pairs = policy.environment.iter();
    let environment: Vec<CString> = pairs
        .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
        .collect::<Result<_, _>>()?;
    process::reset_signals();
    limit(&policy.bounds)?;
    begin();
    let Err(error) = execve(SANDBOX_EXEC, &arguments, &environment);
    Err(format!("sandbox-exec cannot be executed: {error}"))
}

/// Sets the hard and soft limits. The processes are not among them, since macOS counts
/// those of the whole account, and it holds nobody to a limit of memory.
fn limit(bounds: &Bounds) -> Result<(), String> {
    let wanted = [
        (Resource::RLIMIT_NOFILE, bounds.open_files),
        (Resource::RLIMIT_FSIZE, bounds.file_bytes),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_CPU, bounds.cpu_seconds),
    ];
    for (resource, value) in wanted {
        let failed = |error| format!("its limits: {resource:?}: {error}");
        let (_, hard) = getrlimit(resource).map_err(failed)?;
        let value = value.min(hard);
        setrlimit(resource, value, value).map_err(failed)?;
    }
    Ok(())
}
