//! `mimo doctor`: what works on this machine, and what a skill's sandbox lacks
//! here, each with the reason and the nearest fix. It looks and reports; it repairs
//! nothing.

mod clients;
mod machine;
mod skills;

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::output::{Exit, Output, Text};
use crate::app::{self, App};
use crate::clock::Clock;
use crate::config::{AskSettings, Config, EmbeddingSettings, EndpointSettings, Environment};
use crate::failure::Failure;
use crate::limits::LANGUAGE_MEMORIES_MIN;
use crate::memory::inventory::Languages;
use crate::printable;
use crate::skills::policy;
use crate::skills::probe;
use crate::skills::rules::Rules;
use crate::skills::sandbox;
use crate::skills::sandbox::policy::{Layer, LayerState, Layers};
use crate::store::integrity::Observation;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo doctor
  mimo doctor --json | jq '.sandbox.layers[] | select(.state != \"enforced\")'

Each skill is started once, all at the same time, and ended. The exit code is 1 where
something failed.")]
pub(super) struct Arguments {
    /// Start no skill
    #[arg(long)]
    quick: bool,
}

/// The programs that skills are run with, and what does not work without them.
const PROGRAMS: [(&str, &str); 5] = [
    ("node", "skills on npx and node do not start"),
    ("npm", "skills on npx are not installed"),
    ("uv", "skills on uvx are not installed"),
    ("python3", "skills on uvx and python3 do not start"),
    ("docker", "skills in containers do not start"),
];

/// How a check went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// It works, but needs attention.
    Partial,
    Missing,
    Failed,
    /// A layer of the sandbox.
    Layer(LayerState),
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Partial => "partial",
            State::Missing => "missing",
            State::Failed => "failed",
            State::Layer(layer) => layer.name(),
        }
    }

    /// Green, yellow or red.
    const fn color(self) -> u8 {
        match self {
            State::Ok | State::Layer(LayerState::Enforced) => 32,
            State::Partial | State::Missing | State::Layer(LayerState::Partial) => 33,
            State::Failed | State::Layer(LayerState::Absent) => 31,
        }
    }
}

/// The result of one check.
struct Finding {
    name: &'static str,
    state: State,
    why: String,
    /// The nearest fix.
    next: Option<String>,
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    environment: &Environment,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    // First, while this process is small and has nothing running.
    let layers = layers(environment);
    let rules = app::skill_rules(config);
    let mut mimo = vec![
        machine::on_path(environment),
        machine::folder("config folder", &config.config_folder),
        machine::folder("data folder", &config.data_folder),
    ];
    mimo.extend(machine::disk(config));
    if config.store.url.is_none() {
        mimo.extend(machine::file_system(config));
        mimo.extend(machine::database_file(config));
    }
    mimo.extend(server(config));
    mimo.extend([
        memories(config, clock.clone()),
        machine::running(config),
        encoder(config, clock.clone()),
        answers(&config.ask),
    ]);
    let (manifest, refused) = skills::entries(config, &rules);
    mimo.extend(refused);
    if !arguments.quick {
        mimo.extend(skills::started(&manifest, config, clock));
    }
    let clients = clients::entries(environment);
    let programs = PROGRAMS.iter().filter(|_| sandbox::IS_AVAILABLE);
    let programs: Vec<Finding> = programs
        .map(|(name, without)| program(name, without, &rules))
        .collect();
    let mut all = mimo.iter().chain(&clients);
    let failed = all.any(|finding| finding.state == State::Failed);
    match output.json {
        true => output.document(&json!({
            "mimo": mimo.iter().map(Finding::document).collect::<Vec<_>>(),
            "clients": clients.iter().map(Finding::document).collect::<Vec<_>>(),
            "programs": programs.iter().map(Finding::document).collect::<Vec<_>>(),
            "sandbox": sandbox_document(&layers),
        })),
        false => {
            let mut text = output.text();
            text.push("Mimo\n");
            push_table(&mimo, &mut text);
            text.push("\nClients\n");
            push_table(&clients, &mut text);
            if clients.is_empty() {
                text.push("  Mimo is set up in none; `mimo setup --all` does it\n");
            }
            if !programs.is_empty() {
                text.push("\nPrograms for skills\n");
                push_table(&programs, &mut text);
            }
            text.push("\n");
            push_sandbox(&layers, &mut text);
            output.print(text)
        }
    }?;
    match failed {
        true => Err(Exit(1).into()),
        false => Ok(()),
    }
}

/// The layers of the sandbox on this machine.
pub(super) fn layers(environment: &Environment) -> Layers {
    match &environment.executable {
        Some(executable) => probe::layers(executable),
        None => Layers::default(),
    }
}

