//! Answers written by the configured endpoint. A server on the loopback address
//! stands in for it, well and badly behaved.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use super::client::{
    Client, LONG_MILLIS, SHORT_MILLIS, assert_quoted, assert_written, document, question, written,
};
use crate::support::WATCHDOG;
pub use crate::support::web::Request;
use crate::support::web::{Web, response};

/// An endpoint that answers each request with the bytes of `answer`, or never.
/// Returns its URL and the requests it gets.
pub fn endpoint(
    mut answer: impl FnMut(&Request) -> Option<Vec<u8>> + Send + 'static,
) -> (String, Receiver<Request>) {
    let web = Web::bind();
    let url = format!("{}/v1", web.address());
    let (send, requests) = channel();
    web.answer(move |request| {
        let answer = answer(&request);
        // The test may have heard enough.
        let _ = send.send(request);
        answer
    });
    (url, requests)
}

pub fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    response(status, headers, body.as_bytes())
}

fn completion(text: &str) -> Vec<u8> {
    let message = json!({"role": "assistant", "content": text});
    let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    http("200 OK", "", &body.to_string())
}

fn config(url: &str, more: &str) -> String {
    format!("[ask.endpoint]\nurl = \"{url}\"\nmodel = \"tiny\"\n{more}")
}

/// A client without a model, of a Mimo with this endpoint.
fn client(url: &str) -> Client {
    Client::greeted(&config(url, ""), json!({}))
}

#[test]
fn endpoint_gets_sources_and_key_and_its_text_is_the_answer() {
    let (url, requests) = endpoint(|_| Some(completion("<think>Hm.</think>Tuesdays [memory:1].")));
    let settings = config(&url, "key_variable = \"MY_KEY\"\n");
    // Proxy variables of the environment do not apply.
    let variables = [
        ("MY_KEY", "hunter2"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("MIMO_LOG", "trace"),
    ];
    let mut mimo = Client::start(&settings, &variables);
    mimo.remember(json!({}));
    let (before, answer) = mimo.ask(LONG_MILLIS, |_| None);
    assert!(before.is_empty(), "{before:?}");
    assert_written(
        &answer,
        "endpoint",
        "Tuesdays [memory:1].",
        json!(["memory:1"]),
    );
    assert!(!answer.to_string().contains("hunter2"));

    let request = requests.recv_timeout(WATCHDOG).expect("a request");
    assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
    let header = |wanted: &str| {
        request
            .headers
            .iter()
            .any(|line| line.eq_ignore_ascii_case(wanted))
    };
    assert!(
        header("authorization: Bearer hunter2"),
        "{:?}",
        request.headers
    );
    assert!(
        header("content-type: application/json"),
        "{:?}",
        request.headers
    );
    let body = &request.json();
    assert_eq!(
        (&body["model"], &body["stream"], &body["temperature"]),
        (&json!("tiny"), &json!(false), &json!(0))
    );
    assert!(
        body["max_tokens"].as_u64().is_some_and(|most| most >= 100),
        "{body}"
    );
    assert_eq!(body["messages"][0]["role"], "system");
    let asked = body["messages"][1]["content"].as_str().expect("a text");
    assert!(
        asked.contains("[memory:1, ") && asked.contains("END OF SOURCES"),
        "{asked}"
    );

    let status = json!({"name": "mimo_status", "arguments": {}});
    let status = mimo.request("tools/call", status);
    assert!(!status.to_string().contains("hunter2"));
    let folder = mimo.leave();
    for file in std::fs::read_dir(folder.path().join("data/logs")).expect("logs") {
        let path = file.expect("a file").path();
        let text = path
            .is_file()
            .then(|| std::fs::read_to_string(&path).expect("text"));
        assert!(!text.unwrap_or_default().contains("hunter2"), "{path:?}");
    }
}

#[test]
fn misbehaving_endpoint_falls_back_to_quotations_with_a_reason() {
    for (answer, why) in [
        (
            http("500 Internal Server Error", "", "{}"),
            "the endpoint answered 500",
        ),
        (
            http("401 Unauthorized", "", "{}"),
            "the endpoint answered 401",
        ),
        (
            http("200 OK", "", "<html>"),
            "answered with something that is not a completion",
        ),
        (
            http("200 OK", "", "{\"choices\":[]}"),
            "answered with something that is not a completion",
        ),
        (
            http("200 OK", "", &" ".repeat(2 * 1024 * 1024)),
            "answered more than is read",
        ),
        (b"no HTTP at all\r\n\r\n".to_vec(), "cannot be reached"),
        (completion(""), "the endpoint wrote nothing"),
        (completion("<think>On and on"), "the endpoint wrote nothing"),
        (
            completion("On Mondays [memory:9]."),
            "named none of the sources",
        ),
        (
            http(
                "200 OK",
                "",
                "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"}}]}",
            ),
            "refused to answer",
        ),
    ] {
        let (url, requests) = endpoint(move |_| Some(answer.clone()));
        let mut mimo = client(&url);
        let (_, answer) = mimo.ask(LONG_MILLIS, |_| None);
        assert_quoted(&answer, why);
        assert!(requests.try_recv().is_ok(), "it was asked");
        mimo.leave();
    }
}

