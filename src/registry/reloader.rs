//! Keeps the skills as their manifest says while Mimo serves: a change of the
//! file, a hangup signal or a command begins a reload, one at a time. What a
//! reload does is the table's decision.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};

use super::file_watch::Watch;
use super::instances::{Command, Mailbox, PendingCommand};
use super::{Registry, table::ReloadOutcome};
use crate::failure::{Failure, Kind};
use crate::skills::manifest::source::Source;

/// Why the manifest is not in use, if it is not; shared with who tells it.
#[derive(Clone, Default)]
pub struct ManifestProblem(Arc<Mutex<Option<String>>>);

impl ManifestProblem {
    /// The problem now.
    pub fn get(&self) -> Option<String> {
        let problem = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }

    /// Another one, or none.
    pub fn set(&self, problem: Option<String>) {
        if let Some(problem) = &problem {
            tracing::error!("{problem}");
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// Reloads the skills of one registry.
pub struct Reloader {
    registry: Arc<Registry>,
    source: Arc<Source>,
    problem: ManifestProblem,
    /// Why nothing may be run, whatever the manifest says.
    barred: Option<String>,
    reload_requested: Notify,
    /// The way to whoever follows the manifest, once someone does.
    calls: Mutex<Option<mpsc::Sender<Reply>>>,
}

/// What became of a reload.
type Told = Result<Value, Failure>;

/// Where that is told in this process.
type Reply = oneshot::Sender<Told>;

/// Who waits for a reload.
enum Waiting {
    Nobody,
    /// A command, in its own process.
    Command(PendingCommand),
    /// A call of a tool.
    Call(Reply),
}

/// A reload on its way, and who waits for it.
type Reload<'a> = Pin<Box<dyn Future<Output = (Told, Waiting)> + Send + 'a>>;

impl Reloader {
    /// Keeps `registry` as `source` says, and `problem` up to date; keeps it
    /// empty where it is `barred`, for the reason given.
    pub fn new(
        registry: Arc<Registry>,
        source: Arc<Source>,
        problem: ManifestProblem,
        barred: Option<String>,
    ) -> Reloader {
        Reloader {
            registry,
            source,
            problem,
            barred,
            reload_requested: Notify::new(),
            calls: Mutex::default(),
        }
    }

    /// Reloads as a hangup does, and tells what came of it; the reload goes on
    /// where that is no longer waited for.
    pub async fn call(&self) -> Result<Value, Failure> {
        let way = self
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let nobody = || {
            Failure::new(
                Kind::Unavailable,
                "nothing is served here that could be reloaded",
            )
            .hint("`mimo skill reload` has the running Mimos reload")
        };
        let (reply, told) = oneshot::channel();
        let way = way.ok_or_else(nobody)?;
        way.send(reply).await.map_err(|_| nobody())?;
        told.await.map_err(|_| nobody())?
    }

    /// Asks for a reload, as SIGHUP does; false where there is nothing that
    /// could be reloaded.
    pub fn request_reload(&self) -> bool {
        let something =
            self.source.path().symlink_metadata().is_ok() || !self.registry.statuses().is_empty();
        if something {
            self.reload_requested.notify_one();
        }
        something
    }

    /// Reloads whenever there is a reason, until it is dropped. Commands reach
    /// it through `mailbox`.
    pub async fn run(&self, mailbox: Option<Mailbox>) {
        let mut files = vec![self.source.path().to_owned()];
        files.extend(mailbox.iter().map(|mailbox| mailbox.folder().to_owned()));
        let mut watch = Watch::new(files);
        let mut reload: Option<Reload<'_>> = None;
        let (way, mut calls) = mpsc::channel(1);
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
        loop {
            watch.arm();
            for request in mailbox.iter().flat_map(Mailbox::take_commands) {
                let answer = match request.command {
                    Command::Approvals => self.take_approvals().await,
                    Command::Reload if reload.is_none() => {
                        reload = Some(self.begin("a command", Waiting::Command(request)));
                        continue;
                    }
                    Command::Reload => refused(&in_progress()),
                };
                if let Some(mailbox) = &mailbox {
                    mailbox.answer(&request, &answer);
                }
            }
            // A change during a reload is found after it.
            if reload.is_none() && self.source.has_changed() {
                reload = Some(self.begin("a change of the file", Waiting::Nobody));
            }
            tokio::select! {
                () = watch.changed() => {}
                () = self.reload_requested.notified() => match reload {
                    None => reload = Some(self.begin("a hangup signal", Waiting::Nobody)),
                    Some(_) => tracing::warn!("{}", in_progress()),
                },
                Some(reply) = calls.recv() => match reload {
                    None => reload = Some(self.begin("a call", Waiting::Call(reply))),
                    // Whoever called may have gone, here and below.
                    Some(_) => drop(reply.send(Err(in_progress()))),
                },
                (told, waiting) = ended(&mut reload) => {
                    reload = None;
                    match (waiting, &mailbox) {
                        (Waiting::Command(request), Some(mailbox)) => {
                            let told = told.unwrap_or_else(|failure| refused(&failure));
                            mailbox.answer(&request, &told);
                        }
                        (Waiting::Call(reply), _) => drop(reply.send(told)),
                        _ => {}
                    }
                }
            }
        }
    }

    fn begin(&self, why: &'static str, waiting: Waiting) -> Reload<'_> {
        Box::pin(async move {
            let told = self.reload().await.map(|outcome| document(&outcome));
            match &told {
                Ok(told) => tracing::info!(why, outcome = %told, "the skills were reloaded"),
                Err(failure) => {
                    tracing::error!(why, "the skills were not reloaded: {failure}");
                }
            }
            (told, waiting)
        })
    }

    /// Loads the manifest and, if all of it is right, makes its skills the
    /// skills. Nothing changes otherwise.
    async fn reload(&self) -> Result<ReloadOutcome, Failure> {
        if let Some(why) = &self.barred {
            // Not again for the same file.
            let _ = self.source.load();
            return Err(
                Failure::new(Kind::Unavailable, why.clone()).hint("start Mimo again after that")
            );
        }
        let source = self.source.clone();
        let loaded = tokio::task::spawn_blocking(move || source.load()).await;
        let specs = match loaded.map_err(Failure::internal)? {
            Ok(manifest) => manifest.enabled(),
            Err(refusals) => {
                let problem = self.source.problem(&refusals);
                self.problem.set(Some(problem.clone()));
                return Err(Failure::new(Kind::Refused, problem)
                    .hint("the skills are those of before; correct the file"));
            }
        };
        let outcome = self.registry.reload(specs).await?;
        self.problem.set(None);
        Ok(outcome)
    }

    async fn take_approvals(&self) -> Value {
        match self.registry.take_approvals().await {
            Ok(()) => json!({"ok": true}),
            Err(failure) => refused(&failure),
        }
    }
}

/// Waits for the end of `reload`, for ever where there is none.
async fn ended(reload: &mut Option<Reload<'_>>) -> (Told, Waiting) {
    match reload {
        Some(reload) => reload.await,
        None => std::future::pending().await,
    }
}

/// What is answered to a reload while another one goes on.
pub(super) fn in_progress() -> Failure {
    Failure::new(
        Kind::Conflict,
        "reload_in_progress: the skills are being reloaded",
    )
    .hint("wait until mimo_status shows them running, then reload again")
}

fn refused(failure: &Failure) -> Value {
    let mut document = failure.document();
    document["ok"] = json!(false);
    document
}

fn document(outcome: &ReloadOutcome) -> Value {
    let names = |names: &[crate::skills::spec::SkillName]| -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    };
    let failed = outcome.failed.iter();
    let failed = failed.map(|(name, why)| (name.to_string(), json!(why)));
    json!({
        "ok": true,
        "generation": outcome.generation,
        "kept": names(&outcome.kept),
        "started": names(&outcome.started),
        "stopped": names(&outcome.stopped),
        "replaced": names(&outcome.replaced),
        "failed": failed.collect::<serde_json::Map<_, _>>(),
    })
}
