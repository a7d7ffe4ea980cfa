//! The life of one child: started, introduced, listed, watched, stopped. Whether
//! another one follows is the table's decision.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::child::{Child, ChildControl, ChildLauncher};
use super::client::{DownstreamClient, ServerInfo, SkillClient, Tool};
use super::logs::Log;
use super::spec::SkillSpec;
use crate::failure::Failure;
use crate::limits;

/// What a job says of itself: at most one `Listed`, any number of `Relisted`
/// after it, and exactly one `Ended`, last.
pub enum JobEvent {
    /// It is ready for calls.
    Listed {
        /// The way to it.
        link: SkillClient,
        /// The process.
        pid: u32,
        /// What it said about itself.
        hello: Box<ServerInfo>,
        /// Its tools.
        tools: Arc<[Tool]>,
    },
    /// Its tools have changed.
    Relisted(Arc<[Tool]>),
    /// Its process is gone; why, in words.
    Ended(String),
}

/// A running job; dropping it stops nothing.
pub struct Job {
    stop: CancellationToken,
    tail: Arc<StderrTail>,
}

/// Where a child's stderr goes.
#[derive(Clone)]
struct StderrSinks(Arc<StderrTail>, Option<Arc<Log>>);

/// The end of a child's stderr.
#[derive(Default)]
struct StderrTail(Mutex<Vec<u8>>);

impl Job {
    /// Starts a child and tells `say` how it goes.
    pub fn start(
        spec: Arc<SkillSpec>,
        launch: &Arc<dyn ChildLauncher>,
        downstream: Arc<dyn DownstreamClient>,
        say: impl Fn(JobEvent) + Send + Sync + 'static,
    ) -> Job {
        let job = Job {
            stop: CancellationToken::new(),
            tail: Arc::default(),
        };
        let (stop, tail, launch) = (job.stop.clone(), job.tail.clone(), launch.clone());
        tokio::spawn(async move {
            let log = launch.log(&spec.name).map(Arc::new);
            let ear = StderrSinks(tail, log.clone());
            let life = live(&spec, &*launch, downstream, &stop, &ear, &say);
            let ended = AssertUnwindSafe(life).catch_unwind().await;
            let why =
                ended.unwrap_or_else(|_| "Mimo met a defect of its own while it ran it".to_owned());
            if let Some(log) = log {
                log.ended(&why);
            }
            say(JobEvent::Ended(why));
        });
        job
    }

    /// Ends it: its stdin is closed, then it is told to terminate, then killed.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The last that it wrote to stderr.
    pub fn stderr_tail(&self) -> String {
        self.tail.text()
    }
}

async fn live(
    spec: &SkillSpec,
    launch: &dyn ChildLauncher,
    downstream: Arc<dyn DownstreamClient>,
    stop: &CancellationToken,
    ear: &StderrSinks,
    say: &(impl Fn(JobEvent) + Send + Sync),
) -> String {
    let child = tokio::select! {
        biased;
        () = stop.cancelled() => return "it was stopped before it began".to_owned(),
        child = launch.launch(spec) => child,
    };
    let Child {
        pid,
        input,
        output,
        errors,
        mut exit,
        mut control,
    } = match child {
        Ok(child) => child,
        Err(failure) => return failure.to_string(),
    };
    if let Some(log) = &ear.1 {
        log.started(pid);
    }
    let heard = tokio::spawn(listen(errors, ear.clone()));
    let link = SkillClient::open(spec.name.clone(), input, output, downstream);
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Err("it was stopped".to_owned()),
        how = &mut exit => Ok(how),
        why = serve(spec, &link, pid, say) => Err(why),
    };
    link.close_stdin();
    let why = match ended {
        Ok(how) => format!("it ended: {how}"),
        Err(why) => {
            let how = wind_down(&mut exit, &mut *control).await;
            format!("{why}; {how}")
        }
    };
    // What it answered before its end is still in the pipes.
    let rest = Duration::from_millis(limits::SKILL_REST_MILLIS_MAX);
    let _ = timeout(rest, link.closed()).await;
    link.close(&why);
    let stop_listening = heard.abort_handle();
    if timeout(rest, heard).await.is_err() {
        stop_listening.abort();
    }
    // Whoever stopped it knows why; otherwise its own words tell most.
    match ear.0.last_words() {
        words if words.is_empty() || stop.is_cancelled() => why,
        words => format!("{why}; the last it wrote to stderr: {words}"),
    }
}

