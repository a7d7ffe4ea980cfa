//! C, the process that becomes the skill: drops its privileges layer by layer, then
//! executes the program.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use nix::unistd::{chdir, execve, setsid};

use super::files::Files;
use super::policy::{Layer, LayerState, Layers, Policy, Report};
use super::{control, landlock, notify, privileges, process, rlimits, seccomp};

/// Exit code of a skill whose program could not be executed.
const NOT_EXECUTED: i32 = 127;

/// The parameters of the processes that the supervisor starts.
pub(super) struct StartParameters<'a> {
    pub(super) policy: &'a Policy,
    pub(super) files: &'a Files,
    /// The skill's stdin, stdout and stderr.
    pub(super) pipes: [OwnedFd; 3],
    /// To the gateway.
    pub(super) up: &'a UnixStream,
    /// To the supervisor, for the listener of `notify`.
    pub(super) listener: UnixStream,
    /// Why there is no new root.
    pub(super) no_root: String,
    pub(super) layers: Layers,
}

/// Becomes the skill, or reports why it cannot.
pub(super) fn run(mut start: StartParameters<'_>, new_root: bool) -> ! {
    let Err(why) = become_skill(&mut start, new_root);
    let layers = start.layers;
    control::report(start.up, &Report::Failed { why, layers });
    process::leave(NOT_EXECUTED)
}

fn become_skill(start: &mut StartParameters<'_>, new_root: bool) -> Result<Infallible, String> {
    let (policy, layers) = (start.policy, &mut start.layers);
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    // A new session has no terminal and is not in our process group.
    setsid().map_err(|error| failed("its session", &error))?;
    for (pipe, place) in start.pipes.iter().zip(0..) {
        process::place_at(pipe, place).map_err(|error| failed("its pipes", &error))?;
    }
    let executable = Executable::of(policy)?;
    let folder = policy.working_folder.as_deref();
    let folder = folder.or(policy.state_folder.as_deref());
    chdir(folder.unwrap_or("/".as_ref())).map_err(|error| failed("its folder", &error))?;
    process::reset_signals();
    rlimits::set(&policy.bounds, layers);
    privileges::drop_capabilities(layers);
    privileges::no_new_privileges(layers);
    landlock::restrict(policy, start.files, layers);
    filter_calls(start, new_root);
    let layers = &mut start.layers;
    if policy.strict && !layers.all_enforced() {
        let gaps = layers.gaps();
        return Err(format!("strict mode requires every layer, but {gaps}"));
    }
    let started = Report::Started {
        layers: layers.clone(),
    };
    control::report(start.up, &started);
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

/// Applies the filters, and has the supervisor make the calls that they cannot judge.
fn filter_calls(start: &mut StartParameters<'_>, new_root: bool) {
    let listener = seccomp::restrict(start.policy, new_root, &mut start.layers);
    // Without a listener, and where it cannot be handed over, these calls fail.
    let notified = listener.and_then(|listener| match listener {
        Some(each) => notify::hand_over(&each, &start.listener).map_err(|e| e.to_string()),
        None => Ok(()),
    });
    if !new_root {
        let lost = match notified {
            Ok(()) => String::new(),
            Err(error) => format!("; npx and uvx cannot install: {error}"),
        };
        let why = format!(
            "names, sizes and times of other files can be seen, not changed ({}){lost}",
            start.no_root
        );
        start.layers.set(Layer::Root, LayerState::Partial, why);
    }
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
