//! The words of `category`: what is advertised is stored, found and listed under its name.

use serde_json::json;

use super::forms::{World, definitions};

#[test]
fn each_category_that_a_schema_names_is_stored_and_found() {
    let mut world = World::new();
    let listed = |tool: &str| {
        let all = definitions();
        let (_, definition) = all.iter().find(|(name, _)| name == tool).expect("a tool");
        let category = &definition["inputSchema"]["properties"]["category"];
        let words = category["enum"].as_array().expect("words").iter();
        let words = words.map(|word| word.as_str().expect("a word").to_owned());
        words.collect::<Vec<String>>()
    };
    let categories = listed("memory_store");
    assert_eq!(listed("memory_search"), categories);
    for word in ["decision", "preference"] {
        assert!(categories.iter().any(|category| category == word), "{word}");
    }
    for category in &categories {
        let content = format!("This {category} is about the launch");
        let new = json!({"memories": [{"content": content, "category": category}]});
        world.good("memory_store", new);
    }
    for category in &categories {
        let filter = json!({"query": "the launch", "category": category});
        let found = world.good("memory_search", filter);
        let items = found["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "{category}: {found}");
        let shown = items[0]["category"].as_str().unwrap_or("fact");
        assert_eq!(shown, category, "{found}");
        let listed = world.contents(json!({"category": category}));
        assert_eq!(listed, [format!("This {category} is about the launch")]);
    }
    let none = json!({"query": "x", "category": "decision", "tags": ["nothing"]});
    let hint = world.good("memory_search", none)["hint"].to_string();
    assert!(hint.contains("1 decisions"), "{hint}");
}
