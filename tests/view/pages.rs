//! What a person does on the page, in Chromium; the scripts are beside this file.

use serde_json::json;

use super::{HOSTILE, View, call, run_script, store_some};
use crate::support::fixture::trusted_dir;
use crate::support::machine;

#[test]
fn memories_are_searched_edited_forgotten_and_taken_back() {
    skip_unless!(machine::browser());
    let folder = trusted_dir();
    store_some(folder.path());
    let view = View::start(folder.path());
    run_script(folder.path(), "memories.mjs", &[&view.link, HOSTILE]);
    let found = call(folder.path(), "memory_search", &json!({"ids": [1, 2, 5]}));
    let items = found["items"].as_array().expect("items");
    assert_eq!(items[0]["content"], "Raj deploys on Tuesdays", "{found}");
    assert_eq!(items[0]["tags"], json!(["ops", "release"]), "{found}");
    // Forgotten, then taken back.
    assert_eq!(items[1]["state"], json!(null), "{found}");
    assert_eq!(items[2]["state"], "archived", "{found}");
}
