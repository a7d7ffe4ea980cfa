//! Templates: texts with `{{ }}`, evaluated by minijinja over the context. A text
//! that is a single `{{ }}` keeps the type of its value. Evaluation is pure and
//! bounded: no statements or functions, only the filters named here, and limits on
//! fuel, depth, the values on the way ([`cost`]) and output.

mod cost;
mod explain;

use std::sync::OnceLock;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, filters, tests};
use serde_json::{Map, Value};

pub(super) use explain::failing;

use crate::limits;

/// Names with a fixed meaning in templates.
pub(super) const RESERVED_NAMES: [&str; 6] =
    ["context", "result", "error", "execution", "index", "item"];

/// Why a template cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(pub String);

/// Whether `text` must be evaluated.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Evaluates every text in `template`.
pub fn evaluate(template: &Value, scope: &Map<String, Value>) -> Result<Value, TemplateError> {
    let mut left = limits::TEMPLATE_OUTPUT_BYTES_MAX;
    evaluate_within(template, scope, limits::TEMPLATE_NESTING_MAX, &mut left)
}

fn evaluate_within(
    template: &Value,
    scope: &Map<String, Value>,
    depth: usize,
    left: &mut usize,
) -> Result<Value, TemplateError> {
    if depth == 0 {
        let most = limits::TEMPLATE_NESTING_MAX;
        return Err(TemplateError(format!(
            "lists and objects lie more than {most} deep"
        )));
    }
    match template {
        Value::String(text) if is_template(text) => {
            let value = text_value(text, scope)?;
            let used = value.to_string().len();
            *left = left.checked_sub(used).ok_or_else(too_long)?;
            Ok(value)
        }
        Value::Array(items) => items
            .iter()
            .map(|item| evaluate_within(item, scope, depth - 1, left))
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| {
                let value = evaluate_within(member, scope, depth - 1, left)?;
                Ok((key.clone(), value))
            })
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        plain => Ok(plain.clone()),
    }
}

pub(super) fn text(template: &str, scope: &Map<String, Value>) -> Result<String, TemplateError> {
    if !is_template(template) {
        return Ok(template.to_owned());
    }
    Ok(match text_value(template, scope)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// Whether `template` evaluates to something other than `false`, null, zero or
/// empty.
pub(super) fn is_true(template: &str, scope: &Map<String, Value>) -> Result<bool, TemplateError> {
    Ok(match text_value(template, scope)? {
        Value::Bool(truth) => truth,
        Value::Null => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty() && text != "false",
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    })
}

fn text_value(source: &str, scope: &Map<String, Value>) -> Result<Value, TemplateError> {
    check_source(source)?;
    cost::check(source, scope)?;
    let environment = environment();
    let failed = |error: minijinja::Error| {
        explain::undefined(source, scope).map_or_else(|| template_error(error), TemplateError)
    };
    let value = match expression(source) {
        Some(inner) => {
            let compiled = environment
                .compile_expression(inner)
                .map_err(template_error)?;
            let value = compiled.eval(scope).map_err(failed)?;
            if value.is_undefined() {
                return Err(failed(ErrorKind::UndefinedError.into()));
            }
            serde_json::to_value(value).map_err(|error| {
                TemplateError(format!("{inner} does not give a JSON value: {error}"))
            })?
        }
        None => {
            let compiled = environment
                .template_from_str(source)
                .map_err(template_error)?;
            let mut written = BoundedWriter(Vec::new());
            match compiled.render_captured_to(scope, &mut written) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WriteFailure => return Err(too_long()),
                Err(error) => return Err(failed(error)),
            }
            let text = String::from_utf8(written.0);
            Value::String(text.map_err(|error| TemplateError(error.to_string()))?)
        }
    };
    Ok(value)
}

/// The expression of a text that is a single `{{ }}`.
fn expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let end = end_of_expression(inner)?;
    let code = inner[..end].strip_suffix(['-', '+']);
    (end + 2 == inner.len()).then(|| code.unwrap_or(&inner[..end]).trim())
}

