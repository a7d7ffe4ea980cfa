//! The launcher's children as the registry wants them: pipes for the event
//! loop, an end that can be awaited, and what their sandbox reported.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::timeout;

use super::child::{Child, Control, Launch};
use super::containers;
use super::launcher::{self, Launched, Place, Supervised};
use super::logs::{Log, Logs};
use super::sandbox::policy::{Layer, Layers, Report, State};
use super::spec::{SkillName, SkillSpec};
use super::versions::Versions;
use crate::failure::{Failure, Kind};
use crate::limits::{PROGRAM_VERSION_BYTES_MAX, SANDBOX_REPORT_BYTES_MAX};

/// Starts skills in their sandboxes.
pub struct Sandboxed {
    executable: PathBuf,
    /// Holds a private folder for each skill.
    folder: PathBuf,
    strict: bool,
    logs: Logs,
    versions: Arc<Versions>,
    layers: Reported,
}

impl Sandboxed {
    /// Runs `executable` (Mimo itself) as the supervisor of each sandbox; what
    /// skills keep lies below `folder`, what they say to stderr goes to `logs`.
    pub fn new(executable: PathBuf, folder: PathBuf, strict: bool, logs: Logs) -> Sandboxed {
        Sandboxed {
            executable,
            folder,
            strict,
            logs,
            versions: Arc::default(),
            layers: Arc::default(),
        }
    }

    /// What the last sandbox of a skill reported: each layer with how far it
    /// stands, and why where that is not all the way. Null before the first.
    pub fn report(&self, skill: &SkillName) -> Value {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(layers) = layers.get(skill) else {
            return Value::Null;
        };
        let told = |(layer, state, why): &(Layer, State, String)| {
            let told = match why.is_empty() || *state == State::Enforced {
                true => state.name().to_owned(),
                false => format!("{}: {why}", state.name()),
            };
            (layer.name().to_owned(), Value::String(told))
        };
        Value::Object(layers.0.iter().map(told).collect())
    }
}

impl Launch for Sandboxed {
    fn launch(&self, spec: &SkillSpec) -> BoxFuture<'static, Result<Child, Failure>> {
        let starter = Starter {
            executable: self.executable.clone(),
            strict: self.strict,
        };
        let (folder, versions) = (self.folder.clone(), self.versions.clone());
        let (layers, spec) = (self.layers.clone(), spec.clone());
        Box::pin(async move {
            let state_folder = folder.join(spec.name.as_str());
            versions.check(&spec, &starter, &folder).await?;
            let placed = spec.placed(&state_folder.to_string_lossy());
            if spec.sandbox.docker {
                return containers::launch(placed, starter, state_folder, layers).await;
            }
            starter.start(placed, state_folder, layers).await
        })
    }

    fn log(&self, skill: &SkillName) -> Option<Log> {
        self.logs.open(skill)
    }
}

/// What the sandboxes of skills reported.
pub(super) type Reported = Arc<Mutex<BTreeMap<SkillName, Layers>>>;

/// Starts programs in sandboxes of their own.
#[derive(Clone)]
pub(super) struct Starter {
    executable: PathBuf,
    strict: bool,
}

impl Starter {
    /// Starts what `spec` says, with `state_folder` as its own.
    pub(super) async fn start(
        &self,
        spec: SkillSpec,
        state_folder: PathBuf,
        layers: Reported,
    ) -> Result<Child, Failure> {
        let (name, starter) = (spec.name.clone(), self.clone());
        let launched = tokio::task::spawn_blocking(move || {
            let place = Place {
                executable: &starter.executable,
                state_folder: &state_folder,
                strict: starter.strict,
            };
            launcher::launch(&spec, &place)
        })
        .await
        .map_err(Failure::internal)??;
        child(launched, name, layers).await
    }

