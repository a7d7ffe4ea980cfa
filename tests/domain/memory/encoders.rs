//! Encoding by an endpoint instead of the built-in model, with the real binary. A server
//! on the loopback address stands in for Ollama: its vectors tell animals from cars.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ask::endpoint::{Request, endpoint, http};
use crate::support::server::{self, Reply};
use crate::support::{Server, call_of};

/// The settings, and a folder with data of its own.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(TempDir::new().expect("a folder"));
        fs::create_dir(home.path().join("config")).expect("made");
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self, text: &str) {
        fs::write(self.path().join("config/config.toml"), text).expect("written");
    }

    /// The document that a command prints.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
        let mut command = server::mimo(self.path());
        let ran = command
            .args(arguments)
            .arg("--json")
            .envs(variables.iter().copied())
            .output()
            .expect("it starts");
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {ran:?}"))
    }

    fn call(&self, tool: &str, arguments: Value) -> Value {
        self.run(&["call", tool, &arguments.to_string()], &[])
    }

    fn store(&self, text: &str) -> Value {
        self.call("memory_store", json!({"content": text}))["results"][0].clone()
    }

    /// The texts that mean something like `query`, best first, and why some may be missing.
    fn found(&self, query: &str) -> (Vec<String>, Value) {
        let search = json!({"query": query, "mode": "semantic"});
        texts(&self.call("memory_search", search))
    }

    fn models(&self) -> Vec<String> {
        let stats = self.run(&["memory", "stats"], &[]);
        let models = stats["vectors"].as_array().expect("vectors").iter();
        models
            .map(|of| of["model"].as_str().expect("a name").to_owned())
            .collect()
    }
}

fn texts(found: &Value) -> (Vec<String>, Value) {
    let items = found["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{found}"));
    let texts = items
        .iter()
        .map(|item| item["content"].as_str().expect("text").to_owned());
    (texts.collect(), found["degraded"].clone())
}

fn embeddings(request: &Request) -> Vec<u8> {
    let vector = |text: &Value| {
        let text = text.as_str().expect("text").to_lowercase();
        let has =
            |words: &[&str]| f64::from(u8::from(words.iter().any(|word| text.contains(word))));
        json!([
            has(&["cat", "kitten", "dog"]),
            has(&["car", "vehicle", "lorry"]),
            0.01
        ])
    };
    let body = request.json();
    let input = body["input"].as_array().expect("texts");
    // In another order, as the format allows.
    let rows = input.iter().enumerate().rev();
    let rows: Vec<Value> = rows
        .map(|(index, text)| json!({"index": index, "embedding": vector(text)}))
        .collect();
    http(
        "200 OK",
        "",
        &json!({"object": "list", "data": rows}).to_string(),
    )
}

fn settings(url: &str) -> String {
    format!("[embedding]\nurl = \"{url}\"\nmodel = \"tiny\"\n")
}

#[test]
fn another_model_encodes_what_is_there_and_what_comes() {
    let home = Home::new();
    home.store("Our cat sleeps on the sofa.");
    let (url, requests) = endpoint(|request| Some(embeddings(request)));
    home.settings(&settings(&url));
    home.store("The blue lorry is in the yard.");
    assert_eq!(home.models().len(), 2);
    assert_eq!(
        home.found("kitten").0,
        Vec::<String>::new(),
        "it has no such vector yet"
    );

    let done = home.run(&["memory", "reembed"], &[]);
    assert_eq!(done, json!({"model": "tiny", "encoded": 1}));
    assert_eq!(home.found("kitten").0, ["Our cat sleeps on the sofa."]);
    assert_eq!(home.found("vehicle").0, ["The blue lorry is in the yard."]);
    assert_eq!(home.models(), ["tiny"]);
    let checked = home.run(&["verify"], &[]);
    assert_eq!(checked["ok"], true, "{checked}");
    assert_eq!(home.run(&["memory", "reembed"], &[])["encoded"], 0);

    // And back, without a server.
    home.settings("");
    drop(requests);
    assert_eq!(home.run(&["memory", "reembed"], &[])["encoded"], 2);
    assert_eq!(
        home.found("a sleeping animal").0[0],
        "Our cat sleeps on the sofa."
    );
    assert_eq!(home.models(), ["all-MiniLM-L6-v2/int8"]);
}

#[test]
fn ollama_is_asked_with_its_variables_and_the_prefixes() {
    let home = Home::new();
    let (url, requests) = endpoint(|request| Some(embeddings(request)));
    let base = url.trim_end_matches("/v1").to_owned() + "/";
    let variables = [
        ("OLLAMA_URL", &*base),
        ("OLLAMA_EMBEDDING_MODEL", "nomic-embed-text"),
    ];
    home.settings("[embedding]\nurl = \"http://127.0.0.1:1/v1\"\nmodel = \"other\"\ndocument_prefix = \"d: \"\nquery_prefix = \"q: \"\n");
    let store = json!({"content": "a dog"}).to_string();
    home.run(&["call", "memory_store", &store], &variables);
    let search = json!({"query": "a kitten"}).to_string();
    home.run(&["call", "memory_search", &search], &variables);
    for text in ["d: a dog", "q: a kitten"] {
        let request = requests.recv().expect("a request");
        assert_eq!(request.line, "POST /v1/embeddings HTTP/1.1");
        assert_eq!(
            request.json(),
            json!({"model": "nomic-embed-text", "input": [text]})
        );
    }
    // The address alone changes nothing: other programs set it too.
    home.settings("");
    home.run(&["call", "memory_store", &store], &variables[..1]);
    assert!(requests.try_recv().is_err());
}

