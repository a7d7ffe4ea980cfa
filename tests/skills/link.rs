//! The client and the job over real children, also misbehaving ones.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::children::{Client, Processes, fake, nobody};
use futures::FutureExt;
use mimo::caller::AskClient;
use mimo::failure::Kind;
use mimo::skills::child::ChildLauncher;
use mimo::skills::client::{
    CallError, CallHandlers, DownstreamClient, ServerInfo, SkillClient, Tool,
};
use mimo::skills::job::{Job, JobEvent};
use mimo::skills::spec::SkillSpec;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A hang is a failure.
const WATCHDOG: Duration = Duration::from_secs(100);

struct Started {
    job: Job,
    said: UnboundedReceiver<JobEvent>,
}

impl Started {
    fn new(spec: SkillSpec, downstream: Arc<dyn DownstreamClient>) -> Started {
        let (tell, said) = unbounded_channel();
        let launch: Arc<dyn ChildLauncher> = Arc::new(Processes);
        let tell = move |word| drop(tell.send(word));
        let job = Job::start(Arc::new(spec), &launch, downstream, tell);
        Started { job, said }
    }

    async fn next(&mut self) -> JobEvent {
        let said = tokio::time::timeout(WATCHDOG, self.said.recv()).await;
        said.expect("no hang").expect("a word")
    }

    async fn ready(&mut self) -> (SkillClient, Box<ServerInfo>, Arc<[Tool]>) {
        match self.next().await {
            JobEvent::Listed {
                client,
                server,
                tools,
                ..
            } => (client, server, tools),
            JobEvent::Relisted(_) => panic!("relisted first"),
            JobEvent::Ended(why) => panic!("{why}: {}", self.job.stderr_tail()),
        }
    }

    async fn end(&mut self) -> String {
        loop {
            if let JobEvent::Ended(why) = self.next().await {
                return why;
            }
        }
    }