#[test]
fn https_endpoint_is_contacted_over_tls_only() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut first = [0; 1];
        stream.read_exact(&mut first).expect("a byte");
        // The client may be gone already.
        let _ = stream.write_all(&completion("Tuesdays [memory:1]."));
        first[0]
    });
    let mut mimo = client(&format!("https://{address}/v1"));
    let (_, answer) = mimo.ask(LONG_MILLIS, |_| None);
    assert_quoted(
        &answer,
        "the endpoint cannot be reached: received corrupt message",
    );
    assert_eq!(heard.join().expect("it was asked"), 0x16, "a handshake");
    mimo.leave();
}

#[test]
fn redirect_is_not_followed() {
    let (elsewhere, strangers) = endpoint(|_| Some(completion("Tuesdays [memory:1].")));
    let to = format!("location: {elsewhere}/chat/completions\r\n");
    for status in ["302 Found", "307 Temporary Redirect"] {
        let to = to.clone();
        let (url, _requests) = endpoint(move |_| Some(http(status, &to, "")));
        let mut mimo = client(&url);
        let (_, answer) = mimo.ask(LONG_MILLIS, |_| None);
        assert_quoted(&answer, "redirects are not followed");
        mimo.leave();
    }
    assert!(strangers.try_recv().is_err(), "the question went elsewhere");
}

#[test]
fn hanging_endpoint_times_out_without_blocking_others() {
    let (url, requests) = endpoint(|_| None);
    let mut mimo = client(&url);
    let (_, answer) = mimo.ask(SHORT_MILLIS, |_| None);
    assert_quoted(&answer, "the endpoint did not answer in time");
    assert!(requests.try_recv().is_ok(), "it was asked");
    // A cancelled request, or one whose client left, is not awaited.
    mimo.server.send(&json!({
        "jsonrpc": "2.0", "id": "gone", "method": "tools/call", "params": question(LONG_MILLIS, json!({})),
    }));
    requests.recv_timeout(WATCHDOG).expect("a request");
    mimo.server.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "gone"},
    }));
    mimo.leave();
}

#[test]
fn concurrent_requests_are_bounded() {
    let (url, requests) = endpoint(|_| None);
    let mut mimo = client(&url);
    for id in 0..5 {
        let params = question(SHORT_MILLIS, json!({}));
        let call = json!({"jsonrpc": "2.0", "id": format!("q{id}"), "method": "tools/call", "params": params});
        mimo.server.send(&call);
    }
    let answers: Vec<Value> = (0..5)
        .map(|_| document(&mimo.server.message()["result"]))
        .collect();
    let said = |why: &str| {
        let degraded = answers
            .iter()
            .filter_map(|answer| answer["degraded"].as_str());
        degraded.filter(|degraded| degraded.contains(why)).count()
    };
    assert_eq!(said("too many requests"), 1, "{answers:#?}");
    assert_eq!(said("did not answer in time"), 4, "{answers:#?}");
    assert_eq!(requests.try_iter().count(), 4);
    mimo.leave();
}

#[test]
fn newer_parameters_are_used_where_the_model_requires_them() {
    let (url, requests) = endpoint(|request| {
        let older = request.json().get("max_tokens").is_some();
        Some(match older {
            true => http(
                "400 Bad Request",
                "",
                "{\"error\":{\"message\":\"unsupported\"}}",
            ),
            false => completion("Tuesdays [memory:1]."),
        })
    });
    let mut mimo = client(&url);
    for _ in 0..2 {
        let (_, answer) = mimo.ask(LONG_MILLIS, |_| None);
        assert_eq!(answer["synthesis"]["by"], "endpoint", "{answer:#}");
    }
    mimo.leave();
    let newer: Vec<bool> = requests
        .iter()
        .take(3)
        .map(|request| request.json().get("max_completion_tokens").is_some())
        .collect();
    assert_eq!(newer, [false, true, true], "it is learnt once");
}

#[test]
fn failed_endpoint_falls_back_to_the_clients_model() {
    let down = "http://127.0.0.1:1/v1";
    let mut mimo = Client::greeted(&config(down, ""), json!({"sampling": {}}));
    let model = |_: &Value| Some(json!({"result": written("Tuesdays [memory:1].")}));
    let (_, answer) = mimo.ask(LONG_MILLIS, model);
    assert_eq!(answer["synthesis"]["by"], "client", "{answer:#}");
    let degraded = answer["degraded"].as_str().expect("said");
    assert!(
        degraded.contains("the endpoint cannot be reached"),
        "{degraded}"
    );
    let (_, answer) = mimo.ask(LONG_MILLIS, |_| {
        Some(json!({"error": {"code": -1, "message": "no"}}))
    });
    assert_quoted(
        &answer,
        "cannot be reached: connection refused; the client's model refused: no",
    );
    mimo.leave();

    // A configured writer excludes the other one.
    let only = format!("ask.synthesis = \"endpoint\"\n{}", config(down, ""));
    let mut mimo = Client::greeted(&only, json!({"sampling": {}}));
    let (before, answer) = mimo.ask(LONG_MILLIS, model);
    assert!(before.is_empty(), "{before:?}");
    assert_quoted(&answer, "the endpoint cannot be reached");
    mimo.leave();
}

#[test]
fn endpoint_without_its_key_is_not_called() {
    let (url, requests) = endpoint(|_| Some(completion("Tuesdays [memory:1].")));
    let settings = config(&url, "key_variable = \"MY_KEY\"\n");
    let mut mimo = Client::greeted(&settings, json!({}));
    let (_, answer) = mimo.ask(LONG_MILLIS, |_| None);
    assert_quoted(&answer, "the endpoint has no key: MY_KEY is not set");
    mimo.leave();
    assert!(requests.try_recv().is_err());
}
