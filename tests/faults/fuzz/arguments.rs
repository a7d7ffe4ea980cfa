//! Tool arguments against the schema of every tool: any input is valid or refused
//! with its path, a reason and a valid example.

use mimo::failure::Kind;
use mimo::tools::schema::Schema;
use serde_json::{Map, Value, json};

use crate::support::random::{Random, fuzz};

/// The schemas of all tools, including the test tools.
fn schemas() -> Vec<(&'static str, &'static str)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/tools");
    let files = [folder.to_owned(), format!("{folder}/legacy")].into_iter();
    let files = files.flat_map(|folder| std::fs::read_dir(folder).expect("the schemas"));
    let files = files.map(|file| file.expect("a file").path());
    let mut all: Vec<(&'static str, &'static str)> = files
        .filter(|path| path.is_file())
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("its text");
            let definition: Value = serde_json::from_str(&text).expect("a definition");
            let name = definition["name"].as_str().expect("its name").to_owned();
            // A tool's definition lives as long as the program.
            (&*name.leak(), &*text.leak())
        })
        .collect();
    let fixtures = mimo::tools::fixture::tools();
    all.extend(fixtures.iter().map(|tool| (tool.name, tool.definition)));
    all.sort_unstable();
    all
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.next() as i64 - (1 << 52)),
        3 => json!(random.below(200) as f64 / 100.0 - 0.5),
        4 => json!(
            [
                "",
                "a",
                "fact",
                "update",
                "7d",
                "x/y~z",
                "{\"a\":1}",
                "null",
                "\u{1F600}"
            ][random.below(9)]
        ),
        5 => json!("long ".repeat(random.below(3000))),
        6 => json!(random.below(120)),
        7 => (0..random.below(4))
            .map(|_| value(random, depth - 1))
            .collect(),
        _ => {
            let names = ["a", "id", "arguments", "content", "ids", "a/b", "m~n", ""];
            let members = (0..random.below(4)).map(|_| {
                let name = names[random.below(names.len())];
                (name.to_owned(), value(random, depth - 1))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// The smallest call that matches `schema`.
fn required(schema: &Value) -> Value {
    let names = schema["required"].as_array().into_iter().flatten();
    let value = |name: &str| match schema["properties"][name]["type"].as_str() {
        Some("object") => json!({}),
        Some("integer") => json!(1),
        _ => schema["properties"][name]["enum"]
            .get(0)
            .map_or_else(|| json!("text"), Value::clone),
    };
    let names = names.filter_map(Value::as_str);
    Value::Object(names.map(|name| (name.to_owned(), value(name))).collect())
}

fn mutated(random: &mut Random, example: &Value, known: &[String]) -> Value {
    let mut arguments = example.as_object().cloned().unwrap_or_default();
    for _ in 0..random.below(4) {
        let name = match known {
            [] => "a".to_owned(),
            known => random.pick(known).clone(),
        };
        match random.below(5) {
            0 => drop(arguments.remove(&name)),
            1 => drop(arguments.insert(format!("{name}x"), value(random, 1))),
            _ => drop(arguments.insert(name, value(random, 3))),
        }
    }
    match random.below(12) {
        0 => value(random, 3),
        1 => json!({"arguments": arguments}),
        2 => json!(Value::Object(arguments).to_string()),
        _ => Value::Object(arguments),
    }
}

#[test]
fn arguments_are_valid_or_refused_with_path_reason_and_example() {
    let all: Vec<_> = schemas()
        .into_iter()
        .map(|(name, definition)| {
            let schema = Schema::new(name, definition);
            let definition: Value = serde_json::from_str(definition).expect("a definition");
            let example = required(&definition["inputSchema"]);
            assert!(schema.check(example.clone()).is_ok(), "{name}: {example}");
            let known = definition["inputSchema"]["properties"].as_object();
            let known: Vec<String> = known
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect();
            (name, schema, example, known)
        })
        .collect();
    fuzz(|random| {
        let (name, schema, example, known) = random.pick(&all);
        let arguments = mutated(random, example, known);
        let Err(failure) = schema.check(arguments.clone()) else {
            return;
        };
        assert_eq!(failure.kind, Kind::InvalidArguments, "{failure}");
        assert!(
            !failure.message.is_empty() && failure.message.len() < 1000,
            "{failure}"
        );
        let path = failure.path.clone().expect("a place");
        if arguments
            .as_object()
            .is_some_and(|members| !members.contains_key("arguments"))
        {
            assert!(arguments.pointer(&path).is_some(), "{path} in {arguments}");
        }
        let hint = failure.next_step().expect("a hint");
        if hint.starts_with("write your own value") {
            return;
        }
        let call = &hint[hint.find("{\"name\":").expect("a call")..];
        let call: Value = serde_json::from_str(call).expect("a call in JSON");
        assert_eq!(call["name"], *name);
        let followed = schema.check(call["arguments"].clone());
        let is_shape = hint.contains("in place of the <..>");
        assert!(followed.is_ok() || is_shape, "{arguments}: {hint}");
        // The shapes of definitions and patterns are refused, or find nothing, later.
        let is_checked = !matches!(*name, "procedure_define" | "graph_query");
        assert!(
            followed.is_err() || !is_shape || !is_checked,
            "{arguments}: {hint}"
        );
    });
}