    async fn stderr(&self, words: &str) {
        let seen = async {
            while !self.job.stderr_tail().contains(words) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(WATCHDOG, seen).await.expect(words);
    }
}

fn raw(value: Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(&value).expect("JSON")
}

async fn call(
    link: &SkillClient,
    tool: &str,
    arguments: Value,
) -> Result<Box<RawValue>, CallError> {
    link.call(
        tool,
        Some(&raw(arguments)),
        Map::new(),
        CallHandlers::default(),
    )
    .await
}

fn words(result: &RawValue) -> String {
    let result: Value = serde_json::from_str(result.get()).expect("JSON");
    result["content"][0]["text"]
        .as_str()
        .expect("text")
        .to_owned()
}

#[tokio::test]
async fn messages_pass_verbatim() {
    skip_unless!(python);
    let mut skill = Started::new(fake("f", "ok"), nobody());
    let (link, hello, tools) = skill.ready().await;
    assert_eq!(hello.revision, "2025-11-25");
    assert_eq!(tools.len(), 6);
    assert!(
        tools[0]
            .raw
            .get()
            .contains(r#""execution": {"z": 1, "a": 2}"#),
        "{}",
        tools[0].raw
    );
    assert_eq!(tools.iter().filter(|tool| tool.read_only).count(), 1);
    let result = call(&link, "echo", json!({"a": "ä\n\u{1F600}"}))
        .await
        .expect("a result");
    assert!(
        result
            .get()
            .ends_with(r#""x-unknown": {"b": 1, "a": 1.0}}"#),
        "{result}"
    );
    let Err(CallError::Upstream(error)) = call(&link, "none", json!({})).await else {
        panic!("an error of the skill's");
    };
    assert!(error.get().contains(r#""data": {"kept": true}"#), "{error}");
    let params = raw(json!({"cursor": "x"}));
    let passed = link
        .forward("resources/list", Some(&params))
        .await
        .expect("a result");
    assert!(
        passed.get().contains(r#""given": {"cursor": "x"}"#),
        "{passed}"
    );
    assert_eq!(link.in_flight(), 0);
    skill.job.stop();
    skill.end().await;
    let late = call(&link, "echo", json!({}))
        .await
        .expect_err("it is gone")
        .into_failure();
    assert_eq!(late.kind, Kind::Unavailable);
}

#[tokio::test]
async fn progress_is_forwarded_and_a_dropped_call_is_cancelled() {
    skip_unless!(python);
    let mut skill = Started::new(fake("f", "ok"), nobody());
    let (link, ..) = skill.ready().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let seen = seen.clone();
        move |params: &RawValue| seen.lock().unwrap().push(params.get().to_owned())
    };
    let meta = json!({"progressToken": "theirs"})
        .as_object()
        .cloned()
        .unwrap();
    let handlers = CallHandlers {
        progress: Some(Arc::new(sink)),
        ..CallHandlers::default()
    };
    let counted = link.call("count", None, meta, handlers).await;
    assert_eq!(words(&counted.expect("a result")), "counted");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3);
    assert!(seen[2].contains(r#""x": "kept""#));
    tokio::select! {
        _ = call(&link, "wait", json!({})) => panic!("it never answers"),
        () = skill.stderr("waiting") => {}
    }
    skill.stderr("cancelled ").await;
    assert_eq!(link.in_flight(), 0);
}

#[tokio::test]
async fn skill_may_request_only_offered_capabilities() {
    skip_unless!(python);
    let downstream = Arc::new(Client {
        offers: vec!["sampling"],
    });
    let mut skill = Started::new(fake("f", "ok"), downstream);
    let (link, ..) = skill.ready().await;
    for (method, expected) in [
        ("sampling/createMessage", r#""text": "[From the skill f] ""#),
        ("elicitation/create", r#""code": -32601"#),
        ("roots/list", r#""code": -32601"#),
        ("nonsense", r#""code": -32601"#),
        ("ping", "{}"),
    ] {
        let said = call(&link, "ask", json!({ "method": method }))
            .await
            .expect("a result");
        assert!(
            words(&said).contains(expected),
            "{method}: {}",
            words(&said)
        );
    }
}

/// A skill's request goes to the caller of the open call, and to nobody if
/// several are open.
#[tokio::test]
async fn a_question_never_reaches_another_caller() {
    let local = Arc::new(Client {
        offers: vec!["sampling"],
    });
    let mut skill = Started::new(fake("f", "ok"), local);
    let (client, ..) = skill.ready().await;
    let handlers = |session: &str, answers: bool| CallHandlers {
        session: Some(session.into()),
        ask: answers.then(|| {
            let answer = raw(json!({"from": session}));
            let ask = move |_, _| std::future::ready(Ok(answer.clone())).boxed();
            Arc::new(ask) as AskClient
        }),
        ..CallHandlers::default()
    };
    let ask = async |handlers: CallHandlers| {
        let arguments = raw(json!({"method": "sampling/createMessage"}));
        let said = client.call("ask", Some(&arguments), Map::new(), handlers);
        words(&said.await.expect("a result"))
    };
    let answered = ask(handlers("one", true)).await;
    assert!(answered.contains(r#""from": "one""#), "{answered}");
    // The local client offers sampling, but this call is another caller's.
    let refused = ask(handlers("one", false)).await;
    assert!(refused.contains("-32601"), "{refused}");
    let other = client.call("wait", None, Map::new(), handlers("two", true));
    tokio::select! {
        biased;
        _ = other => panic!("it never answers"),
        refused = ask(handlers("one", true)) => assert!(refused.contains("-32601"), "{refused}"),
    }
}

#[tokio::test]
async fn a_question_outside_of_any_call_reaches_nobody() {
    skip_unless!(python);
    let downstream = Arc::new(Client {
        offers: vec!["sampling", "elicitation", "roots"],
    });
    let mut skill = Started::new(fake("f", "ask-early"), downstream);
    skill.ready().await;
    for method in ["sampling/createMessage", "elicitation/create", "roots/list"] {
        skill.stderr(&format!("{method}: -32601")).await;
    }
}

#[tokio::test]
async fn older_revisions_pages_and_list_changes_are_handled() {
    skip_unless!(python);
    let mut old = Started::new(fake("f", "old"), nobody());
    assert_eq!(old.ready().await.1.revision, "2024-11-05");
    let mut pages = Started::new(fake("f", "pages"), nobody());
    let (_, _, tools) = pages.ready().await;
    assert_eq!(tools.len(), 6);
    let mut changing = Started::new(fake("f", "ok"), nobody());
    let (link, ..) = changing.ready().await;
    call(&link, "grow", json!({})).await.expect("a result");
    let JobEvent::Relisted(tools) = changing.next().await else {
        panic!("another list");
    };
    assert_eq!(tools.len(), 7);
    for (mode, why) in [
        ("odd", "speaks MCP revision \"1999-01-01\""),
        ("fail", "exit status: 7"),
    ] {
        let mut bad = Started::new(fake("f", mode), nobody());
        let end = bad.end().await;
        assert!(end.contains(why), "{mode}: {end}");
    }
    let mut hanging = fake("f", "hang");
    hanging.timeouts.initialize = Duration::from_millis(300);
    let end = Started::new(hanging, nobody()).end().await;
    assert!(end.contains("not ready within 300 ms"), "{end}");
}

/// What a list held before it went wrong is kept, and what went wrong is noted.
#[tokio::test]
async fn odd_lists_keep_what_came() {
    skip_unless!(python);
    for (mode, count, note) in [
        ("endless", 2, "the cursor \"again\" comes again"),
        ("no-end", 2, "an empty cursor is taken as the end"),
        ("numbers", 3, "a cursor is no text: 1"),
        ("nothing", 0, "an answer without tools"),
        ("many", 512, "only the first 512 are kept"),
    ] {
        let mut skill = Started::new(fake("f", mode), nobody());
        let (client, _, tools) = skill.ready().await;
        assert_eq!(tools.len(), count, "{mode}");
        let notes = client.notes().join("\n");
        assert!(notes.contains(note), "{mode}: {notes}");
    }
}

#[tokio::test]
async fn sloppy_answers_are_understood() {
    skip_unless!(python);
    let mut skill = Started::new(fake("f", "sloppy"), nobody());
    let (link, ..) = skill.ready().await;
    for how in ["text id", "null error", "banner"] {
        let heard = call(&link, "echo", json!({ "how": how })).await;
        assert_eq!(words(&heard.expect(how)), "heard");
    }
    let junk = link.junk_lines();
    assert_eq!(junk.len(), 1);
    assert!(junk[0].starts_with("Listening {now}"), "{junk:?}");
}

#[tokio::test]
async fn junk_duplicate_responses_and_endless_lines_are_counted_and_harmless() {
    skip_unless!(python);
    let mut skill = Started::new(fake("f", "junk"), nobody());
    let (link, ..) = skill.ready().await;
    for round in 0..20 {
        let echoed = call(&link, "echo", json!({ "round": round }))
            .await
            .expect("a result");
        assert_eq!(words(&echoed), format!("{{\"round\": {round}}}"));
    }
    let big = call(&link, "swap", json!({}))
        .await
        .expect_err("too long")
        .into_failure();
    assert_eq!(big.kind, Kind::LimitExceeded);
    let faults = link.faults();
    assert_eq!(faults.oversize.load(Ordering::Relaxed), 1);
    assert!(faults.junk.load(Ordering::Relaxed) >= 80);
    assert_eq!(link.junk_lines().len(), 3, "the last ones");
    assert!(faults.stray.load(Ordering::Relaxed) >= 60);
    assert_eq!(link.in_flight(), 0);
}

#[tokio::test]
async fn exiting_child_fails_its_calls_and_a_stubborn_one_is_killed() {
    skip_unless!(python);
    let mut dying = Started::new(fake("f", "die"), nobody());
    let (link, ..) = dying.ready().await;
    let failure = call(&link, "echo", json!({}))
        .await
        .expect_err("it died")
        .into_failure();
    assert_eq!(failure.kind, Kind::Unavailable);
    let end = dying.end().await;
    assert!(end.contains("exit status: 3"), "{end}");
    assert!(end.contains("it is too much for me"), "{end}");
    assert!(dying.job.stderr_tail().contains("it is too much for me"));
    let mut stubborn = Started::new(fake("f", "stubborn"), nobody());
    stubborn.ready().await;
    stubborn.job.stop();
    assert!(stubborn.end().await.contains("signal: 9"));
}
