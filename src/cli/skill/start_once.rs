//! Starts a skill only to read its answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::failure::{Failure, Kind};
use crate::skills::child::ChildLauncher;
use crate::skills::client::{NoClient, ServerInfo, Tool};
use crate::skills::job::{Job, JobEvent};
use crate::skills::spec::SkillSpec;

/// The skill's answers to `initialize` and `tools/list`.
pub(in crate::cli) struct Answer {
    pub(in crate::cli) after: Duration,
    pub(in crate::cli) server: Box<ServerInfo>,
    pub(in crate::cli) tools: Arc<[Tool]>,
}

/// Starts the skill, waits for its tools, and ends it.
pub(in crate::cli) async fn start_once(
    spec: SkillSpec,
    launcher: Arc<dyn ChildLauncher>,
) -> Result<Answer, Failure> {
    let name = spec.name.clone();
    let (sender, mut events) = mpsc::unbounded_channel();
    let began = Instant::now();
    let job = Job::start(
        Arc::new(spec),
        &launcher,
        Arc::new(NoClient),
        move |event| {
            // The receiver outlives the job.
            let _ = sender.send(event);
        },
    );
    let (mut answer, mut ended) = (None, String::new());
    while let Some(event) = events.recv().await {
        match event {
            JobEvent::Listed { server, tools, .. } => {
                let after = began.elapsed();
                answer = Some(Answer {
                    after,
                    server,
                    tools,
                });
                job.stop();
            }
            JobEvent::Relisted(_) => {}
            JobEvent::Ended(why) => {
                ended = why;
                break;
            }
        }
    }
    answer.ok_or_else(|| {
        let message = format!("the skill {name} does not work: {ended}");
        let hint = format!("`mimo skill logs {name}` shows everything that it wrote to stderr");
        Failure::new(Kind::Unavailable, message).hint(hint)
    })
}