/// Where the `}}` of an expression is: outside quotes and brackets, as in minijinja's
/// lexer, which panics on an end inside them.
fn end_of_expression(inner: &str) -> Option<usize> {
    let mut open = 0_i32;
    let mut quote = None;
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(end), _) if end == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '}') if open == 0 && inner[at..].starts_with("}}") => return Some(at),
            (None, '(' | '[' | '{') => open += 1,
            (None, ')' | ']' | '}') => open -= 1,
            (None, _) => {}
        }
    }
    None
}

/// Fails if `source` can never be evaluated.
pub fn check(source: &str) -> Result<(), TemplateError> {
    check_source(source)?;
    let nothing = Map::new();
    cost::check(source, &nothing)?;
    static LENIENT: OnceLock<Environment<'static>> = OnceLock::new();
    // An evaluation without values still finds unknown filters, tests and
    // functions.
    let lenient = LENIENT.get_or_init(|| new_environment(UndefinedBehavior::Chainable));
    let tried = match expression(source) {
        Some(inner) => lenient
            .compile_expression(inner)
            .map_err(template_error)?
            .eval(&nothing)
            .map(drop),
        None => lenient
            .template_from_str(source)
            .map_err(template_error)?
            .render(&nothing)
            .map(drop),
    };
    match tried {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
            ) =>
        {
            Err(template_error(error))
        }
        _ => Ok(()),
    }
}

/// The names that a template reads.
pub fn variables(source: &str) -> Vec<String> {
    let mut names: Vec<String> = paths(source)
        .iter()
        .filter_map(|path| path.split('.').next().map(str::to_owned))
        .collect();
    names.dedup();
    names
}

/// The names that a template reads, with the members that it takes of them (`context.n`).
pub(super) fn paths(source: &str) -> Vec<String> {
    let environment = environment();
    let found = match expression(source) {
        Some(inner) => environment
            .compile_expression(inner)
            .map(|compiled| compiled.undeclared_variables(true)),
        None => environment
            .template_from_str(source)
            .map(|compiled| compiled.undeclared_variables(true)),
    };
    let mut found: Vec<String> = found.into_iter().flatten().collect();
    found.sort();
    found
}

fn check_source(source: &str) -> Result<(), TemplateError> {
    if source.contains("{%") || source.contains("{#") {
        return Err(TemplateError(
            "statements and comments ({% %}, {# #}) are not understood here; a template holds {{ }} alone"
                .to_owned(),
        ));
    }
    // The engine's parser makes a tree of any depth from a chain of operators.
    let mut rest = source;
    while let Some((_, inner)) = rest.split_once("{{") {
        let end = end_of_expression(inner).unwrap_or(inner.len());
        if end > limits::TEMPLATE_EXPRESSION_BYTES_MAX {
            let most = limits::TEMPLATE_EXPRESSION_BYTES_MAX;
            return Err(TemplateError(format!(
                "an expression in it is longer than {most} bytes; divide it into several states"
            )));
        }
        rest = &inner[end..];
    }
    Ok(())
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| new_environment(UndefinedBehavior::Strict))
}

