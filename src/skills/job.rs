//! The life of one child: started, initialized, listed, watched, stopped. The
//! registry's table decides whether another one follows.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::child::{Child, ChildControl, ChildLauncher};
use super::client::{DownstreamClient, ServerInfo, SkillClient, Tool};
use super::logs::Log;
use super::spec::SkillSpec;
use crate::diagnostics::clip;
use crate::failure::Failure;
use crate::limits;
use crate::secret::Redaction;

/// At most one `Listed`, any number of `Relisted` after it, and exactly one
/// `Ended`, which comes last.
pub enum JobEvent {
    /// The skill is ready for calls.
    Listed {
        client: SkillClient,
        pid: u32,
        server: Box<ServerInfo>,
        tools: Arc<[Tool]>,
    },
    /// The skill has listed its tools again.
    Relisted(Arc<[Tool]>),
    /// The process is gone; why.
    Ended(String),
}

/// A running job. Dropping it stops nothing.
pub struct Job {
    stop: CancellationToken,
    tail: Arc<StderrTail>,
}

/// Stores a child's stderr.
#[derive(Clone)]
struct StderrSinks {
    tail: Arc<StderrTail>,
    log: Option<Arc<Log>>,
}

/// The end of a child's stderr.
#[derive(Default)]
struct StderrTail(Mutex<Vec<u8>>);

impl Job {
    /// Starts a child and reports its life to `on_event`.
    pub fn start(
        spec: Arc<SkillSpec>,
        launcher: &Arc<dyn ChildLauncher>,
        downstream: Arc<dyn DownstreamClient>,
        on_event: impl Fn(JobEvent) + Send + Sync + 'static,
    ) -> Job {
        let job = Job {
            stop: CancellationToken::new(),
            tail: Arc::default(),
        };
        let (stop, tail, launcher) = (job.stop.clone(), job.tail.clone(), launcher.clone());
        tokio::spawn(async move {
            let log = launcher.log(&spec.name).map(Arc::new);
            let sinks = StderrSinks {
                tail,
                log: log.clone(),
            };
            let life = live(&spec, &*launcher, downstream, &stop, &sinks, &on_event);
            let ended = AssertUnwindSafe(life).catch_unwind().await;
            let why = ended.unwrap_or_else(|_| "an internal error in Mimo ended it".to_owned());
            let why = spec.secrets.redact(&why).into_owned();
            if let Some(log) = log {
                log.ended(&why);
            }
            on_event(JobEvent::Ended(why));
        });
        job
    }

    /// Ends the child: closes its stdin, then sends SIGTERM, then SIGKILL.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The end of what it wrote to stderr.
    pub fn stderr_tail(&self) -> String {
        self.tail.text()
    }
}

/// Runs the child to its end; gives the reason.
async fn live(
    spec: &SkillSpec,
    launcher: &dyn ChildLauncher,
    downstream: Arc<dyn DownstreamClient>,
    stop: &CancellationToken,
    sinks: &StderrSinks,
    on_event: &(impl Fn(JobEvent) + Send + Sync),
) -> String {
    static STARTS: Semaphore = Semaphore::const_new(limits::STARTS_AT_A_TIME_MAX);
    let begin = async {
        launcher.prepare(spec).await?;
        let start = STARTS.acquire().await.map_err(Failure::internal)?;
        Ok::<_, Failure>((launcher.launch(spec).await?, start))
    };
    let begun = tokio::select! {
        biased;
        () = stop.cancelled() => return "it was stopped before it began".to_owned(),
        begun = begin => begun,
    };
    let (child, start) = match begun {
        Ok(begun) => begun,
        Err(failure) => return failure.to_string(),
    };
    let Child {
        pid,
        input,
        output,
        errors,
        mut exit,
        mut control,
    } = child;
    if let Some(log) = &sinks.log {
        log.started(pid);
    }
    let redaction = Redaction::of(spec.secrets.clone());
    let stderr = tokio::spawn(read_stderr(errors, redaction, sinks.clone()));
    let log = sinks.log.clone();
    let on_junk = Box::new(move |line: &str| {
        if let Some(log) = &log {
            log.append(format!("(stdout, no message) {line}\n").as_bytes());
        }
    });
    let client = SkillClient::open(spec, input, output, downstream, on_junk);
    let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Err("it was stopped".to_owned()),
            how = &mut exit => Ok(how),
        why = serve(spec, &client, pid, start, on_event) => Err(why),
        () = client.closed() => Err("it closed its pipes".to_owned()),
        () = client.unresponsive() => {
            let count = limits::SKILL_SILENT_TIMEOUTS_MAX;
            Err(format!("it left {count} calls in a row unanswered and sent nothing"))
        }
    };
    client.close_stdin();
    let why = match ended {
        Ok(how) => format!("it ended: {how}"),
        Err(why) => {
            let how = end(&mut exit, &mut *control).await;
            format!("{why}; {how}")
        }
    };
    // Answers that it sent before its end are still in the pipes.
    let rest = Duration::from_millis(limits::SKILL_EXIT_OUTPUT_MILLIS_MAX);
    let _ = timeout(rest, client.closed()).await;
    client.close(&why);
    let stop_reading = stderr.abort_handle();
    if timeout(rest, stderr).await.is_err() {
        stop_reading.abort();
    }
    // Its own words tell most, unless it was stopped.
    match sinks.tail.last_words() {
        words if words.is_empty() || stop.is_cancelled() => why,
        words => format!("{why}; it wrote to stderr: {words}"),
    }
}

