//! The sets of arguments that make a complete call of a tool, beyond what its schema
//! requires. A hint completes a call to the nearest of them, with placeholders.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::Arguments;

/// The forms of a tool, the plainest first; none for a tool that only tests or old
/// clients call. A text is a value that tells one form from another, an object or a
/// list is the shape to show, and null leaves the shape to the schema.
pub(super) fn of(tool: &str) -> &'static [Arguments] {
    static ALL: OnceLock<BTreeMap<String, Vec<Map<String, Value>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let parsed = serde_json::from_str(include_str!("forms.json"));
        parsed.unwrap_or_else(|error| {
            tracing::error!(%error, "the forms of calls cannot be read");
            BTreeMap::new()
        })
    });
    all.get(tool).map_or(&[], Vec::as_slice)
}

/// The form nearest to `call`, if that has all arguments of none.
pub(super) fn nearest_unless_whole<'a>(
    call: &Arguments,
    forms: &'a [Arguments],
) -> Option<&'a Arguments> {
    let agrees = |form: &&Arguments| {
        form.iter().all(|(name, wanted)| {
            let given = call.get(name).and_then(Value::as_str);
            let given = given.filter(|given| !given.starts_with('<'));
            !wanted.is_string() || given.is_none_or(|given| wanted == given)
        })
    };
    let shared = |form: &Arguments| form.keys().filter(|name| call.contains_key(*name)).count();
    let candidates = || forms.iter().filter(agrees);
    if forms.is_empty() || candidates().any(|form| shared(form) == form.len()) {
        return None;
    }
    // `rev`, because `max_by_key` returns the last of equals.
    candidates().rev().max_by_key(|form| shared(form))
}
