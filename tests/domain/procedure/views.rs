//! Views of procedures: redacted secrets, resource, prompt and plan.

use mimo::procedure::Start;
use serde_json::{Value, json};

use super::world::World;

fn call(tool: &str, id: &str) -> Value {
    json!({"tool": tool, "arguments": {"id": id}})
}

#[tokio::test]
async fn secrets_are_redacted_everywhere() {
    let world = World::new();
    let states = json!({"a": {"action": {"tool": "do", "arguments": {"id": "x {{ key }}", "password": "pw12"}}, "next": "b"},
                        "b": {"fail": {"message": "it was {{ key }}"}}});
    let schema = json!({"context_schema": {"type": "object", "properties": {"key": {"type": "string", "writeOnly": true}}}});
    world.define_as("example", states, schema).await;
    let id = world.start(json!({"key": "hunter22"})).await;
    let shown = world.wait(&id).await.to_string();
    let (_, machine) = world
        .procedures
        .snapshot(&world.grants, &id)
        .await
        .expect("a machine");
    let performed = mimo::procedure::view::performed(&machine).to_string();
    for text in [shown, performed.clone()] {
        assert!(
            !text.contains("hunter22") && !text.contains("pw12"),
            "{text}"
        );
    }
    assert!(performed.contains("x [redacted]"), "{performed}");
    assert_eq!(world.calls.made(), ["do x hunter22"], "the tool gets it");
}

#[tokio::test]
async fn steps_show_short_results_and_errors_name_the_argument() {
    let world = World::new();
    let states = json!({
        "a": {"action": {"tool": "read", "arguments": {"id": "a", "password": "pw12"}}, "next": "b"},
        "b": {"action": {"tool": "read", "arguments": {"id": "b", "long": "{{ 'x' * 900 }}"}}, "next": "c"},
        "c": {"action": {"tool": "read", "arguments": {"id": "c", "more": {"n": "{{ word / 2 }}"}}}, "next": "d"},
        "d": {"end": true},
    });
    world.define(states).await;
    let id = world.start(json!({"word": "seven"})).await;
    let ended = world.wait(&id).await;
    let message = ended["error"]["message"].as_str().expect("a message");
    for part in ["arguments.more", "{{ word / 2 }}", "word is a string"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let (_, machine) = world
        .procedures
        .snapshot(&world.grants, &id)
        .await
        .expect("a machine");
    let performed = mimo::procedure::view::performed(&machine);
    assert_eq!(
        performed[0]["result"]["arguments"]["id"], "a",
        "{performed}"
    );
    assert!(!performed.to_string().contains("pw12"), "{performed}");
    assert_eq!(performed[1].get("result"), None, "{performed}");
    assert!(
        performed[1]["result_bytes"].as_u64() > Some(900),
        "{performed}"
    );
}

#[tokio::test]
async fn procedure_is_a_resource_a_prompt_and_plannable() {
    let world = World::new();
    let states = json!({
        "a": {"action": call("do", "{{ n }}"), "next": "b"},
        "b": {"action": call("do", "{{ result.x }}"), "compensate": call("undo", "b"), "end": true},
    });
    let schema = json!({"context_schema": {"required": ["n"], "properties": {"n": {"type": "string", "description": "which"}}}});
    let hash = world.define_as("example", states, schema).await;
    let resource = world
        .procedures
        .resource(&world.grants, "example")
        .await
        .expect("it is there");
    assert_eq!(resource["hash"], hash);
    assert_eq!(resource["definition"]["name"], "example");
    let mermaid = resource["mermaid"].as_str().expect("a drawing");
    assert!(
        mermaid.contains("state \"a: do\" as s0") && mermaid.contains("s0 --> s1"),
        "{mermaid}"
    );

    let definition = world
        .procedures
        .definition_by_hash(&hash)
        .await
        .expect("it is there");
    let asked = mimo::procedure::view::parameters(&definition);
    assert_eq!(asked, [("n".to_owned(), "which".to_owned(), true)]);
    let given = json!({"n": "7"});
    let text = mimo::procedure::view::prompt(&definition, given.as_object().expect("an object"));
    assert!(
        text.contains(r#"{"name":"example","context":{"n":"7"}}"#),
        "{text}"
    );

    let start = Start {
        name: "example".into(),
        version: "latest".into(),
        context: given.as_object().cloned().expect("an object"),
        ..Start::default()
    };
    let plan = world
        .procedures
        .plan(&world.grants, &start)
        .await
        .expect("a plan");
    assert_eq!(plan["plan"][0]["arguments"], json!({"id": "7"}));
    assert_eq!(
        plan["plan"][1]["arguments"],
        json!({"id": "{{ result.x }}"}),
        "not known yet"
    );
    assert_eq!(plan["plan"][1]["compensate"], "undo");
    assert!(world.calls.made().is_empty());
    let unfit = Start {
        context: Default::default(),
        ..start
    };
    let refused = world
        .procedures
        .plan(&world.grants, &unfit)
        .await
        .expect_err("n is missing");
    assert_eq!(refused.kind.name(), "invalid_arguments");
}
