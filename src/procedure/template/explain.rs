//! For messages: which part of a template failed and what it lacked. Evaluates the
//! failed part again, so the bounds of evaluation apply here too.

use minijinja::ErrorKind;
use serde_json::{Map, Value};

use super::{end_of_expression, environment, is_template, text_value};
use crate::diagnostics::did_you_mean;

/// The text within `template` that cannot be evaluated, and its path, as in `.tags[0]`.
pub(in crate::procedure) fn failing<'a>(
    template: &'a Value,
    scope: &Map<String, Value>,
) -> Option<(String, &'a str)> {
    let below = |step: String, part: &'a Value| {
        let (path, text) = failing(part, scope)?;
        Some((format!("{step}{path}"), text))
    };
    match template {
        Value::String(text) if is_template(text) => {
            let fails = text_value(text, scope).is_err();
            fails.then(|| (String::new(), text.as_str()))
        }
        Value::Array(items) => {
            let mut numbered = items.iter().enumerate();
            numbered.find_map(|(nth, item)| below(format!("[{nth}]"), item))
        }
        Value::Object(members) => {
            let mut named = members.iter();
            named.find_map(|(name, member)| below(format!(".{name}"), member))
        }
        _ => None,
    }
}

/// Names the variables that `source` reads and `scope` lacks, if that is why it failed.
pub(super) fn undefined(source: &str, scope: &Map<String, Value>) -> Option<String> {
    let mut rest = source;
    while let Some((_, inner)) = rest.split_once("{{") {
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let end = end_of_expression(inner).unwrap_or(inner.len());
        let code = inner[..end].strip_suffix(['-', '+']);
        if let Some(why) = undefined_in(code.unwrap_or(&inner[..end]).trim(), scope) {
            return Some(why);
        }
        rest = &inner[end..];
    }
    None
}

/// `None` if the expression `code` can be evaluated, or fails for another reason.
fn undefined_in(code: &str, scope: &Map<String, Value>) -> Option<String> {
    let compiled = environment().compile_expression(code).ok()?;
    let is_undefined = match compiled.eval(scope) {
        Ok(value) => value.is_undefined(),
        // Operators only say of which types their operands are.
        Err(error) => {
            let is_of_undefined = |why: &str| why.contains("undefined");
            error.kind() == ErrorKind::UndefinedError || error.detail().is_some_and(is_of_undefined)
        }
    };
    if !is_undefined {
        return None;
    }
    let read = compiled.undeclared_variables(true).into_iter();
    let mut missing: Vec<String> = read.filter(|path| !is_defined(path, scope)).collect();
    missing.sort();
    Some(match missing.as_slice() {
        [] => format!("{code} is not defined"),
        [one] => match did_you_mean(one, scope.keys().map(String::as_str)) {
            Some(question) => format!("{one} is not defined; {question}"),
            None => format!("{one} is not defined"),
        },
        several => format!("{} are not defined", several.join(" and ")),
    })
}

fn is_defined(path: &str, scope: &Map<String, Value>) -> bool {
    let mut parts = path.split('.');
    let first = parts.next().and_then(|name| scope.get(name));
    let found = first.and_then(|first| parts.try_fold(first, |value, part| value.get(part)));
    found.is_some()
}