#[test]
fn text_is_stored_while_the_endpoint_is_away_and_encoded_later() {
    let home = Home::new();
    // Nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let away = format!("http://{}/v1", address.expect("a port"));
    home.settings(&settings(&away));
    let stored = home.store("Our cat sleeps on the sofa.");
    let warning = stored["warning"].as_str().expect("a warning");
    assert!(warning.contains("mimo memory reembed"), "{warning}");
    let by_words = home.call("memory_search", json!({"query": "the sofa"}));
    let (found, degraded) = texts(&by_words);
    assert_eq!(found, ["Our cat sleeps on the sofa."]);
    let degraded = degraded.as_str().expect("it says so");
    assert!(
        degraded.contains("searched by keywords only") && degraded.contains(&away),
        "{degraded}"
    );
    let failed = home.run(&["memory", "reembed"], &[]);
    assert_eq!(failed["error"]["kind"], "unavailable", "{failed}");

    let (url, _requests) = endpoint(|request| Some(embeddings(request)));
    home.settings(&settings(&url));
    assert_eq!(home.run(&["memory", "reembed"], &[])["encoded"], 1);
    assert_eq!(home.found("kitten").0, ["Our cat sleeps on the sofa."]);
}

#[test]
fn a_serving_mimo_encodes_what_is_missing_and_says_how_much() {
    let home = Home::new();
    home.store("Our cat sleeps on the sofa.");
    let is_there = Arc::new(AtomicBool::new(false));
    let answers = is_there.clone();
    let (url, requests) = endpoint(move |request| {
        let is_query = request.json()["input"] == json!(["kitten"]);
        match is_query || answers.load(Ordering::Relaxed) {
            true => Some(embeddings(request)),
            false => None,
        }
    });
    home.settings(&settings(&url));
    let mut mimo = Server::of(server::mimo(home.path()).arg("serve"));
    server::initialize(&mut mimo);
    let first = requests.recv().expect("it encodes what is there");
    assert_eq!(
        first.json()["input"],
        json!(["Our cat sleeps on the sofa."])
    );
    let search = |mimo: &mut Server| {
        let call = json!({"query": "kitten", "mode": "semantic"});
        mimo.send(&call_of("search", "memory_search", call));
        let answer = mimo.message();
        texts(&Reply::of(&answer["result"]).good())
    };
    let (found, degraded) = search(&mut mimo);
    assert!(found.is_empty());
    let degraded = degraded.as_str().expect("it says so");
    assert!(
        degraded.contains("found by their words only: 1"),
        "{degraded}"
    );
    assert!(mimo.exit().success(), "it does not wait for the endpoint");

    is_there.store(true, Ordering::Relaxed);
    let mut mimo = Server::of(server::mimo(home.path()).arg("serve"));
    server::initialize(&mut mimo);
    while search(&mut mimo).0 != ["Our cat sleeps on the sofa."] {}
    assert!(mimo.exit().success());
}

#[test]
fn what_an_endpoint_answers_wrongly_is_refused_and_its_key_is_kept() {
    let home = Home::new();
    let answers = [
        http("404 Not Found", "", "{}"),
        http("200 OK", "", "{\"data\": []}"),
        http("200 OK", "", "{\"data\": [{\"embedding\": [0, 0]}]}"),
        http("200 OK", "", "hello"),
        http("301 Moved", "location: http://127.0.0.1:1/\r\n", ""),
    ];
    let expected = [
        "ollama pull tiny",
        "missing or of unequal length",
        "without a direction",
        "not an embedding",
        "redirects are not followed",
    ];
    let mut left = answers.into_iter();
    let (url, requests) = endpoint(move |_| left.next());
    home.settings(&(settings(&url) + "key_variable = \"MY_KEY\"\n"));
    home.store("a dog");
    let key = [("MY_KEY", "hunter2")];
    for expected in expected {
        let failed = home.run(&["memory", "reembed"], &key);
        assert!(failed.to_string().contains(expected), "{failed}");
        assert!(!failed.to_string().contains("hunter2"));
        let request = requests.recv().expect("a request");
        let authorization = request
            .headers
            .iter()
            .any(|header| header.ends_with("Bearer hunter2"));
        assert!(authorization, "{:?}", request.headers);
    }
    let without = home.run(&["memory", "reembed"], &[]);
    assert!(
        without.to_string().contains("MY_KEY is not set"),
        "{without}"
    );
}
