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
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = collector.local_addr().expect("its address");
    let (sender, batches) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in collector.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            let (mut head, mut length) = (String::new(), 0);
            while stream.read_line(&mut head).expect("a line") > 2 {
                let line = head.lines().last().expect("it").to_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).expect("a body");
            let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
            stream.get_mut().write_all(answer.as_bytes()).expect("sent");
            let _ended = sender.send((head, String::from_utf8(body).expect("JSON")));
        }
    });

    let team = Team::new();
    team.key(&[]);
    team.settings(&format!("[http]\ntraces = \"http://{address}\"\n"));
    let http = team.serve(&[]);
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let header = format!("00-{trace}-{parent}-01");
    let live = http.send("GET", "/health/live", &[("traceparent", &header)], "");
    assert_eq!(live.status, 200);
    // What was not sent yet is sent at the end.
    http.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(http.exit().success());
    let (head, body) = batches.try_iter().next().expect("a batch");
    assert!(head.starts_with("POST /v1/traces "), "{head}");
    let batch: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let span = &batch["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "request", "{batch}");
    assert_eq!(
        (&span["traceId"], &span["parentSpanId"]),
        (&trace.into(), &parent.into())
    );
}
