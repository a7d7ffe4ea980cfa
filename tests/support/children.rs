//! Real child processes without a sandbox, for tests of the registry and the link.
//! The launcher has its own tests.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mimo::failure::{Failure, Kind};
use mimo::skills::child::{Child, ChildControl, ChildLauncher};
use mimo::skills::client::DownstreamClient;
use mimo::skills::spec::{Sandbox, SkillName, SkillSpec};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::machine::PYTHON;

/// The spec of a program, with generous limits.
pub fn program(name: &str, program: PathBuf, arguments: &[&str]) -> SkillSpec {
    let name = SkillName::new(name).expect("a name");
    SkillSpec {
        arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        sandbox: Sandbox {
            memory_bytes: 1 << 30,
            cpu_seconds: 60,
            processes: 64,
            open_files: 256,
            file_bytes: 1 << 30,
            disk_bytes: 1 << 30,
            ..Sandbox::default()
        },
        eager: true,
        ..SkillSpec::bare(name, program, Duration::from_secs(60))
    }
}

/// The fake skill in `mode`.
pub fn fake(name: &str, mode: &str) -> SkillSpec {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/skill.py");
    program(name, PathBuf::from(PYTHON), &[script, mode])
}

/// Starts real processes with the tests' environment.
pub struct Processes;

impl ChildLauncher for Processes {
    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let mut command = Command::new(&spec.program);
        command.args(&spec.arguments).envs(&spec.environment);
        std::future::ready(start(command)).boxed()
    }
}

fn start(mut command: Command) -> Result<Child, Failure> {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let unavailable = |error: std::io::Error| Failure::new(Kind::Unavailable, error.to_string());
    let mut process = piped.spawn().map_err(unavailable)?;
    let input = process.stdin.take().expect("its stdin");
    let output = process.stdout.take().expect("its stdout");
    let errors = process.stderr.take().expect("its stderr");
    let pid = process.id();
    let (ended, exit) = oneshot::channel();
    std::thread::spawn(move || {
        let how = process
            .wait()
            .map_or_else(|error| error.to_string(), |how| how.to_string());
        let _ = ended.send(how);
    });
    Ok(Child {
        pid,
        input: Box::new(pipe::Sender::from_owned_fd(input.into()).map_err(unavailable)?),
        output: Box::new(pipe::Receiver::from_owned_fd(output.into()).map_err(unavailable)?),
        errors: Box::new(pipe::Receiver::from_owned_fd(errors.into()).map_err(unavailable)?),
        exit: exit.map(|how| how.unwrap_or_default()).boxed(),
        control: Box::new(Signals(pid)),
    })
}

struct Signals(u32);

impl ChildControl for Signals {
    fn terminate(&mut self) {
        let _ = kill(Pid::from_raw(self.0 as i32), Signal::SIGTERM);
    }

    fn kill(&mut self) {
        let _ = kill(Pid::from_raw(self.0 as i32), Signal::SIGKILL);
    }
}

/// A client that offers some capabilities and answers with the request.
#[derive(Default)]
pub struct Client {
    pub offers: Vec<&'static str>,
}

impl DownstreamClient for Client {
    fn wait_initialized(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn capabilities(&self) -> Map<String, Value> {
        let offers = self.offers.iter();
        offers
            .map(|name| ((*name).to_owned(), Value::Object(Map::new())))
            .collect()
    }

    fn send_request(
        &self,
        skill: &SkillName,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'static, Result<Box<RawValue>, Box<RawValue>>> {
        let asked =
            serde_json::json!({"skill": skill.as_str(), "method": method, "params": params});
        let asked = RawValue::from_string(asked.to_string()).expect("JSON");
        std::future::ready(Ok(asked)).boxed()
    }

    fn notify(&self, _: &SkillName, _: &str, _: Option<&RawValue>) {}
}

/// A client without capabilities.
pub fn nobody() -> Arc<dyn DownstreamClient> {
    Arc::new(Client::default())
}
