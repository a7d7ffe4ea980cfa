//! `config.toml`: the table of its keys, and the reader that refuses what is
//! not in it. `schemas/config.schema.json` says the same; a test compares them.

use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ask::{AskKeys, SYNTHESES};
use super::http::HttpSettings;
use super::memory::MemorySettings;
use super::skills::SkillKeys;
use super::values::{
    check_address, check_command, check_folder, check_host, check_ip, check_model, check_origin,
    check_predicate, check_time_zone, check_url, check_variable, number, written,
};
use super::{GraphSettings, PROFILES};
use crate::caller::check_project;
use crate::diagnostics::{Diagnostic, did_you_mean, nearest};
use crate::failure::{Failure, Kind};
use crate::limits::{
    CONFIG_FILE_BYTES_MAX, CONFIG_LIST_MAX, HTTP_BODY_MB_MAX, HTTP_BODY_TOTAL_MB_MAX,
    HTTP_CONNECTIONS_MAX, HTTP_SESSION_IDLE_MINUTES_MAX, HTTP_SESSIONS_MAX, KEY_AT_ONCE_MAX,
    KEY_REQUESTS_PER_MINUTE_MAX, RETENTION_ACTIVE_MAX, RETENTION_DAYS_MAX,
};

/// The contents of the file; absent keys keep the defaults of the settings.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FileSettings {
    pub(crate) project: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) fence: bool,
    pub(crate) time_zone: Option<String>,
    pub(crate) log_level: Option<String>,
    pub(crate) memory: MemorySettings,
    pub(crate) graph: GraphSettings,
    pub(crate) ask: AskKeys,
    pub(crate) skills: SkillKeys,
    pub(crate) http: HttpSettings,
}

/// Reads the file; a missing one says nothing.
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
    settings.ask.check().map_err(|(word, reason, fix)| {
        let section = text.find("[ask").or_else(|| text.find("ask."));
        let section = section.unwrap_or(0);
        let found = text[section..].find(word);
        let at = found.map_or(section, |at| section + at);
        source.mistake(at, reason, fix)
    })?;
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

/// A key of the file, and what it may hold.
pub(super) struct Key {
    pub(crate) path: &'static str,
    pub(crate) rule: Rule,
}

/// The valid values of a key, and the field that they are stored in.
pub(super) enum Rule {
    Project(fn(&mut FileSettings) -> &mut Option<String>),
    OneOf(
        &'static [&'static str],
        fn(&mut FileSettings) -> &mut Option<String>,
    ),
    /// A text that passes a check, with an example of one.
    Text(
        fn(&str) -> Result<(), String>,
        &'static str,
        fn(&mut FileSettings) -> &mut Option<String>,
    ),
    Between(f64, f64, fn(&mut MemorySettings) -> &mut f64),
    /// A whole number.
    Whole(u64, u64, fn(&mut FileSettings) -> &mut u64),
    Switch(fn(&mut FileSettings) -> &mut bool),
    /// A list of texts that each pass a check, with an example of one.
    Texts(
        fn(&str) -> Result<(), String>,
        &'static str,
        fn(&mut FileSettings) -> &mut Vec<String>,
    ),
}

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
const FIRST_SIGHT: &[&str] = &["approve", "ask"];

