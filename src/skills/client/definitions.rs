//! Repairs the definitions that a skill lists. Clients reject a whole list for one
//! definition that breaks the protocol's schema, so one wrong field would cost every
//! tool. A field with one possible meaning gets it, an optional one is dropped, and
//! only an item that stays unusable is left out. Pure.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::fixes::Fixes;
use super::schemas::{repair_input, repair_output};

pub(super) type Item = Map<String, Value>;

/// A list that a skill may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    /// The method that requests it.
    pub(crate) fn method(self) -> &'static str {
        match self {
            List::Tools => "tools/list",
            List::Prompts => "prompts/list",
            List::Resources => "resources/list",
            List::Templates => "resources/templates/list",
        }
    }

    /// The key of the result that holds its items.
    pub(crate) fn member(self) -> &'static str {
        match self {
            List::Tools => "tools",
            List::Prompts => "prompts",
            List::Resources => "resources",
            List::Templates => "resourceTemplates",
        }
    }

    /// The capability of the servers that offer it.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            List::Tools => "tools",
            List::Prompts => "prompts",
            List::Resources | List::Templates => "resources",
        }
    }

    /// One of its items, in messages.
    pub(super) fn item(self) -> &'static str {
        match self {
            List::Tools => "tool",
            List::Prompts => "prompt",
            List::Resources => "resource",
            List::Templates => "resource template",
        }
    }
}

/// A definition that every client accepts.
#[derive(Debug)]
pub struct Repaired {
    /// Its text, where it differs from the skill's.
    pub text: Option<Box<RawValue>>,
    pub(super) note: Option<String>,
}

/// Repairs an item of a list; fails with the reason why it is left out.
pub fn repair(list: List, raw: &RawValue) -> Result<Repaired, String> {
    let Ok(Value::Object(mut item)) = serde_json::from_str(raw.get()) else {
        return Err("it is not a JSON object".to_owned());
    };
    let mut fixes = Fixes::default();
    for (field, check) in BASE {
        keep_if(&mut item, field, *check, "", &mut fixes);
    }
    repair_list(&mut item, "icons", "", &mut fixes, repair_icon);
    match list {
        List::Tools => repair_tool(&mut item, &mut fixes)?,
        List::Prompts => repair_prompt(&mut item, &mut fixes)?,
        List::Resources => repair_resource(&mut item, "uri", is_uri, &mut fixes)?,
        List::Templates => repair_resource(&mut item, "uriTemplate", is_template, &mut fixes)?,
    }
    if fixes.is_empty() {
        return Ok(Repaired {
            text: None,
            note: None,
        });
    }
    let text = to_raw_value(&item).map_err(|error| error.to_string())?;
    Ok(Repaired {
        text: Some(text),
        note: Some(fixes.text()),
    })
}

type Check = fn(&Value) -> bool;

pub(super) const BASE: &[(&str, Check)] = &[
    ("title", Value::is_string),
    ("description", Value::is_string),
    ("_meta", Value::is_object),
];

fn repair_tool(tool: &mut Item, fixes: &mut Fixes) -> Result<(), String> {
    check_name(tool)?;
    let input = tool.entry("inputSchema").or_insert(Value::Null);
    repair_input(input, fixes)?;
    if let Some(output) = tool.get_mut("outputSchema")
        && (!output.is_object() || repair_output(output, fixes).is_err())
    {
        fixes.note("/outputSchema is dropped".to_owned());
        tool.shift_remove("outputSchema");
    }
    repair_object(tool, "annotations", fixes, |annotations, path, fixes| {
        keep_if(annotations, "title", Value::is_string, path, fixes);
        for hint in [
            "readOnlyHint",
            "destructiveHint",
            "idempotentHint",
            "openWorldHint",
        ] {
            keep_if(annotations, hint, Value::is_boolean, path, fixes);
        }
    });
    repair_object(tool, "execution", fixes, |execution, path, fixes| {
        let known = |value: &Value| {
            ["forbidden", "optional", "required"]
                .iter()
                .any(|it| value == it)
        };
        keep_if(execution, "taskSupport", known, path, fixes);
    });
    Ok(())
}

fn repair_prompt(prompt: &mut Item, fixes: &mut Fixes) -> Result<(), String> {
    check_name(prompt)?;
    repair_list(prompt, "arguments", "", fixes, |argument, path, fixes| {
        keep_if(argument, "title", Value::is_string, path, fixes);
        keep_if(argument, "description", Value::is_string, path, fixes);
        keep_if(argument, "required", Value::is_boolean, path, fixes);
        argument.get("name").is_some_and(Value::is_string)
    });
    Ok(())
}