/// Introduces and lists it, then keeps the list up to date; ends with why it
/// cannot go on.
async fn serve(
    spec: &SkillSpec,
    link: &SkillClient,
    pid: u32,
    say: &(impl Fn(JobEvent) + Send + Sync),
) -> String {
    let patience = spec.timeouts.initialize;
    let ready = timeout(patience, async {
        let hello = link.initialize().await?;
        let tools = match hello.can("tools") {
            true => link.tools().await?,
            false => Arc::from([]),
        };
        Ok::<_, Failure>((hello, tools))
    });
    let (hello, tools) = match ready.await {
        Ok(Ok(ready)) => ready,
        Ok(Err(failure)) => return failure.message,
        Err(_) => return format!("it was not ready within {} ms", patience.as_millis()),
    };
    say(JobEvent::Listed {
        link: link.clone(),
        pid,
        hello: Box::new(hello),
        tools,
    });
    loop {
        tokio::select! {
            () = link.closed() => return "it closed its pipes".to_owned(),
            () = link.tools_changed() => {}
        }
        match timeout(patience, link.tools()).await {
            Ok(Ok(tools)) => say(JobEvent::Relisted(tools)),
            // Its tools are unknown from here on, so none of them may be called.
            Ok(Err(failure)) => return failure.message,
            Err(_) => return "it announced other tools and did not list them".to_owned(),
        }
        sleep(Duration::from_millis(limits::SKILL_RELIST_MILLIS_MAX)).await;
    }
}

/// Waits for its end, asking ever more firmly.
async fn wind_down(
    exit: &mut (impl Future<Output = String> + Unpin),
    control: &mut dyn ChildControl,
) -> String {
    let close = Duration::from_millis(limits::SKILL_CLOSE_MILLIS_MAX);
    if let Ok(how) = timeout(close, &mut *exit).await {
        return how;
    }
    control.terminate();
    let terminate = Duration::from_millis(limits::SKILL_TERMINATE_MILLIS_MAX);
    if let Ok(how) = timeout(terminate, &mut *exit).await {
        return how;
    }
    control.kill();
    exit.await
}

async fn listen(
    mut errors: Box<dyn AsyncRead + Send + Unpin>,
    StderrSinks(tail, log): StderrSinks,
) {
    let mut buffer = vec![0; limits::SKILL_STDERR_BYTES_MAX];
    let mut since_pause = 0;
    while let Ok(bytes @ 1..) = errors.read(&mut buffer).await {
        tail.keep(&buffer[..bytes]);
        if let Some(log) = &log {
            log.heard(&buffer[..bytes]);
        }
        since_pause += bytes;
        if since_pause > limits::SKILL_IDLE_BYTES_MAX {
            since_pause = 0;
            sleep(Duration::from_millis(limits::SKILL_PAUSE_MILLIS_MAX)).await;
        }
    }
}

impl StderrTail {
    fn keep(&self, more: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = &more[more.len().saturating_sub(limits::SKILL_STDERR_BYTES_MAX)..];
        let excess = (kept.len() + more.len()).saturating_sub(limits::SKILL_STDERR_BYTES_MAX);
        kept.drain(..excess);
        kept.extend_from_slice(more);
    }

    /// The last lines, as many as belong into a message.
    fn last_words(&self) -> String {
        let text = self.text();
        let mut from = text
            .len()
            .saturating_sub(limits::SKILL_LAST_WORDS_BYTES_MAX);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        text[from..].trim().to_owned()
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}
