//! Keeps the skills in step with their manifest while Mimo serves. A change of
//! the file, a SIGHUP, a tool call or a command begins a reload, one at a time.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};

use super::file_watch::FileWatch;
use super::instances::{Command, Mailbox, PendingCommand};
use super::{Registry, table::ReloadOutcome};
use crate::failure::{Failure, Kind};
use crate::meter::skills as metrics;
use crate::skills::manifest::source::Source;
use crate::skills::spec::SkillName;

/// Why the manifest, or a skill in it, is not in use. Shared with the status.
#[derive(Clone, Default)]
pub(crate) struct ManifestProblem {
    problem: Arc<Mutex<Option<String>>>,
    disabled: Arc<Mutex<BTreeSet<SkillName>>>,
}

impl ManifestProblem {
    pub(crate) fn get(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }

    pub(crate) fn is_disabled(&self, skill: &SkillName) -> bool {
        let disabled = self.disabled.lock().unwrap_or_else(PoisonError::into_inner);
        disabled.contains(skill)
    }

    pub(crate) fn set_disabled(&self, skills: BTreeSet<SkillName>) {
        *self.disabled.lock().unwrap_or_else(PoisonError::into_inner) = skills;
    }

    pub(crate) fn set(&self, problem: Option<String>) {
        if let Some(problem) = &problem {
            tracing::error!("{problem}");
        }
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// Reloads the skills of one registry.
pub(crate) struct Reloader {
    registry: Arc<Registry>,
    source: Arc<Source>,
    problem: ManifestProblem,
    requested: Notify,
    /// Reaches [`Reloader::run`] once that runs.
    senders: Mutex<Option<ReloadSenders>>,
}

#[derive(Clone)]
struct ReloadSenders {
    /// Refused while a reload is under way.
    calls: mpsc::Sender<Reply>,
    /// Queued until the running one ends.
    turns: mpsc::Sender<Reply>,
}

/// The outcome of a reload as a document.
type ReloadResult = Result<Value, Failure>;
type Reply = oneshot::Sender<ReloadResult>;

/// A requester that waits for a reload.
enum Requester {
    Internal,
    /// A command in another process.
    Command(PendingCommand),
    /// A tool call, or a reload of all nodes.
    Call(Reply),
}

/// A reload under way, and its requesters.
type Reload<'a> = Pin<Box<dyn Future<Output = (ReloadResult, Requester)> + Send + 'a>>;

impl Reloader {
    /// Keeps `registry` in step with `source`, and `problem` up to date.
    pub(crate) fn new(
        registry: Arc<Registry>,
        source: Arc<Source>,
        problem: ManifestProblem,
    ) -> Reloader {
        Reloader {
            registry,
            source,
            problem,
            requested: Notify::new(),
            senders: Mutex::default(),
        }
    }

    /// Reloads and returns the outcome. The reload continues even if the caller stops
    /// waiting.
    pub(crate) async fn reload(&self) -> Result<Value, Failure> {
        self.asked(|senders| senders.calls).await
    }

    /// The same, after any reload that is under way.
    pub(super) async fn reload_in_turn(&self) -> Result<Value, Failure> {
        self.asked(|senders| senders.turns).await
    }

    /// A digest of the current manifest file.
    pub(crate) fn manifest_digest(&self) -> String {
        self.source.digest()
    }

    async fn asked(
        &self,
        inlet: fn(ReloadSenders) -> mpsc::Sender<Reply>,
    ) -> Result<Value, Failure> {
        let senders = self
            .senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let not_serving = || {
            Failure::new(Kind::Unavailable, "this process serves no skills")
                .hint("`mimo skill reload` has the running Mimos reload")
        };
        let (reply, outcome) = oneshot::channel();
        let inlet = inlet(senders.ok_or_else(not_serving)?);
        inlet.send(reply).await.map_err(|_| not_serving())?;
        outcome.await.map_err(|_| not_serving())?
    }

    /// Asks for a reload, as SIGHUP does; false where nothing could be reloaded.
    pub(crate) fn request_reload(&self) -> bool {
        let manifest_exists = self.source.path().symlink_metadata().is_ok();
        let reloadable = manifest_exists || !self.registry.statuses().is_empty();
        if reloadable {
            self.requested.notify_one();
        }
        reloadable
    }

    /// Reloads whenever there is a reason, until it is dropped. Commands arrive
    /// through `mailbox`.
    pub(crate) async fn run(&self, mailbox: Option<Mailbox>) {
        let mut files = vec![self.source.path().to_owned()];
        files.extend(mailbox.iter().map(|mailbox| mailbox.folder().to_owned()));
        let mut watch = FileWatch::new(files);
        let mut reload: Option<Reload<'_>> = None;
        let (call_sender, mut calls) = mpsc::channel(1);
        let (turn_sender, mut turns) = mpsc::channel(1);
        *self.senders.lock().unwrap_or_else(PoisonError::into_inner) = Some(ReloadSenders {
            calls: call_sender,
            turns: turn_sender,
        });
        loop {
            watch.arm();
            for command in mailbox.iter().flat_map(Mailbox::take_commands) {
                let answer = match command.command {
                    Command::Approvals => match self.refresh_approvals().await {
                        Ok(()) => json!({"ok": true}),
                        Err(failure) => failed(&failure),
                    },
                    Command::Reload if reload.is_none() => {
                        reload = Some(self.begin("a command", Requester::Command(command)));
                        continue;
                    }
                    Command::Reload => failed(&in_progress()),
                };
                if let Some(mailbox) = &mailbox {
                    mailbox.answer(&command, &answer);
                }
            }
            // A change during a reload is found after it.
            if reload.is_none() && self.source.has_changed() {
                reload = Some(self.begin("a change of the file", Requester::Internal));
            }
            tokio::select! {
                () = watch.changed() => {}
                () = self.requested.notified() => match reload {
                    None => reload = Some(self.begin("a hangup signal", Requester::Internal)),
                    Some(_) => tracing::warn!("{}", in_progress()),
                },
                Some(reply) = calls.recv() => match reload {
                    None => reload = Some(self.begin("a call", Requester::Call(reply))),
                    // The caller may have gone, here and below.
                    Some(_) => drop(reply.send(Err(in_progress()))),
                },
                Some(reply) = turns.recv(), if reload.is_none() => {
                    reload = Some(self.begin("another Mimo", Requester::Call(reply)));
                }
                (outcome, requester) = end_of(&mut reload) => {
                    reload = None;
                    match (requester, &mailbox) {
                        (Requester::Command(command), Some(mailbox)) => {
                            let answer = outcome.unwrap_or_else(|failure| failed(&failure));
                            mailbox.answer(&command, &answer);
                        }
                        (Requester::Call(reply), _) => drop(reply.send(outcome)),
                        _ => {}
                    }
                }
            }
        }
    }

    fn begin(&self, why: &'static str, requester: Requester) -> Reload<'_> {
        Box::pin(async move {
            let outcome = self.load_manifest().await;
            count(&outcome);
            let outcome = outcome.map(|outcome| document(&outcome));
            match &outcome {
                Ok(outcome) => tracing::info!(why, outcome = %outcome, "the skills were reloaded"),
                Err(failure) => {
                    tracing::error!(why, "the skills were not reloaded: {failure}");
                }
            }
            (outcome, requester)
        })
    }

    /// Loads the manifest and replaces the skills by those of its valid entries.
    async fn load_manifest(&self) -> Result<ReloadOutcome, Failure> {
        let source = self.source.clone();
        let loaded = tokio::task::spawn_blocking(move || source.load()).await;
        let manifest = match loaded.map_err(Failure::internal)? {
            Ok(manifest) => manifest,
            Err(refusals) => {
                let problem = self.source.problem(&refusals);
                self.problem.set(Some(problem.clone()));
                return Err(Failure::new(Kind::Refused, problem)
                    .hint("the skills stay as they are; correct the file"));
            }
        };
        self.problem.set_disabled(manifest.disabled());
        let mut specs = manifest.enabled();
        // A refused entry does not stop what ran before it was changed.
        let refused = manifest
            .refused
            .iter()
            .filter_map(|entry| entry.name.as_ref());
        specs.extend(refused.filter_map(|name| self.registry.0.spec(name)));
        let outcome = self.registry.reload(specs).await?;
        self.problem.set(self.source.refused_entries(&manifest));
        Ok(outcome)
    }

    pub(super) async fn refresh_approvals(&self) -> Result<(), Failure> {
        self.registry.refresh_approvals().await
    }
}

fn count(reload: &Result<ReloadOutcome, Failure>) {
    let label = match reload {
        Err(_) => metrics::ReloadOutcome::Failed,
        Ok(outcome) if !outcome.failed.is_empty() => metrics::ReloadOutcome::Partial,
        Ok(_) => metrics::ReloadOutcome::Ok,
    };
    metrics::RELOADS.increment(label);
    if let Ok(outcome) = reload {
        let generation = i64::try_from(outcome.generation).unwrap_or(i64::MAX);
        metrics::RELOAD_GENERATION.set((), generation);
        metrics::RELOAD_LAST.set_now();
    }
}

/// Waits for the end of `reload`; never returns if there is none.
async fn end_of(reload: &mut Option<Reload<'_>>) -> (ReloadResult, Requester) {
    match reload {
        Some(reload) => reload.await,
        None => std::future::pending().await,
    }
}

/// The answer to a reload while another one is under way.
pub(super) fn in_progress() -> Failure {
    Failure::new(
        Kind::Conflict,
        "reload_in_progress: the skills are being reloaded",
    )
    .hint("wait until mimo_status shows them running, then reload again")
}

pub(super) fn failed(failure: &Failure) -> Value {
    let mut document = failure.document();
    document["ok"] = json!(false);
    document
}

fn document(outcome: &ReloadOutcome) -> Value {
    let names =
        |names: &[SkillName]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
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
