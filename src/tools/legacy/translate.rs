//! Translates the prototype's arguments into those of the current tools. Pure: the
//! input matches the legacy schema, the output the current one.

use serde_json::{Value, json};

use crate::limits::SEARCH_LIMIT_MAX;
use crate::tools::Arguments;

pub(super) fn same(arguments: Arguments) -> Arguments {
    arguments
}

/// One triple as a list, with the source beside it.
pub(super) fn fact(mut arguments: Arguments) -> Arguments {
    let source = arguments.remove("source");
    let mut update = Arguments::new();
    update.insert("assert".to_owned(), json!([Value::Object(arguments)]));
    if let Some(source) = source {
        update.insert("source".to_owned(), source);
    }
    update
}

/// A list without arguments is as long as it may be.
pub(super) fn all(_: Arguments) -> Arguments {
    Arguments::from_iter([("limit".to_owned(), json!(SEARCH_LIMIT_MAX))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::legacy::LEGACY;
    use crate::tools::schema::Schema;

    fn object(value: Value) -> Arguments {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn translated_arguments_match_the_current_schema() {
        let current = |name: &str| -> &'static str {
            match name {
                "memory_search" => include_str!("../../../schemas/tools/memory_search.json"),
                "graph_update" => include_str!("../../../schemas/tools/graph_update.json"),
                "memory_store" => include_str!("../../../schemas/tools/memory_store.json"),
                "procedure_run" => include_str!("../../../schemas/tools/procedure_run.json"),
                "procedure_find" => include_str!("../../../schemas/tools/procedure_find.json"),
                other => panic!("{other} replaced nothing"),
            }
        };
        let calls = [
            json!({"query": "coffee", "limit": 3, "threshold": 0.2, "category": "fact"}),
            json!({"subject": "a", "predicate": "is", "object": "b", "confidence": 0.5, "source": "chat"}),
            json!({"content": "x", "category": "plan", "importance": 1, "tags": ["t"]}),
            json!({"name": "p", "version": "1.0.0", "context": {"a": 1}, "async": true,
                   "timeout_ms": 5, "idempotency_key": "k", "dry_run": true}),
            json!({}),
        ];
        for (legacy, call) in LEGACY.iter().zip(calls) {
            let old = Schema::new(legacy.name, legacy.definition);
            let new = Schema::new(legacy.replacement, current(legacy.replacement));
            // Every argument that the old schema knows is in its call.
            let checked = old.check(call).expect("it matches the legacy schema");
            let translated = (legacy.translate)(checked);
            new.check(Value::Object(translated)).expect("it matches");
        }
    }

    #[test]
    fn legacy_fact_becomes_one_triple() {
        let triple = json!({"subject": "a", "predicate": "is", "object": "b", "confidence": 0.5});
        let mut call = triple.clone();
        call["source"] = json!("chat");
        assert_eq!(
            Value::Object(fact(object(call))),
            json!({"assert": [triple], "source": "chat"})
        );
        assert_eq!(
            Value::Object(fact(object(triple.clone()))),
            json!({"assert": [triple]})
        );
    }

    #[test]
    fn legacy_list_uses_the_highest_limit() {
        assert_eq!(Value::Object(all(Arguments::new())), json!({"limit": 100}));
    }
}