/// Every key there is.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "project",
        rule: Rule::Project(|to| &mut to.project),
    },
    Key {
        path: "profile",
        rule: Rule::OneOf(&PROFILES, |to| &mut to.profile),
    },
    Key {
        path: "time_zone",
        rule: Rule::Text(check_time_zone, "\"Europe/Berlin\"", |to| &mut to.time_zone),
    },
    Key {
        path: "fence",
        rule: Rule::Switch(|to| &mut to.fence),
    },
    Key {
        path: "log.level",
        rule: Rule::OneOf(LEVELS, |to| &mut to.log_level),
    },
    Key {
        path: "memory.similar_threshold",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.similar_threshold),
    },
    Key {
        path: "memory.refuse_credentials",
        rule: Rule::Switch(|to| &mut to.memory.refuse_credentials),
    },
    Key {
        path: "memory.weights.keyword",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.keyword_weight),
    },
    Key {
        path: "memory.weights.semantic",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.semantic_weight),
    },
    Key {
        path: "memory.weights.neighbour_1",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.neighbour_weights[0]),
    },
    Key {
        path: "memory.weights.neighbour_2",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.neighbour_weights[1]),
    },
    Key {
        path: "memory.retention.enabled",
        rule: Rule::Switch(|to| &mut to.memory.retention.enabled),
    },
    Key {
        path: "memory.retention.idle_days",
        rule: Rule::Whole(1, RETENTION_DAYS_MAX, |to| {
            &mut to.memory.retention.idle_days
        }),
    },
    Key {
        path: "memory.retention.idle_importance",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.retention.idle_importance),
    },
    Key {
        path: "memory.retention.minor_days",
        rule: Rule::Whole(1, RETENTION_DAYS_MAX, |to| {
            &mut to.memory.retention.minor_days
        }),
    },
    Key {
        path: "memory.retention.minor_importance",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.retention.minor_importance),
    },
    Key {
        path: "memory.retention.active_max",
        rule: Rule::Whole(1, RETENTION_ACTIVE_MAX, |to| {
            &mut to.memory.retention.active_max
        }),
    },
    Key {
        path: "memory.retention.restore_days",
        rule: Rule::Whole(1, RETENTION_DAYS_MAX, |to| {
            &mut to.memory.retention.restore_days
        }),
    },
    Key {
        path: "graph.functional",
        rule: Rule::Texts(check_predicate, "[\"works_at\"]", |to| {
            &mut to.graph.functional
        }),
    },
    Key {
        path: "ask.synthesis",
        rule: Rule::OneOf(SYNTHESES, |to| &mut to.ask.synthesis),
    },
    Key {
        path: "ask.endpoint.url",
        rule: Rule::Text(check_url, "\"http://127.0.0.1:11434/v1\"", |to| {
            &mut to.ask.url
        }),
    },
    Key {
        path: "ask.endpoint.model",
        rule: Rule::Text(check_model, "\"qwen3:8b\"", |to| &mut to.ask.model),
    },
    Key {
        path: "ask.endpoint.key_variable",
        rule: Rule::Text(check_variable, "\"OPENAI_API_KEY\"", |to| {
            &mut to.ask.key_variable
        }),
    },
    Key {
        path: "ask.endpoint.plain_http",
        rule: Rule::Switch(|to| &mut to.ask.plain_http),
    },
    Key {
        path: "skills.commands",
        rule: Rule::Texts(check_command, "[\"npx\", \"uvx\"]", |to| {
            &mut to.skills.commands
        }),
    },
    Key {
        path: "skills.path",
        rule: Rule::Texts(check_folder, "[\"/opt/node/bin\"]", |to| {
            &mut to.skills.path
        }),
    },
    Key {
        path: "skills.secrets",
        rule: Rule::Texts(check_variable, "[\"GITHUB_TOKEN\"]", |to| {
            &mut to.skills.secrets
        }),
    },
    Key {
        path: "skills.strict",
        rule: Rule::Switch(|to| &mut to.skills.strict),
    },
    Key {
        path: "http.listen",
        rule: Rule::Text(check_address, "\"127.0.0.1:8420\"", |to| {
            &mut to.http.listen
        }),
    },
    Key {
        path: "http.metrics_listen",
        rule: Rule::Text(check_address, "\"127.0.0.1:9420\"", |to| {
            &mut to.http.metrics_listen
        }),
    },
    Key {
        path: "http.traces",
        rule: Rule::Text(check_url, "\"http://127.0.0.1:4318\"", |to| {
            &mut to.http.traces
        }),
    },
    Key {
        path: "http.behind_proxy",
        rule: Rule::Switch(|to| &mut to.http.behind_proxy),
    },
    Key {
        path: "http.trusted_proxies",
        rule: Rule::Texts(check_ip, "[\"10.0.0.2\"]", |to| {
            &mut to.http.trusted_proxies
        }),
    },
    Key {
        path: "http.hosts",
        rule: Rule::Texts(check_host, "[\"mimo.example.com\"]", |to| {
            &mut to.http.hosts
        }),
    },
    Key {
        path: "http.origins",
        rule: Rule::Texts(check_origin, "[\"https://chat.example.com\"]", |to| {
            &mut to.http.origins
        }),
    },
    Key {
        path: "http.body_mb",
        rule: Rule::Whole(1, HTTP_BODY_MB_MAX, |to| &mut to.http.body_mb),
    },
    Key {
        path: "http.body_total_mb",
        rule: Rule::Whole(HTTP_BODY_MB_MAX, HTTP_BODY_TOTAL_MB_MAX, |to| {
            &mut to.http.body_total_mb
        }),
    },
    Key {
        path: "http.connections",
        rule: Rule::Whole(1, HTTP_CONNECTIONS_MAX, |to| &mut to.http.connections),
    },
    Key {
        path: "http.requests_per_minute",
        rule: Rule::Whole(1, KEY_REQUESTS_PER_MINUTE_MAX as u64, |to| {
            &mut to.http.requests_per_minute
        }),
    },
    Key {
        path: "http.at_once",
        rule: Rule::Whole(1, KEY_AT_ONCE_MAX as u64, |to| &mut to.http.at_once),
    },
    Key {
        path: "http.sessions",
        rule: Rule::Whole(1, HTTP_SESSIONS_MAX, |to| &mut to.http.sessions),
    },
    Key {
        path: "http.session_idle_minutes",
        rule: Rule::Whole(1, HTTP_SESSION_IDLE_MINUTES_MAX, |to| {
            &mut to.http.session_idle_minutes
        }),
    },
    Key {
        path: "skills.first_sight",
        rule: Rule::OneOf(FIRST_SIGHT, |to| &mut to.skills.first_sight),
    },
];

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
    // The right name in the wrong section is a near miss too.
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
