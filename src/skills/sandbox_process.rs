//! One program in one sandbox, on the event loop: its pipes, an end that can be
//! awaited, and the sandbox's reports.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::timeout;

use super::child::{Child, ChildControl};
use super::sandbox::policy::{Layers, Report};
use super::spec::{SkillName, SkillSpec};
use super::supervised::{self, LaunchSettings, Launched, Supervised};
use crate::failure::{Failure, Kind};
use crate::limits::{PROGRAM_VERSION_BYTES_MAX, SANDBOX_REPORT_BYTES_MAX};

/// The last layer report of each skill's sandbox.
pub(super) type LayerReports = Arc<Mutex<BTreeMap<SkillName, Layers>>>;

/// Starts programs, each in a sandbox of its own.
#[derive(Clone)]
pub(super) struct Starter {
    pub(super) executable: PathBuf,
    /// Nothing runs unless every layer is enforced.
    pub(super) strict: bool,
}

impl Starter {
    /// Starts the program of `spec` with `state_folder` as its private folder.
    pub(super) async fn start(
        &self,
        spec: SkillSpec,
        state_folder: PathBuf,
        reports: LayerReports,
    ) -> Result<Child, Failure> {
        let (name, starter) = (spec.name.clone(), self.clone());
        let launched = tokio::task::spawn_blocking(move || {
            let settings = LaunchSettings {
                executable: &starter.executable,
                state_folder: &state_folder,
                strict: starter.strict,
            };
            supervised::launch(&spec, &settings)
        })
        .await
        .map_err(Failure::internal)??;
        into_child(launched, name, reports).await
    }

    /// Runs the program of `spec` to its end. Returns its stdout, or its stderr if
    /// stdout is empty, and how it ended. Fails with Timeout after `limit`.
    pub(super) async fn run(
        &self,
        spec: SkillSpec,
        state_folder: PathBuf,
        limit: Duration,
    ) -> Result<(String, String), Failure> {
        let reports = LayerReports::default();
        let mut child = self.start(spec, state_folder, reports).await?;
        drop(child.input);
        let read = async {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let bound = PROGRAM_VERSION_BYTES_MAX;
            let (mut output, mut errors) = (child.output.take(bound), child.errors.take(bound));
            // A broken pipe still delivered what came before.
            let _ = tokio::join!(output.read_to_end(&mut out), errors.read_to_end(&mut err));
            let text = if out.is_empty() { err } else { out };
            String::from_utf8_lossy(&text).into_owned()
        };
        let ended = timeout(limit, async { (read.await, (&mut child.exit).await) }).await;
        ended.map_err(|_| {
            child.control.kill();
            let message = format!("the program did not end within {} s", limit.as_secs());
            Failure::new(Kind::Timeout, message)
        })
    }
}

async fn into_child(
    launched: Launched,
    name: SkillName,
    layer_reports: LayerReports,
) -> Result<Child, Failure> {
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
        Some(Report::Started { layers }) => {
            let mut reports = layer_reports.lock().unwrap_or_else(PoisonError::into_inner);
            reports.insert(name, layers);
        }
        Some(Report::Failed { why, .. }) => {
            return Err(
                Failure::new(Kind::Unavailable, format!("it cannot be run: {why}"))
                    .hint("`mimo doctor` shows what the sandbox can do on this machine"),
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
            // The whole tree is gone by now, so this does not block.
            let mut process = ended.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = process.wait() {
                tracing::warn!(%error, "a sandbox could not be reaped");
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

    /// Reads the reports to their end; gives the reason of the end.
    async fn how_it_ended(&mut self) -> String {
        let mut how = "its sandbox is gone".to_owned();
        while let Some(report) = self.next().await {
            how = match report {
                Report::Killed {
                    reason, allowed: 0, ..
                } => reason.to_string(),
                Report::Killed {
                    reason,
                    measured,
                    allowed,
                } => format!("{reason} ({measured} of {allowed})"),
                // A kill is reported before the end that it leads to.
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

impl ChildControl for Signals {
    fn terminate(&mut self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = process.terminate() {
            tracing::debug!(%error, "a sandbox had ended before it was asked to");
        }
    }

    fn kill(&mut self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = process.kill() {
            tracing::warn!(%error, "a sandbox could not be killed");
        }
    }
}
