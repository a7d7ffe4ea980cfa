//! Characters that no argument of npx, uvx or docker needs: those that a shell acts
//! on, in case one of these programs starts one, and those that hide from a reader
//! what an argument says.

use std::path::Path;

use serde_json::Value;

use crate::skills::refusal::{Class, Refusal, shown};

/// Shell metacharacters.
const SHELL: &[char] = &[';', '&', '|', '<', '>', '$', '(', ')', '`', '\n', '\r'];

/// Refuses the first argument that holds such a character.
pub(super) fn check(arguments: &[String]) -> Result<(), Refusal> {
    let mut found = arguments.iter().enumerate();
    let found = found.find_map(|(at, argument)| Some((at, argument, refused(argument)?)));
    let Some((at, argument, (character, why))) = found else {
        return Ok(());
    };
    // The rest may be a secret.
    let name = argument.split('=').next().unwrap_or(argument);
    let name = match name.len() < argument.len() {
        true => format!("the value of {}", shown(name)),
        false => "the argument".to_owned(),
    };
    let character = match character.is_ascii_graphic() {
        true => format!("\"{character}\""),
        false => format!("U+{:04X}", u32::from(character)),
    };
    Err(Refusal::new(
        Class::Argument,
        format!("{name} contains {character}, which {why}"),
        "write it without that character, or put the value under env",
    )
    .under(at))
}

fn refused(argument: &str) -> Option<(char, &'static str)> {
    if let Some(hidden) = argument.chars().find(|c| is_hidden(*c)) {
        return Some((hidden, "hides what the argument says"));
    }
    // `--flag=VALUE` and `NAME=VALUE` are judged like VALUE.
    let value = match argument.split_once('=') {
        Some((name, value)) if !name.contains(SHELL) => value,
        _ => argument,
    };
    if [argument, value].iter().any(|text| has_meaning(text)) {
        return None;
    }
    let text = without_variables(argument);
    let acts = text.chars().find(|c| SHELL.contains(c));
    acts.map(|c| (c, "a shell would act on"))
}

/// Line ends stay: a JSON document may have them.
fn is_hidden(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    let invisible = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    control || invisible
}

/// Whether the whole text is something that people paste: a file, an address, or a
/// JSON document.
fn has_meaning(text: &str) -> bool {
    let is_file = || text.starts_with('/') && Path::new(text).symlink_metadata().is_ok();
    let is_document = || {
        text.starts_with(['{', '['])
            && serde_json::from_str::<Value>(text)
                .is_ok_and(|value| value.is_object() || value.is_array())
    };
    is_file() || is_address(text) || is_document()
}

/// An http(s) address with the characters that the standard allows.
fn is_address(text: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        let allowed = |c: char| c.is_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
        !rest.is_empty() && rest.chars().all(allowed) && !rest.contains("$(")
    })
}

/// The text without each `${NAME}`, which the server itself replaces: the manifest
/// refuses names that the skill's environment lacks.
fn without_variables(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((_, after)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        rest = after;
    }
    out.push_str(rest);
    out
}