    /// Runs what `spec` says to its end, within `patience`: what it wrote to
    /// stdout, or else to stderr, and how it ended.
    pub(super) async fn run(
        &self,
        spec: SkillSpec,
        state_folder: PathBuf,
        patience: Duration,
    ) -> Result<(String, String), Failure> {
        let mut child = self.start(spec, state_folder, Arc::default()).await?;
        drop(child.input);
        let read = async {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let bound = PROGRAM_VERSION_BYTES_MAX;
            let (mut output, mut errors) = (child.output.take(bound), child.errors.take(bound));
            // A pipe that breaks has told what it had.
            let _ = tokio::join!(output.read_to_end(&mut out), errors.read_to_end(&mut err));
            let told = if out.is_empty() { err } else { out };
            String::from_utf8_lossy(&told).into_owned()
        };
        let ended = timeout(patience, async { (read.await, (&mut child.exit).await) }).await;
        ended.map_err(|_| {
            child.control.kill();
            let message = format!("it did not end within {} s", patience.as_secs());
            Failure::new(Kind::Timeout, message)
        })
    }
}

async fn child(launched: Launched, name: SkillName, layers: Reported) -> Result<Child, Failure> {
    let Launched {
        stdin,
        stdout,
        stderr,
        reports,
        process,
    } = launched;
    let pid = process.pid();
    let pipes = || -> io::Result<_> {
        let reports = reports.into_socket();
        reports.set_nonblocking(true)?;
        Ok((
            Sender::from_owned_fd(OwnedFd::from(stdin))?,
            Receiver::from_owned_fd(OwnedFd::from(stdout))?,
            Receiver::from_owned_fd(OwnedFd::from(stderr))?,
            UnixStream::from_std(reports)?,
        ))
    };
    let (input, output, errors, reports) = pipes().map_err(Failure::internal)?;
    let mut reports = Reports(BufReader::new(reports));
    match reports.next().await {
        Some(Report::Started { layers: found }) => {
            let mut layers = layers.lock().unwrap_or_else(PoisonError::into_inner);
            layers.insert(name, found);
        }
        Some(Report::Failed { why, .. }) => {
            return Err(
                Failure::new(Kind::Unavailable, format!("it cannot be run: {why}"))
                    .hint("`mimo doctor` shows what the sandbox gives on this machine"),
            );
        }
        Some(Report::Killed { reason, .. }) => {
            return Err(Failure::new(
                Kind::Unavailable,
                format!("it was killed: {reason}"),
            ));
        }
        Some(Report::Ended { .. }) | None => {
            return Err(Failure::new(
                Kind::Unavailable,
                "its sandbox ended before it began",
            ));
        }
    }
    let process = Arc::new(Mutex::new(process));
    let ended = process.clone();
    Ok(Child {
        pid,
        input: Box::new(input),
        output: Box::new(output),
        errors: Box::new(errors),
        exit: Box::pin(async move {
            let how = reports.how_it_ended().await;
            // All of it is gone by now: taking the supervisor does not wait.
            let mut process = ended.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = process.wait() {
                tracing::warn!(%error, "a sandbox could not be taken");
            }
            how
        }),
        control: Box::new(Signals(process)),
    })
}

/// The reports of a sandbox on the event loop.
struct Reports(BufReader<UnixStream>);

impl Reports {
    async fn next(&mut self) -> Option<Report> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.0).take(SANDBOX_REPORT_BYTES_MAX as u64);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => None,
            Ok(_) => serde_json::from_slice(&line).ok(),
        }
    }

    /// Waits for the end of the reports; the last one that says why.
    async fn how_it_ended(&mut self) -> String {
        let mut how = "its sandbox is gone".to_owned();
        while let Some(report) = self.next().await {
            how = match report {
                Report::Killed {
                    reason,
                    measured,
                    allowed,
                } => format!("{reason} ({measured} of {allowed})"),
                // A kill is told before the end it leads to.
                Report::Ended { .. } if how != "its sandbox is gone" => how,
                Report::Ended {
                    code: Some(code), ..
                } => format!("exit code {code}"),
                Report::Ended {
                    signal: Some(signal),
                    ..
                } => format!("signal {signal}"),
                Report::Ended { .. } => "it ended".to_owned(),
                Report::Failed { why, .. } => why,
                Report::Started { .. } => how,
            };
        }
        how
    }
}

struct Signals(Arc<Mutex<Supervised>>);

impl Control for Signals {
    fn terminate(&mut self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = process.terminate() {
            tracing::debug!(%error, "a sandbox that has ended was told to end");
        }
    }

    fn kill(&mut self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = process.kill() {
            tracing::warn!(%error, "a sandbox could not be killed");
        }
    }
}