pub(super) fn repair_resource(
    resource: &mut Item,
    address: &str,
    is_address: fn(&str) -> bool,
    fixes: &mut Fixes,
) -> Result<(), String> {
    let uri = resource.get(address).and_then(Value::as_str);
    let Some(uri) = uri.filter(|uri| is_address(uri)).map(str::to_owned) else {
        return Err(format!("its {address} is missing or is none"));
    };
    if !resource.get("name").is_some_and(Value::is_string) {
        fixes.note("/name is taken from its title or address".to_owned());
        let title = resource.get("title").and_then(Value::as_str);
        let name = title.unwrap_or(&uri).to_owned();
        resource.insert("name".to_owned(), name.into());
    }
    keep_if(resource, "mimeType", Value::is_string, "", fixes);
    keep_if(resource, "size", is_integer, "", fixes);
    repair_annotations(resource, fixes);
    Ok(())
}

/// Repairs the `annotations` of a resource or of a content block.
pub(super) fn repair_annotations(item: &mut Item, fixes: &mut Fixes) {
    repair_object(item, "annotations", fixes, |annotations, path, fixes| {
        let is_role = |role: &Value| role == "user" || role == "assistant";
        let is_audience = |value: &Value| {
            value
                .as_array()
                .is_some_and(|roles| roles.iter().all(is_role))
        };
        let is_share = |value: &Value| {
            value
                .as_f64()
                .is_some_and(|share| (0.0..=1.0).contains(&share))
        };
        let is_time = |value: &Value| {
            value
                .as_str()
                .is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok())
        };
        keep_if(annotations, "audience", is_audience, path, fixes);
        keep_if(annotations, "priority", is_share, path, fixes);
        keep_if(annotations, "lastModified", is_time, path, fixes);
    });
}

pub(super) fn repair_icon(icon: &mut Item, path: &str, fixes: &mut Fixes) -> bool {
    let are_sizes = |value: &Value| {
        value
            .as_array()
            .is_some_and(|sizes| sizes.iter().all(Value::is_string))
    };
    let is_theme = |value: &Value| value == "light" || value == "dark";
    keep_if(icon, "mimeType", Value::is_string, path, fixes);
    keep_if(icon, "sizes", are_sizes, path, fixes);
    keep_if(icon, "theme", is_theme, path, fixes);
    icon.get("src").and_then(Value::as_str).is_some_and(is_uri)
}

fn check_name(item: &Item) -> Result<(), String> {
    match item.get("name").and_then(Value::as_str) {
        Some(name) if !name.is_empty() => Ok(()),
        _ => Err("it has no name".to_owned()),
    }
}

/// Drops an optional field of the wrong type.
pub(super) fn keep_if(
    item: &mut Item,
    field: &str,
    check: impl Fn(&Value) -> bool,
    path: &str,
    fixes: &mut Fixes,
) {
    if item.get(field).is_some_and(|value| !check(value)) {
        fixes.note(format!("{path}/{field} is dropped"));
        item.shift_remove(field);
    }
}

/// Repairs an optional field that is an object, and drops it if it is not one.
fn repair_object(
    item: &mut Item,
    field: &str,
    fixes: &mut Fixes,
    repair: impl Fn(&mut Item, &str, &mut Fixes),
) {
    keep_if(item, field, Value::is_object, "", fixes);
    if let Some(Value::Object(object)) = item.get_mut(field) {
        repair(object, &format!("/{field}"), fixes);
    }
}

/// Repairs an optional list of objects: those that `repair` refuses are removed.
pub(super) fn repair_list(
    item: &mut Item,
    field: &str,
    path: &str,
    fixes: &mut Fixes,
    repair: impl Fn(&mut Item, &str, &mut Fixes) -> bool,
) {
    keep_if(item, field, Value::is_array, path, fixes);
    let Some(Value::Array(members)) = item.get_mut(field) else {
        return;
    };
    let mut at = 0;
    members.retain_mut(|member| {
        let path = format!("{path}/{field}/{at}");
        at += 1;
        let is_kept = match member {
            Value::Object(member) => repair(member, &path, fixes),
            _ => false,
        };
        if !is_kept {
            fixes.note(format!("{path} is dropped"));
        }
        is_kept
    });
}

pub(super) fn is_integer(value: &Value) -> bool {
    value.is_u64() || value.is_i64()
}

/// Whether clients that parse a URI accept it: some refuse a relative one, or a
/// web address without a host.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    let is_web = ["http", "https", "ws", "wss", "ftp"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    let has_host = || {
        let host = rest.strip_prefix("//");
        host.is_some_and(|host| host.starts_with(|first: char| first.is_alphanumeric()))
    };
    is_scheme && !rest.is_empty() && is_template(text) && (!is_web || has_host())
}

fn is_template(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}
