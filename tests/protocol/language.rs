//! The language of procedures, as a model reads and uses it.

use serde_json::json;

use crate::support::Server;
use crate::support::server::{ask, mimo};

/// Each example that is shown can be defined, and arguments are compared with the schemas
/// of tools.
#[test]
fn the_language_is_explained_and_its_examples_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::of(&mut mimo(folder.path()));
    let help = ask(&mut server, "procedure_find", json!({"help": true})).good();
    let text = help["language"].as_str().expect("a text");
    assert!(text.len() < 8_000, "{} bytes", text.len());
    let (_, example) = text.split_once("```json").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let example: serde_json::Value = serde_json::from_str(example).expect("JSON");
    let valid = json!({"definition": example, "dry_run": true});
    let checked = ask(&mut server, "procedure_define", valid).good();
    assert_eq!(checked["outcome"], "valid", "{checked}");

    let schema = include_str!("../../schemas/tools/procedure_define.json");
    let schema: serde_json::Value = serde_json::from_str(schema).expect("JSON");
    let described = schema["description"].as_str().expect("a description");
    let (_, call) = described.split_once("Example: ").expect("an example");
    let mut call: serde_json::Value = serde_json::from_str(call).expect("JSON");
    call["dry_run"] = json!(true);
    ask(&mut server, "procedure_define", call.clone()).good();

    let arguments = "/definition/states/save/action/arguments";
    *call.pointer_mut(arguments).expect("arguments") = json!({"content": "x", "tgs": ["a"]});
    let refused = ask(&mut server, "procedure_define", call).bad();
    assert_eq!(refused["path"], format!("{arguments}/tgs"), "{refused}");
    assert_eq!(refused["hint"], "did you mean \"tags\"?");

    server.send(
        &json!({"jsonrpc": "2.0", "id": "read", "method": "resources/read",
                        "params": {"uri": "mimo://procedure/_language"}}),
    );
    let read = server.message();
    let read = read["result"]["contents"][0]["text"]
        .as_str()
        .expect("a text");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(read).expect("JSON"),
        help
    );
    assert!(server.exit().success());
}
