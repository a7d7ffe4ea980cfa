//! The step about one question that no single store answers.

use serde_json::{Value, json};

use super::session::Session;
use super::step_log::{StepLog, expect};
use crate::failure::Failure;

const QUESTION: &str = "How does the ordering site take orders, where does it keep them, \
                        and what does it run on?";

pub(super) fn ask(session: &mut Session<'_>, log: &mut StepLog) -> Result<(), Failure> {
    let question = json!({ "query": QUESTION });
    let answer = log.call(&mut session.client, "ask_mimo", question)?;
    let cited = answer["synthesis"]["citations"].as_array();
    let cited = cited.map_or(&[][..], Vec::as_slice);
    let cited: Vec<&str> = cited.iter().filter_map(Value::as_str).collect();
    let text = answer["synthesis"]["text"].as_str().unwrap_or_default();
    for line in text.lines().filter(|line| line.starts_with("- ")) {
        log.note(line.trim_start_matches("- "));
    }
    for store in ["memory:", "triple:", "procedure:order@"] {
        let is_cited = cited.iter().any(|citation| citation.starts_with(store));
        expect(is_cited, || format!("it answered {answer}"))?;
    }
    let parts = ["ordering site runs on shop computer", "keeps its orders"];
    expect(parts.iter().all(|part| text.contains(part)), || {
        format!("it answered {answer}")
    })
}
