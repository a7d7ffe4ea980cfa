//! The graph of the official memory server, and of programs with its format.

use serde_json::{Map, Value, json};

use super::{Item, SkippedFields, cut, names_of, not_an_object, said_at, text_of, value_of};
use crate::failure::Failure;
use crate::text;

const NAME: &[&str] = &["name", "entityName", "entity_name"];
const KIND: &[&str] = &["entityType", "entity_type"];
const FROM: &[&str] = &["from", "from_entity", "fromEntity", "source"];
const TO: &[&str] = &["to", "to_entity", "toEntity", "target", "destination"];
const RELATION: &[&str] = &["relationType", "relation_type", "relationship"];
/// The best known first. The time of a change elsewhere does not count as a use here.
const TIMES: &[&str] = &[
    "createdAt",
    "created_at",
    "timestamp",
    "date",
    "updatedAt",
    "updated_at",
];

/// Whether an object is one of the server's entities. A line of Mimo's own export has
/// an id.
pub(crate) fn is_entity(object: &Map<String, Value>) -> bool {
    let is_typed = object.get("type").is_some_and(|kind| kind == "entity");
    text_of(object, KIND).is_some() || (is_typed && !object.contains_key("id"))
}

pub(crate) fn is_relation(object: &Map<String, Value>) -> bool {
    let is_typed = object.get("type").is_some_and(|kind| kind == "relation");
    is_typed || (text_of(object, RELATION).is_some() && text_of(object, FROM).is_some())
}

/// The entity, then a memory for each of its observations, which names the entity and
/// is linked to it by that.
pub(super) fn entity(
    object: Map<String, Value>,
    path: String,
    items: &mut Vec<Item>,
    _: &mut SkippedFields,
) {
    let Some(name) = text_of(&object, NAME) else {
        let document = Err(Failure::invalid("/name", "the entity has no name"));
        items.push(Item { path, document });
        return;
    };
    let own = object.get("type").and_then(Value::as_str);
    let own = own.filter(|kind| *kind != "entity");
    let kind = text_of(&object, KIND).or(own).unwrap_or("thing");
    items.push(Item {
        path: path.clone(),
        document: Ok(json!({"type": "entity", "name": name, "entityType": kind})),
    });
    let none = Vec::new();
    let one;
    let observations = match object.get("observations") {
        Some(Value::Array(list)) => list,
        Some(Value::Null) | None => &none,
        Some(text) => {
            one = vec![text.clone()];
            &one
        }
    };
    for (nth, observation) in observations.iter().enumerate() {
        let path = format!("{path}/observations/{nth}");
        let said = match observation {
            Value::String(said) => Ok((said.as_str(), None)),
            Value::Object(said) => {
                let keys = ["content", "text", "observation", "contents", "value"];
                let text = text_of(said, &keys).map(|text| (text, Some(said)));
                text.ok_or_else(|| {
                    let why = "the observation has no content";
                    Item {
                        document: Err(Failure::invalid("/content", why)),
                        path: path.clone(),
                    }
                })
            }
            other => Err(not_an_object(path.clone(), other)),
        };
        let (said, fields) = match said {
            Ok(said) => said,
            Err(item) => {
                items.push(item);
                continue;
            }
        };
        let mut tags = vec![cut(kind)];
        tags.extend(names_of(fields.and_then(|fields| fields.get("tags"))));
        let mut memory = json!({
            "content": naming(name, said),
            "category": "observation",
            "tags": tags,
            "thread": cut(&format!("server-memory/{name}")),
            "position": nth + 1,
        });
        let own = fields.and_then(|fields| value_of(fields, TIMES));
        if let Some(time) = own.or_else(|| value_of(&object, TIMES)) {
            memory["created_at"] = time.clone();
            let said = fields.and_then(|fields| said_at(fields, time));
            if let Some(said) = said.or_else(|| said_at(&object, time)) {
                memory["said_at"] = said.clone();
            }
        }
        items.push(Item {
            path,
            document: Ok(memory),
        });
    }
}

pub(super) fn relation(
    object: Map<String, Value>,
    path: String,
    items: &mut Vec<Item>,
    _: &mut SkippedFields,
) {
    let part = |keys: &[&str]| {
        let why = || format!("the relation has no {}", keys[0]);
        text_of(&object, keys).ok_or_else(|| Failure::invalid(format!("/{}", keys[0]), why()))
    };
    let read = || {
        let (from, to) = (part(FROM)?, part(TO)?);
        let kind = part(RELATION)?;
        Ok(json!({"type": "relation", "from": from, "to": to, "relationType": kind}))
    };
    items.push(Item {
        document: read(),
        path,
    });
}

/// `said`, which begins with the name of its subject unless it has it already.
pub(super) fn naming(name: &str, said: &str) -> String {
    let has = |text: &str| format!(" {} ", text::words(text));
    match has(said).contains(&has(name)) {
        true => said.to_owned(),
        false => format!("{name}: {said}"),
    }
}
