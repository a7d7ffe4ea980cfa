//! C, the process that becomes the skill: drops its privileges layer by layer, then
//! executes the program.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use nix::unistd::{chdir, execve, setsid};

use super::policy::{Layers, Policy, Report};
use super::{control, landlock, privileges, process, rlimits, seccomp};

/// Exit code of a skill whose program could not be executed.
const NOT_EXECUTED: i32 = 127;

/// Becomes the skill, or reports why it cannot.
pub(super) fn run(policy: &Policy, pipes: &[OwnedFd; 3], up: &UnixStream, layers: Layers) -> ! {
    let mut layers = layers;
    let Err(why) = become_skill(policy, pipes, up, &mut layers);
    control::report(up, &Report::Failed { why, layers });
    process::leave(NOT_EXECUTED)
}

fn become_skill(
    policy: &Policy,
    pipes: &[OwnedFd; 3],
    up: &UnixStream,
    layers: &mut Layers,
) -> Result<Infallible, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    // A new session has no terminal and is not in our process group.
    setsid().map_err(|error| failed("its session", &error))?;
    for (pipe, place) in pipes.iter().zip(0..) {
        process::place_at(pipe, place).map_err(|error| failed("its pipes", &error))?;
    }
    let executable = Executable::of(policy)?;
    let folder = policy.state_folder.as_deref();
    chdir(folder.unwrap_or("/".as_ref())).map_err(|error| failed("its folder", &error))?;
    process::reset_signals();
    rlimits::set(&policy.bounds, layers);
    privileges::drop_capabilities(layers);
    privileges::no_new_privileges(layers);
    landlock::restrict(policy, layers);
    seccomp::restrict(policy, layers);
    if policy.strict && !layers.all_enforced() {
        let gaps = layers.gaps();
        return Err(format!("strict mode requires every layer, but {gaps}"));
    }
    let started = Report::Started {
        layers: layers.clone(),
    };
    control::report(up, &started);
    let Some(executable) = executable else {
        process::leave(0)
    };
    let Err(error) = execve(
        &executable.program,
        &executable.arguments,
        &executable.environment,
    );
    Err(format!(
        "{} cannot be executed: {error}",
        executable.program.to_string_lossy()
    ))
}

/// The arguments of `execve`.
struct Executable {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Executable {
    fn of(policy: &Policy) -> Result<Option<Executable>, String> {
        let text = |text: &OsStr| {
            CString::new(text.as_bytes()).map_err(|_| "its command contains a NUL".to_owned())
        };
        let Some(program) = &policy.program else {
            return Ok(None);
        };
        let program = text(program.as_os_str())?;
        let mut arguments = vec![program.clone()];
        for argument in &policy.arguments {
            arguments.push(text(argument.as_ref())?);
        }
        let pairs = policy.environment.iter();
        let environment = pairs
            .map(|(name, value)| text(format!("{name}={value}").as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Some(Executable {
            program,
            arguments,
            environment,
        }))
    }
}
