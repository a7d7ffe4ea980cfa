//! Calls that a refused one is answered with. A test runs each of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::Arguments;

/// The arguments of good calls of a tool, the plainest first; none for a tool that
/// only tests or old clients call.
pub(super) fn of(tool: &str) -> &'static [Arguments] {
    static ALL: OnceLock<BTreeMap<String, Vec<Map<String, Value>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let parsed = serde_json::from_str(include_str!("examples.json"));
        parsed.unwrap_or_else(|error| {
            tracing::error!(%error, "the examples of calls cannot be read");
            BTreeMap::new()
        })
    });
    all.get(tool).map_or(&[], Vec::as_slice)
}

/// The example that has the argument `wanted`, or else the plainest.
pub(super) fn with<'a>(examples: &'a [Arguments], wanted: Option<&str>) -> Option<&'a Arguments> {
    let has_wanted =
        |example: &&Arguments| wanted.is_some_and(|wanted| example.contains_key(wanted));
    examples
        .iter()
        .find(has_wanted)
        .or_else(|| examples.first())
}

/// Whether a call with these arguments has all that some example has.
pub(super) fn is_whole(call: &Arguments, examples: &[Arguments]) -> bool {
    let has_all = |example: &Arguments| example.keys().all(|key| call.contains_key(key));
    examples.is_empty() || examples.iter().any(has_all)
}
