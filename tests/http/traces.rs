//! Traces of requests, which only builds with the feature `otlp` send.

use crate::client::Team;

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_traces_says_how_to_get_one() {
    let team = Team::new();
    team.settings("[http]\ntraces = \"http://127.0.0.1:4318\"\n");
    // It ends at once, because there is no key.
    let (_, _, said) = team.run(&["serve", "--http", "127.0.0.1:0"]);
    assert!(said.contains("--features otlp"), "{said}");
}

#[cfg(feature = "otlp")]
#[test]
fn each_request_is_a_span_of_its_clients_trace() {
    use crate::support::web::{Web, response};

    let collector = Web::bind();
    let address = collector.address();
    let (sender, batches) = std::sync::mpsc::channel();
    collector.answer(move |batch| {
        // The test may be over.
        let _ = sender.send(batch);
        Some(response("200 OK", "", b"{}"))
    });

    let team = Team::new();
    team.key(&[]);
    team.settings(&format!("[http]\ntraces = \"{address}\"\n"));
    let http = team.serve(&[]);
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let header = format!("00-{trace}-{parent}-01");
    let live = http.send("GET", "/health/live", &[("traceparent", &header)], "");
    assert_eq!(live.status, 200);
    // What was not sent yet is sent at the end.
    http.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(http.exit().success());
    let batch = batches.try_iter().next().expect("a batch");
    assert!(batch.line.starts_with("POST /v1/traces "), "{}", batch.line);
    let batch = batch.json();
    let span = &batch["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "request", "{batch}");
    assert_eq!(
        (&span["traceId"], &span["parentSpanId"]),
        (&trace.into(), &parent.into())
    );
}
