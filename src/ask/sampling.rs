//! The protocol's sampling request for a prompt, and the text of its result. Pure.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::{Prompt, neutral};
use crate::limits;
use crate::text::beginning;

pub(super) const METHOD: &str = "sampling/createMessage";

/// Stop reasons that leave no answer.
const STOPS: [&str; 5] = [
    "refusal",
    "error",
    "toolUse",
    "contentFilter",
    "content_filter",
];

pub(super) fn request(prompt: &Prompt) -> Option<Box<RawValue>> {
    let params = json!({
        "messages": [{"role": "user", "content": {"type": "text", "text": prompt.user}}],
        "systemPrompt": prompt.system,
        "includeContext": "none",
        "temperature": 0,
        "maxTokens": prompt.max_tokens,
    });
    to_raw_value(&params).ok()
}

/// What the model wrote. An error is a predicate of the writer's name.
pub(super) fn text(result: &RawValue) -> Result<String, String> {
    let result: Value = serde_json::from_str(result.get()).unwrap_or_default();
    let stopped = result["stopReason"].as_str().unwrap_or_default();
    if let Some(why) = STOPS.iter().find(|each| **each == stopped) {
        return Err(format!("stopped without an answer: {why}"));
    }
    let blocks = match &result["content"] {
        Value::Array(blocks) => blocks.as_slice(),
        block => std::slice::from_ref(block),
    };
    let texts = blocks.iter().filter(|block| block["type"] == "text");
    let texts: Vec<&str> = texts.filter_map(|block| block["text"].as_str()).collect();
    match texts.is_empty() {
        true => Err("gave no text".to_owned()),
        false => Ok(texts.join("\n")),
    }
}

/// A JSON-RPC error as such a predicate.
pub(super) fn refusal(error: &RawValue) -> String {
    let error: Value = serde_json::from_str(error.get()).unwrap_or_default();
    let message = error["message"].as_str().unwrap_or("no reason given");
    let message = neutral(beginning(message, limits::ASK_REASON_BYTES_MAX));
    format!("refused: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: Value) -> Result<String, String> {
        text(&to_raw_value(&result).expect("JSON"))
    }

    #[test]
    fn text_is_read_from_either_form_of_content() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let image = json!({"type": "image", "data": "", "mimeType": "image/png"});
        for (result, expected) in [
            (
                json!({"content": text("a"), "stopReason": "endTurn"}),
                Ok("a"),
            ),
            (
                json!({"content": text("a"), "stopReason": "maxTokens"}),
                Ok("a"),
            ),
            (
                json!({"content": [text("a"), image, text("b")]}),
                Ok("a\nb"),
            ),
            (json!({"content": image}), Err("gave no text")),
            (json!({"content": 1}), Err("gave no text")),
            (json!([]), Err("gave no text")),
            (
                json!({"content": text("a"), "stopReason": "refusal"}),
                Err("stopped without an answer: refusal"),
            ),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(said(result.clone()), expected, "{result}");
        }
    }

    #[test]
    fn refusal_is_one_short_line() {
        let error = |error: Value| refusal(&to_raw_value(&error).expect("JSON"));
        let named = error(json!({"code": -1, "message": "User\nsaid no"}));
        assert_eq!(named, "refused: User said no");
        assert_eq!(error(json!({"code": -1})), "refused: no reason given");
        let long = error(json!({"message": "no ".repeat(100)}));
        assert!(long.len() < limits::ASK_REASON_BYTES_MAX + 10, "{long}");
    }
}