/// Every layer with its state and the reason, for a script.
pub(super) fn sandbox_document(layers: &Layers) -> Value {
    let all = Layer::ALL.iter();
    let sandbox: Vec<Value> = all
        .map(|layer| finding(layers, *layer).document())
        .collect();
    json!({"whole": layers.all_enforced(), "layers": sandbox})
}

/// The same for a person.
pub(super) fn push_sandbox(layers: &Layers, text: &mut Text) {
    text.push("Sandbox of skills\n");
    let all = Layer::ALL.iter();
    let findings: Vec<Finding> = all.map(|layer| finding(layers, *layer)).collect();
    push_table(&findings, text);
}

/// The launcher that starts skills.
fn program(name: &'static str, without: &str, rules: &Rules) -> Finding {
    match policy::locate(name, rules) {
        Ok(found) => {
            let version = found.version.map(|version| format!(", version {version}"));
            let shell = match found.of_shell {
                true => ", recorded from your shell",
                false => "",
            };
            let path = found.path.display();
            let version = version.unwrap_or_default();
            Finding::new(name, State::Ok, format!("{path}{version}{shell}"))
        }
        Err(refusal) => {
            let why = format!("{}, so {without}", refusal.reason);
            Finding::new(name, State::Missing, why).next(refusal.fix)
        }
    }
}

/// Facts about the database server, if there is one.
fn server(config: &Config) -> Vec<Finding> {
    let examined = app::store_as_it_is(config)
        .and_then(|store| app::run(async move { Ok(store.examine().await?) }));
    let finding = |seen: Observation| {
        let state = if seen.is_good {
            State::Ok
        } else {
            State::Partial
        };
        Finding::new(seen.name, state, seen.value)
    };
    match examined {
        Ok(seen) => seen.into_iter().map(finding).collect(),
        Err(failure) => vec![Finding::of_failure("database", failure)],
    }
}

/// A search opens the database and wakes the built-in model. A database that
/// is not there yet is not made for this.
fn memories(config: &Config, clock: Arc<dyn Clock>) -> Finding {
    let name = "memories";
    let store = app::store_as_it_is(config);
    let place = match &store {
        Ok(store) => store.place(),
        Err(_) => config.database.display().to_string(),
    };
    if !store.is_ok_and(|store| store.exists()) {
        return Finding::new(name, State::Ok, format!("{place}, not made yet"));
    }
    let searched = app::run(async {
        let app = App::build(config, clock)?;
        let query = json!({"query": "is anything here?", "limit": 1});
        let found = app.call("memory_search", query).await;
        app.close().await;
        found
    });
    match searched {
        Ok(_) => Finding::new(name, State::Ok, format!("{place} opens, the model answers")),
        Err(failure) => Finding::of_failure(name, failure),
    }
}

/// The encoder, with a test request if it is not the built-in model.
fn encoder(config: &Config, clock: Arc<dyn Clock>) -> Finding {
    let name = "encoder";
    let place = match &config.embedding {
        None => return builtin_encoder(name, config, clock),
        Some(EmbeddingSettings::Installed(_)) => "from its file".to_owned(),
        Some(EmbeddingSettings::Endpoint { endpoint, .. }) => format!("at {}", endpoint.url),
    };
    let encoder = app::encoder(config);
    match encoder.embed_query("is anyone there?") {
        Ok(vector) => {
            let (model, width) = (encoder.model_id(), vector.len());
            let why = format!("{model} {place}, {width} numbers a text");
            Finding::new(name, State::Ok, why)
        }
        Err(failure) => Finding::of_failure(name, failure),
    }
}

/// The built-in model knows hardly anything but English.
fn builtin_encoder(name: &'static str, config: &Config, clock: Arc<dyn Clock>) -> Finding {
    let finding = Finding::new(name, State::Ok, "the built-in model".to_owned());
    if !app::store_as_it_is(config).is_ok_and(|store| store.exists()) {
        return finding;
    }
    let languages = app::run(async { app::memories(config, clock)?.languages().await });
    let Languages { told, foreign } = languages.unwrap_or_default();
    if told < LANGUAGE_MEMORIES_MIN || 2 * foreign <= told {
        return finding;
    }
    let why = format!(
        "the built-in model, which knows little besides English; of the {told} newest memories \
         {foreign} are in other languages"
    );
    Finding::new(name, State::Partial, why).next(
        "multilingual-e5-small knows them: mimo model add FILE; the guide says how to get the \
         file (\"Other languages\" in install/guide/memory.md)",
    )
}

