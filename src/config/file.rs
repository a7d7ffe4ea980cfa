//! Reads `config.toml`, and refuses keys that are not in the table.

use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::endpoint::Mistake;
use super::keys::KEYS;
use super::rules::{FileSettings, Rule};
use super::values::{number, written};
use crate::caller::check_project;
use crate::diagnostics::{Diagnostic, did_you_mean, nearest};
use crate::failure::{Failure, Kind};
use crate::limits::{CONFIG_FILE_BYTES_MAX, CONFIG_LIST_MAX};

/// Reads the file; a missing one is empty.
pub(super) fn read(path: &Path) -> Result<FileSettings, Failure> {
    let unusable = |why: String| {
        Failure::new(Kind::Unavailable, format!("{}: {why}", path.display()))
            .hint("correct the file, or move it away: every setting has a default")
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(FileSettings::default());
        }
        Err(error) => return Err(unusable(format!("cannot be read: {error}"))),
    };
    let mut bytes = Vec::new();
    file.take(CONFIG_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unusable(format!("cannot be read: {error}")))?;
    if bytes.len() > CONFIG_FILE_BYTES_MAX {
        return Err(unusable(format!(
            "is longer than {CONFIG_FILE_BYTES_MAX} bytes, so it is hardly a settings file"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| unusable("is not UTF-8 text".into()))?;
    parse(&path.display().to_string(), &text)
}

/// Reads `text`; `name` is what messages call the file.
pub(super) fn parse(name: &str, text: &str) -> Result<FileSettings, Failure> {
    let source = Source { name, text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let fix = "write one setting a line, for example project = \"website\"";
        source.mistake(at, format!("not TOML: {}", error.message()), fix)
    })?;
    let mut settings = FileSettings::default();
    read_table(&source, &mut settings, "", table.get_ref())?;
    let memory = &settings.memory;
    if memory.keyword_weight == 0.0 && memory.semantic_weight == 0.0 {
        let reason = "memory.weights.keyword and memory.weights.semantic are both 0: \
                      nothing would be found";
        let at = text.find("weights").unwrap_or(0);
        return Err(source.mistake(at, reason, "give one of them a weight, or leave both out"));
    }
    let in_section = |name: &str, (word, reason, fix): Mistake| {
        let section = text.find(&format!("[{name}"));
        let section = section.or_else(|| text.find(&format!("{name}.")));
        let section = section.unwrap_or(0);
        let found = text[section..].find(&word);
        let at = found.map_or(section, |at| section + at);
        source.mistake(at, reason, fix)
    };
    let ask = settings.ask.check();
    ask.map_err(|mistake| in_section("ask", mistake))?;
    let embedding = settings.embedding.check();
    embedding.map_err(|mistake| in_section("embedding", mistake))?;
    Ok(settings)
}

/// The text of a file, to name the line of a mistake in it.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn mistake(&self, at: usize, reason: impl Into<String>, fix: impl Into<String>) -> Failure {
        let line = 1 + self.text[..at.min(self.text.len())].matches('\n').count();
        Diagnostic::at(format!("{}:{line}", self.name), reason, fix).into()
    }
}

fn read_table(
    source: &Source<'_>,
    settings: &mut FileSettings,
    above: &str,
    table: &DeTable<'_>,
) -> Result<(), Failure> {
    for (name, value) in table {
        let path = match above {
            "" => name.get_ref().to_string(),
            above => format!("{above}.{}", name.get_ref()),
        };
        let at = name.span().start;
        let section = format!("{path}.");
        if let Some(key) = KEYS.iter().find(|key| key.path == path) {
            let mistake = |reason: String, fix: String| source.mistake(at, reason, fix);
            key.rule.apply(settings, &path, &mistake, value.get_ref())?;
        } else if !KEYS.iter().any(|key| key.path.starts_with(&section)) {
            let (reason, fix) = unknown(&path);
            return Err(source.mistake(at, reason, fix));
        } else if let DeValue::Table(inner) = value.get_ref() {
            read_table(source, settings, &path, inner)?;
        } else {
            let reason = format!("{path} is a section and takes no value of its own");
            let fix = format!("write [{path}] on a line and its settings below");
            return Err(source.mistake(at, reason, fix));
        }
    }
    Ok(())
}