/// Initializes the skill and keeps its tool list up to date, until it cannot go
/// on; gives the reason.
async fn serve(
    spec: &SkillSpec,
    client: &SkillClient,
    pid: u32,
    start: SemaphorePermit<'static>,
    on_event: &(impl Fn(JobEvent) + Send + Sync),
) -> String {
    let limit = spec.timeouts.initialize;
    let ready = timeout(limit, async {
        let server = client.initialize().await?;
        let tools = match server.has_capability("tools") {
            true => client.tools().await?,
            false => Arc::from([]),
        };
        Ok::<_, Failure>((server, tools))
    });
    let ready = ready.await;
    drop(start);
    let (server, tools) = match ready {
        Ok(Ok(ready)) => ready,
        Ok(Err(failure)) => return failure.message,
        Err(_) => {
            return format!(
                "it was not ready within {} ms; timeouts.initialize_s in its entry gives it longer",
                limit.as_millis()
            );
        }
    };
    on_event(JobEvent::Listed {
        client: client.clone(),
        pid,
        server: Box::new(server),
        tools,
    });
    let mut relists = RelistLimiter::default();
    loop {
        client.tools_changed().await;
        if let Some(until) = relists.next(Instant::now()) {
            tracing::warn!(skill = %spec.name, "its tools change too often; they are read later");
            sleep_until(until).await;
        }
        match timeout(limit, client.tools()).await {
            Ok(Ok(tools)) => on_event(JobEvent::Relisted(tools)),
            // Its tools are unknown now, so none of them may be called.
            Ok(Err(failure)) => return failure.message,
            Err(_) => return "it announced other tools and did not list them".to_owned(),
        }
        sleep(Duration::from_millis(limits::SKILL_RELIST_MILLIS_MAX)).await;
    }
}

/// Limits how often a tool list is read in a minute.
#[derive(Default)]
struct RelistLimiter {
    since: Option<Instant>,
    count: u32,
}

impl RelistLimiter {
    /// Counts one more read; when it may take place, if not at once.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        const MINUTE: Duration = Duration::from_secs(60);
        let since = *self.since.get_or_insert(now);
        let end = since + MINUTE;
        let late = self.count >= limits::SKILL_RELISTS_A_MINUTE_MAX && now < end;
        if late || now >= end {
            *self = RelistLimiter {
                since: Some(now.max(end)),
                count: 0,
            };
        }
        self.count += 1;
        late.then_some(end)
    }
}

/// Ends the child, first by SIGTERM and then by SIGKILL; returns how it ended.
async fn end(
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

async fn read_stderr(
    mut errors: Box<dyn AsyncRead + Send + Unpin>,
    mut redaction: Redaction,
    sinks: StderrSinks,
) {
    let mut buffer = vec![0; limits::SKILL_STDERR_BYTES_MAX];
    let mut since_pause = 0;
    while let Ok(bytes @ 1..) = errors.read(&mut buffer).await {
        sinks.append(&redaction.pass(&buffer[..bytes]));
        since_pause += bytes;
        if since_pause > limits::SKILL_UNSOLICITED_BYTES_MAX {
            since_pause = 0;
            sleep(Duration::from_millis(limits::SKILL_PAUSE_MILLIS_MAX)).await;
        }
    }
    sinks.append(&redaction.end());
}

impl StderrSinks {
    fn append(&self, more: &[u8]) {
        self.tail.append(more);
        if let Some(log) = &self.log {
            log.append(more);
        }
    }
}

/// The first line that names an error: the stack frames after it say less.
pub(crate) fn first_error_line(stderr: &str) -> Option<&str> {
    const WORDS: [&str; 5] = ["error", "exception", "fatal", "panicked", "cannot"];
    let names_error = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.trim_start().starts_with("at ") && WORDS.iter().any(|word| line.contains(word))
    };
    stderr.lines().map(str::trim).find(names_error)
}

impl StderrTail {
    fn append(&self, more: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = &more[more.len().saturating_sub(limits::SKILL_STDERR_BYTES_MAX)..];
        let excess = (kept.len() + more.len()).saturating_sub(limits::SKILL_STDERR_BYTES_MAX);
        kept.drain(..excess);
        kept.extend_from_slice(more);
    }

    /// The first error, or else as much of the end as fits a message.
    fn last_words(&self) -> String {
        let text = self.text();
        if let Some(line) = first_error_line(&text) {
            return clip(line, limits::SKILL_EXIT_STDERR_BYTES_MAX);
        }
        let mut from = text
            .len()
            .saturating_sub(limits::SKILL_EXIT_STDERR_BYTES_MAX);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_of_a_minute_lead_to_few_reads() {
        let mut relists = RelistLimiter::default();
        let start = Instant::now();
        let second = |number: u64| start + Duration::from_secs(number);
        for number in 0..u64::from(limits::SKILL_RELISTS_A_MINUTE_MAX) {
            assert_eq!(relists.next(second(number)), None);
        }
        assert_eq!(relists.next(second(30)), Some(second(60)));
        for _ in 1..limits::SKILL_RELISTS_A_MINUTE_MAX {
            assert_eq!(relists.next(second(61)), None);
        }
        assert_eq!(relists.next(second(62)), Some(second(120)));
        assert_eq!(relists.next(second(300)), None, "it has been quiet since");
    }
}
