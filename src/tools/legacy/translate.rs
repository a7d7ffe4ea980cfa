//! Arguments as the prototype took them, as the tools of today take them. Pure;
//! what comes in fits the old schema, what goes out fits the new one.

use serde_json::{Value, json};

use crate::limits::SEARCH_LIMIT_MAX;
use crate::tools::Arguments;

/// The names have stayed.
pub fn same(arguments: Arguments) -> Arguments {
    arguments
}

/// One triple, in a list of its own; where it is from is said of the whole list.
pub fn fact(mut arguments: Arguments) -> Arguments {
    let source = arguments.remove("source");
    let mut update = Arguments::new();
    update.insert("assert".to_owned(), json!([Value::Object(arguments)]));
    if let Some(source) = source {
        update.insert("source".to_owned(), source);
    }
    update
}

/// Everything, where nothing was asked for.
pub fn all(_: Arguments) -> Arguments {
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
    fn what_fits_the_old_schema_fits_the_new_one() {
        let today = |name: &str| -> &'static str {
            match name {
                "memory_search" => include_str!("../../../schemas/tools/memory_search.json"),
                "graph_update" => include_str!("../../../schemas/tools/graph_update.json"),
                "memory_store" => include_str!("../../../schemas/tools/memory_store.json"),
                "procedure_run" => include_str!("../../../schemas/tools/procedure_run.json"),
                "procedure_find" => include_str!("../../../schemas/tools/procedure_find.json"),
                other => panic!("{other} is nobody's replacement"),
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
            let new = Schema::new(legacy.replacement, today(legacy.replacement));
            for call in [call, old.example().expect("an example")] {
                let fits = old.check(call.clone()).expect("it fits the old schema");
                // Every argument that the old schema knows is in one of the calls.
                let translated = (legacy.translate)(fits);
                new.check(Value::Object(translated)).expect("it fits");
            }
        }
    }

    #[test]
    fn a_fact_is_a_list_of_one_triple() {
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
    fn a_list_is_as_long_as_it_may_be() {
        assert_eq!(Value::Object(all(Arguments::new())), json!({"limit": 100}));
    }
}