impl Rule {
    fn apply(
        &self,
        settings: &mut FileSettings,
        path: &str,
        mistake: &dyn Fn(String, String) -> Failure,
        value: &DeValue<'_>,
    ) -> Result<(), Failure> {
        let problem = |why: String| {
            let name = path.rsplit('.').next().unwrap_or(path);
            let example = self.example();
            let fix = format!("write for example {name} = {example}, or leave it out");
            mistake(format!("{path} {why}"), fix)
        };
        let wanted = |what: &str| problem(format!("must be {what}, and is {}", written(value)));
        match self {
            Rule::Project(field) => {
                let text = value.as_str().ok_or_else(|| wanted("text in quotes"))?;
                let name = check_project(text)
                    .map_err(|why| problem(format!("cannot be \"{text}\": {why}")))?;
                *field(settings) = Some(name);
            }
            Rule::OneOf(words, field) => {
                let word = value.as_str().filter(|word| words.contains(word));
                let word = word.ok_or_else(|| {
                    let failure = wanted(&format!("one of {}", words.join(", ")));
                    let question = value
                        .as_str()
                        .and_then(|word| did_you_mean(word, words.iter().copied()));
                    match question {
                        Some(question) => failure.hint(question),
                        None => failure,
                    }
                })?;
                *field(settings) = Some(word.to_owned());
            }
            Rule::Text(check, _, field) => {
                let text = value.as_str().ok_or_else(|| wanted("text in quotes"))?;
                check(text).map_err(|why| problem(format!("cannot be \"{text}\": {why}")))?;
                *field(settings) = Some(text.to_owned());
            }
            Rule::Between(low, high, field) => {
                let number = number(value).filter(|number| (low..=high).contains(&number));
                *field(&mut settings.memory) =
                    number.ok_or_else(|| wanted(&format!("a number from {low} to {high}")))?;
            }
            Rule::Whole(low, high, field) => {
                let number = number(value).filter(|number| number.fract() == 0.0);
                let number = number.map(|number| number as u64);
                *field(settings) = number
                    .filter(|number| (low..=high).contains(&number))
                    .ok_or_else(|| wanted(&format!("a whole number from {low} to {high}")))?;
            }
            Rule::Switch(field) => {
                *field(settings) = value.as_bool().ok_or_else(|| wanted("true or false"))?;
            }
            Rule::Texts(check, _, field) => {
                let list = value
                    .as_array()
                    .filter(|list| list.len() <= CONFIG_LIST_MAX);
                let list = list
                    .ok_or_else(|| wanted(&format!("a list of at most {CONFIG_LIST_MAX} texts")))?;
                let mut texts = Vec::new();
                for each in list.iter() {
                    let text = each.get_ref().as_str();
                    let text = text.ok_or_else(|| wanted("a list of texts in quotes"))?;
                    check(text).map_err(|why| problem(format!("cannot hold \"{text}\": {why}")))?;
                    texts.push(text.to_owned());
                }
                *field(settings) = texts;
            }
        }
        Ok(())
    }

    fn example(&self) -> &'static str {
        match self {
            Rule::Project(_) => "\"website\"",
            Rule::OneOf(words, _) if words.contains(&"info") => "\"info\"",
            Rule::OneOf(words, _) if words.contains(&"auto") => "\"auto\"",
            Rule::OneOf(words, _) if words.contains(&"core") => "\"core\"",
            Rule::OneOf(..) => "\"ask\"",
            Rule::Between(..) => "0.3",
            Rule::Whole(..) => "30",
            Rule::Switch(_) => "true",
            Rule::Text(_, example, _) | Rule::Texts(_, example, _) => example,
        }
    }
}

fn unknown(path: &str) -> (String, String) {
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let keys = || KEYS.iter().map(|key| key.path);
    let sections = keys().flat_map(|path| path.match_indices('.').map(|(at, _)| &path[..at]));
    let word = path.rsplit('.').next().unwrap_or(path);
    // A known name in the wrong section is a near miss, too.
    let by_last_word = || {
        let near = *nearest(word, keys().map(last)).first()?;
        keys().find(|path| last(path) == near)
    };
    let near = nearest(path, keys().chain(sections)).first().copied();
    let fix = match near.or_else(by_last_word) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("the settings are {}", keys().collect::<Vec<_>>().join(", ")),
    };
    (format!("there is no setting {path}"), fix)
}