/// The writer of answers, by the settings alone: nothing is requested for this.
fn answers(ask: &AskSettings) -> Finding {
    let word = ask.synthesis.name();
    let (state, why) = match ask.endpoint() {
        Some(EndpointSettings { url, model, key }) => {
            let (state, key) = match key {
                None => (State::Ok, "without a key".to_owned()),
                Some((variable, Some(_))) => (State::Ok, format!("{variable} is set")),
                Some((variable, None)) => (
                    State::Failed,
                    format!("{variable} is not set, so it is not asked"),
                ),
            };
            (state, format!("{word}: {model} at {url}, {key}"))
        }
        None if ask.client() => {
            let why = format!("{word}: the client's model where it offers one, else quotations");
            (State::Ok, why)
        }
        None => (State::Ok, format!("{word}: quotations")),
    };
    let finding = Finding::new("answers", state, why);
    match state {
        State::Failed => {
            finding.next("set that variable where your client starts, or remove key_variable")
        }
        _ => finding,
    }
}

fn finding(layers: &Layers, layer: Layer) -> Finding {
    let found = layers.0.iter().find(|(each, ..)| *each == layer);
    let (state, why) = match found {
        Some((_, state, why)) => (*state, why.clone()),
        None => (LayerState::Absent, "the sandbox did not start".to_owned()),
    };
    Finding::new(layer.name(), State::Layer(state), why)
}

impl Finding {
    fn new(name: &'static str, state: State, why: String) -> Finding {
        Finding {
            name,
            state,
            why,
            next: None,
        }
    }

    fn of_failure(name: &'static str, failure: Failure) -> Finding {
        let finding = Finding::new(name, State::Failed, failure.message);
        match failure.hint {
            Some(hint) => finding.next(hint),
            None => finding,
        }
    }

    fn next(mut self, next: impl Into<String>) -> Finding {
        self.next = Some(next.into());
        self
    }

    fn document(&self) -> Value {
        let mut document = json!({"name": self.name, "state": self.state.name(), "why": self.why});
        if let Some(next) = &self.next {
            document["next"] = json!(next);
        }
        document
    }
}

fn push_table(findings: &[Finding], text: &mut Text) {
    for finding in findings {
        text.push(&format!("  {:17}  ", finding.name));
        text.paint(
            finding.state.color(),
            &format!("{:8}", finding.state.name()),
        );
        text.push(&format!("  {}\n", printable::line(&finding.why)));
        if let Some(next) = &finding.next {
            text.push(&format!("{:31}next: {}\n", "", printable::line(next)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Synthesis;
    use crate::secret::Secret;

    #[test]
    fn answers_name_their_author_and_never_the_key() {
        let said = |synthesis, key: Option<Option<&str>>| {
            let endpoint = key.map(|value| EndpointSettings {
                url: "https://a.example/v1".into(),
                model: "m".into(),
                key: Some(("A_KEY".into(), value.map(Secret::new))),
            });
            let found = answers(&AskSettings {
                synthesis,
                endpoint,
            });
            format!("{} {}", found.state.name(), found.why)
        };
        for (synthesis, key, expected) in [
            (
                Synthesis::Auto,
                None,
                "ok auto: the client's model where it offers one, else quotations",
            ),
            (Synthesis::Extract, Some(None), "ok extract: quotations"),
            (
                Synthesis::Endpoint,
                Some(Some("hunter2")),
                "ok endpoint: m at https://a.example/v1, A_KEY is set",
            ),
            (
                Synthesis::Auto,
                Some(None),
                "failed auto: m at https://a.example/v1, A_KEY is not set, so it is not asked",
            ),
        ] {
            assert_eq!(said(synthesis, key), expected);
        }
    }

    #[test]
    fn states_are_colored_only_where_a_person_looks() {
        let mut layers = Layers::default();
        layers
            .0
            .push((Layer::Landlock, LayerState::Partial, "version 4".into()));
        let findings = [
            finding(&layers, Layer::Landlock),
            finding(&layers, Layer::Seccomp),
        ];
        let mut output = Output {
            json: false,
            terminal: false,
            color: false,
            columns: 80,
        };
        let table = |output: &Output| {
            let mut text = output.text();
            push_table(&findings, &mut text);
            text.as_str().to_owned()
        };
        assert_eq!(
            table(&output),
            "  landlock           partial   version 4\n  \
             seccomp            absent    the sandbox did not start\n"
        );
        output.color = true;
        let colored = table(&output);
        assert!(colored.contains("\x1b[33mpartial \x1b[0m"), "{colored}");
        assert!(colored.contains("\x1b[31mabsent  \x1b[0m"), "{colored}");
    }
}