/// An environment with the filters whose output is bounded by their input, and
/// the stateless tests.
fn new_environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut made = Environment::empty();
    made.set_fuel(Some(limits::TEMPLATE_FUEL_MAX));
    made.set_recursion_limit(limits::TEMPLATE_DEPTH_MAX);
    made.set_undefined_behavior(undefined);
    made.add_filter("abs", filters::abs);
    made.add_filter("bool", filters::bool);
    made.add_filter("default", filters::default);
    made.add_filter("first", filters::first);
    made.add_filter("float", filters::float);
    made.add_filter("int", filters::int);
    made.add_filter("items", filters::items);
    made.add_filter("join", filters::join);
    made.add_filter("last", filters::last);
    made.add_filter("length", filters::length);
    made.add_filter("lines", filters::lines);
    made.add_filter("list", filters::list);
    made.add_filter("lower", filters::lower);
    made.add_filter("max", filters::max);
    made.add_filter("min", filters::min);
    made.add_filter("reverse", filters::reverse);
    made.add_filter("round", filters::round);
    made.add_filter("sort", filters::sort);
    made.add_filter("split", filters::split);
    made.add_filter("string", filters::string);
    made.add_filter("sum", filters::sum);
    made.add_filter("trim", filters::trim);
    made.add_filter("unique", filters::unique);
    made.add_filter("upper", filters::upper);
    made.add_filter("tojson", |value: minijinja::Value| {
        serde_json::to_string(&value)
            .map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    made.add_test("defined", tests::is_defined);
    made.add_test("undefined", tests::is_undefined);
    made.add_test("none", tests::is_none);
    made.add_test("string", tests::is_string);
    made.add_test("number", tests::is_number);
    made.add_test("integer", tests::is_integer);
    made.add_test("boolean", tests::is_boolean);
    made.add_test("sequence", tests::is_sequence);
    made.add_test("mapping", tests::is_mapping);
    made.add_test("startingwith", tests::is_startingwith);
    made.add_test("endingwith", tests::is_endingwith);
    made
}

/// Refuses more output than the limit.
struct BoundedWriter(Vec<u8>);

impl std::io::Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > limits::TEMPLATE_OUTPUT_BYTES_MAX {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn too_long() -> TemplateError {
    let most = limits::TEMPLATE_OUTPUT_BYTES_MAX;
    TemplateError(format!("the templates give more than {most} bytes"))
}

fn template_error(error: minijinja::Error) -> TemplateError {
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    TemplateError(message)
}

#[cfg(test)]
mod template_tests {
    use serde_json::json;

    use super::*;

    fn scope() -> Map<String, Value> {
        let scope = json!({
            "n": 3, "x": 0.5, "big": 9_007_199_254_740_993_i64, "yes": true, "nothing": null,
            "name": "Ada", "list": [1, "two", {"three": 3}], "map": {"a": {"b": [10, 20]}},
            "odd": "{{ name }}",
        });
        scope.as_object().cloned().expect("an object")
    }

    #[test]
    fn single_expression_keeps_its_type() {
        for (template, expected) in [
            (json!("{{ n }}"), json!(3)),
            (json!("{{ n + 1 }}"), json!(4)),
            (json!("{{ x }}"), json!(0.5)),
            (json!("{{ big }}"), json!(9_007_199_254_740_993_i64)),
            (json!("{{ yes }}"), json!(true)),
            (json!("{{ not yes }}"), json!(false)),
            (json!("{{ nothing }}"), json!(null)),
            (json!("{{ list }}"), json!([1, "two", {"three": 3}])),
            (json!("{{ map.a.b[1] }}"), json!(20)),
            (json!("{{ list | length }}"), json!(3)),
            (json!("{{ 'a' if n > 2 else 'b' }}"), json!("a")),
            (json!("{{ missing | default('none') }}"), json!("none")),
            (json!("{{ missing is defined }}"), json!(false)),
            (json!("{{ {'a': n} }}"), json!({"a": 3})),
            (json!("{{ '{{ }}' }}"), json!("{{ }}")),
            (json!(" {{ n }} "), json!(3)),
            (json!("n is {{ n }}"), json!("n is 3")),
            (json!("{{ n }}{{ n }}"), json!("33")),
            (json!("{{ name }} & <{{ name }}>"), json!("Ada & <Ada>")),
            (json!("plain }} text"), json!("plain }} text")),
            (json!({"a": ["{{ n }}", 1]}), json!({"a": [3, 1]})),
            // A value that looks like a template is not evaluated.
            (json!("{{ odd }}"), json!("{{ name }}")),
            (json!("{{ name ~ '-' ~ n }}"), json!("Ada-3")),
            (json!("{{ 7 // 2 }}"), json!(3)),
            (json!("{{ {'a': {'b': n}} }}"), json!({"a": {"b": 3}})),
            (json!("{{- n -}}"), json!(3)),
            (json!(r#"{{ "it\'s }} " ~ n }}"#), json!("it's }} 3")),
            (json!("{{ n * n * n * n * n * n }}"), json!(729)),
            (
                json!("* a\n* b\n* c\n* d\n* e\n* {{ n }}"),
                json!("* a\n* b\n* c\n* d\n* e\n* 3"),
            ),
            (json!("{{ '-' * (n + 1) }}"), json!("----")),
            (json!("{{ list[2].three * 2 }}"), json!(6)),
            (json!("{{ (map.a.b | last) * n }}"), json!(60)),
            (json!("{{ (list | length) * n }}"), json!(9)),
            (json!("{{ (missing | default(2)) * n }}"), json!(6)),
            (json!("{{ map.a.b[n - 2] * 2 }}"), json!(40)),
            (json!("{{ (map.a.b + [30]) | sum }}"), json!(60)),
        ] {
            assert_eq!(evaluate(&template, &scope()), Ok(expected), "{template}");
        }
    }

    #[test]
    fn invalid_template_reports_the_reason() {
        for (template, why) in [
            ("{{ missing }}", "not defined"),
            ("{{ missing.deeper }}", "not defined"),
            ("so {{ missing }}", "not defined"),
            ("Hello {{ name }} and {{ nope }}", "nope is not defined"),
            ("{{ n }}{{ map.a.c }}", "map.a.c is not defined"),
            ("{{ nam ~ 'x' }}", "did you mean \"name\""),
            ("{{ one + other }}", "one and other are not defined"),
            ("{{ map[name] }}", "map[name] is not defined"),
            ("{{ n + }}", "syntax"),
            ("{% for i in list %}{{ i }}{% endfor %}", "statements"),
            ("{{ range(9) }}", "unknown function"),
            ("{{ name | shout }}", "unknown filter"),
            ("{{ 'x' * 2000000 }}", "more than"),
            ("so {{ 'x' * 2000000 }}", "more than"),
            ("{{ 'x' * 900000000 }}", "longer than"),
            ("{{ 'x' * (n * 900000000) }}", "longer than"),
            ("{{ 'x' * big }}", "longer than"),
            (
                "{{ ([1] * 1000000000000) | list | length }}",
                "list cannot be multiplied",
            ),
            ("{{ ([1] * n) | length }}", "list cannot be multiplied"),
            ("{{ n * list }}", "list cannot be multiplied"),
            (
                "{{ 1 in (map.a.b + [n]) * big }}",
                "list cannot be multiplied",
            ),
            (
                "{{ (list if yes else n) * n }}",
                "list cannot be multiplied",
            ),
            ("{{ ([list] | first) * n }}", "list cannot be multiplied"),
            ("{{ (map | items)[0][1] * n }}", "list cannot be multiplied"),
            (
                "so {{ ('ab' * 100000) | list | join('x' * 100000) }}",
                "longer than",
            ),
            ("{{ n / 'a' }}", "invalid operation"),
            ("{{ n ) }}", "syntax"),
            ("{{ n", "syntax"),
            ("{{ 'n }}", "syntax"),
        ] {
            let error = evaluate(&json!(template), &scope()).expect_err(template);
            assert!(error.0.contains(why), "{template}: {}", error.0);
        }
        let chain = |links: usize| "{{ ".to_owned() + &"name ~ ".repeat(links) + "name }}";
        for (links, why) in [
            (60, "too many long"),
            (200, "deep"),
            (30_000, "longer than"),
        ] {
            let long = json!({"name": "x".repeat(500_000)});
            let error = evaluate(&json!(chain(links)), long.as_object().expect("an object"));
            let error = error.expect_err("too long");
            assert!(error.0.contains(why), "{links}: {}", error.0);
        }
        let attributes = "{{ map".to_owned() + &".a".repeat(1_000) + " }}";
        assert!(evaluate(&json!(attributes), &scope()).is_err());
        let deep = "{{ ".to_owned() + &"(".repeat(500) + "1" + &")".repeat(500) + " }}";
        assert!(check(&deep).is_err());
        let mut nested = json!("{{ n }}");
        for _ in 0..limits::TEMPLATE_NESTING_MAX {
            nested = json!([nested]);
        }
        assert!(evaluate(&nested, &scope()).is_err());
        let wide = json!(vec!["{{ 'x' * 300000 }}"; 4]);
        assert!(
            evaluate(&wide, &scope()).is_err(),
            "together they are too long"
        );
    }

    #[test]
    fn variables_are_the_names_a_template_reads() {
        assert_eq!(
            variables("{{ a.b + c[d] }} {{ 1 if e is defined }}"),
            ["a", "c", "d", "e"]
        );
        assert_eq!(variables("{{ a | default(b) }}"), ["a", "b"]);
        assert_eq!(
            paths("{{ a.b.c ~ a.d ~ e[f] }}"),
            ["a.b.c", "a.d", "e", "f"]
        );
        assert_eq!(variables("plain"), Vec::<String>::new());
    }
}
