//! The step about relations.

use serde_json::{Value, json};

use super::session::Session;
use super::step_log::{StepLog, expect};
use crate::failure::Failure;

/// Who to call when the site is down follows from three sentences, none of
/// which says it.
pub(super) fn relate(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let text = "The ordering site runs on the shop computer. The shop computer depends on \
                the router. Jonas maintains the router.";
    let update = json!({"text": text, "accept": true});
    let stored = log.call(&mut session.client, "graph_update", update)?;
    let triples = stored["triples"].as_array().map_or(0, Vec::len);
    expect(triples == 3, || format!("it answered {stored}"))?;

    let question = json!({"start": "ordering site", "direction": "both", "max_depth": 3});
    let found = log.call(&mut session.client, "graph_query", question)?;
    let paths = found["paths"].as_array().cloned().unwrap_or_default();
    let ends = |path: &&Value| path["entities"][3] == "thing:jonas";
    let path = paths.iter().find(ends);
    log.note(path_text(path.unwrap_or(&Value::Null)));
    let predicates = json!(["runs_on", "depends_on", "^maintains"]);
    expect(
        path.is_some_and(|path| path["predicates"] == predicates),
        || format!("it answered {found}"),
    )
}

/// A path as a chain of arrows; `^` was followed backwards.
fn path_text(path: &Value) -> String {
    let names = path["entities"].as_array().cloned().unwrap_or_default();
    let mut names = names.iter().filter_map(Value::as_str);
    let mut text = names.next().unwrap_or_default().to_owned();
    let predicates = path["predicates"].as_array().cloned().unwrap_or_default();
    for (predicate, name) in predicates.iter().filter_map(Value::as_str).zip(names) {
        let arrow = match predicate.strip_prefix('^') {
            Some(backwards) => format!(" <-{backwards}- "),
            None => format!(" -{predicate}-> "),
        };
        text.push_str(&arrow);
        text.push_str(name);
    }
    text.replace("thing:", "")
}
