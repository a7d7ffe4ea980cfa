//! Keeps the skills as their manifest says while Mimo serves: a change of the
//! file, a hangup signal or a command begins a reload, one at a time. What a
//! reload does is the table's decision.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::changes::Watch;
use super::mailbox::{Ask, Mailbox, Wish};
use super::{Registry, table::Outcome};
use crate::failure::{Failure, Kind};
use crate::skills::manifest::source::Source;

/// Why the manifest is not in use, if it is not; shared with who tells it.
#[derive(Clone, Default)]
pub struct Problem(Arc<Mutex<Option<String>>>);

impl Problem {
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
    problem: Problem,
    /// Why nothing may be run, whatever the manifest says.
    barred: Option<String>,
    hung_up: Notify,
}

/// A reload on its way, and who waits for it.
type Reload<'a> = Pin<Box<dyn Future<Output = (Value, Option<Ask>)> + Send + 'a>>;

impl Reloader {
    /// Keeps `registry` as `source` says, and `problem` up to date; keeps it
    /// empty where it is `barred`, for the reason given.
    pub fn new(
        registry: Arc<Registry>,
        source: Arc<Source>,
        problem: Problem,
        barred: Option<String>,
    ) -> Reloader {
        Reloader {
            registry,
            source,
            problem,
            barred,
            hung_up: Notify::new(),
        }
    }

    /// Asks for a reload, as SIGHUP does; false where there is nothing that
    /// could be reloaded.
    pub fn hang_up(&self) -> bool {
        let something =
            self.source.path().symlink_metadata().is_ok() || !self.registry.statuses().is_empty();
        if something {
            self.hung_up.notify_one();
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
        loop {
            watch.arm();
            for ask in mailbox.iter().flat_map(Mailbox::asks) {
                let answer = match ask.wish {
                    Wish::Approvals => self.take_approvals().await,
                    Wish::Reload if reload.is_none() => {
                        reload = Some(self.begin("a command", Some(ask)));
                        continue;
                    }
                    Wish::Reload => refused(&in_progress()),
                };
                if let Some(mailbox) = &mailbox {
                    mailbox.answer(&ask, &answer);
                }
            }
            // A change during a reload is found after it.
            if reload.is_none() && self.source.has_changed() {
                reload = Some(self.begin("a change of the file", None));
            }
            tokio::select! {
                () = watch.changed() => {}
                () = self.hung_up.notified() => match reload {
                    None => reload = Some(self.begin("a hangup signal", None)),
                    Some(_) => tracing::warn!("{}", in_progress()),
                },
                (told, ask) = ended(&mut reload) => {
                    reload = None;
                    if let (Some(mailbox), Some(ask)) = (&mailbox, &ask) {
                        mailbox.answer(ask, &told);
                    }
                }
            }
        }
    }

    fn begin(&self, why: &'static str, ask: Option<Ask>) -> Reload<'_> {
        Box::pin(async move {
            let told = match self.reload().await {
                Ok(outcome) => {
                    let told = document(&outcome);
                    tracing::info!(why, outcome = %told, "the skills were reloaded");
                    told
                }
                Err(failure) => {
                    tracing::error!(why, "the skills were not reloaded: {failure}");
                    refused(&failure)
                }
            };
            (told, ask)
        })
    }

    /// Loads the manifest and, if all of it is right, makes its skills the
    /// skills. Nothing changes otherwise.
    async fn reload(&self) -> Result<Outcome, Failure> {
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
async fn ended(reload: &mut Option<Reload<'_>>) -> (Value, Option<Ask>) {
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

fn document(outcome: &Outcome) -> Value {
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
