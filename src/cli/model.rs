//! `mimo model VERB`: the models that can encode texts.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::output::Output;
use crate::app::{self, InstalledModel};
use crate::clock::Clock;
use crate::config::{Config, EmbeddingSettings, choose_model, private_folder};
use crate::diagnostics::counted;
use crate::failure::{Failure, Kind};
use crate::printable;

/// The name of the compiled-in model.
const BUILT_IN: &str = "built-in";

/// What to do with models.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mimo model add multilingual-e5-small.model    check it and keep a copy
  mimo model use multilingual-e5-small          encode with it from now on
  mimo model list
  mimo model use built-in                       back to the one in the program

A memory is found by meaning once the model in use has encoded it: a running Mimo does that
in the background, mimo memory reembed at once. Where there is no file yet, the guide says
how to make one (\"Other languages\" in install/guide/memory.md).")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Check a model's file and keep a copy of it
    Add {
        /// As install/models/pack.py makes it
        file: PathBuf,
    },
    /// List the models, and which one encodes
    List,
    /// Encode with another model from the next start on
    Use {
        /// A model that was added, or built-in
        name: String,
    },
    /// Delete a model that is not in use
    Remove {
        /// A model that was added
        name: String,
    },
}

pub(super) fn run(
    arguments: &Arguments,
    config: &Config,
    clock: Arc<dyn Clock>,
    output: &Output,
) -> Result<()> {
    match &arguments.verb {
        Verb::Add { file } => {
            private_folder(&config.models_folder())?;
            let model = app::models(config).add(file)?;
            let InstalledModel { header, bytes } = &model;
            match output.json {
                true => output.document(&document(&model, false)),
                false => output.print(format!(
                    "Added {}, {:.1} MB, checked: {}\n  next: mimo{} model use {}\n",
                    header.name,
                    *bytes as f64 / 1e6,
                    printable::line(&header.about),
                    config.options,
                    header.name,
                )),
            }
        }
        Verb::List => list(config, output),
        Verb::Use { name } => choose(name, config, clock, output),
        Verb::Remove { name } => {
            if in_use(config) == Some(name) {
                let message = format!("{name} is in use, so it was not removed");
                let failure = Failure::new(Kind::Conflict, message);
                return Err(failure.hint("run mimo model use built-in first").into());
            }
            app::models(config).remove(name)?;
            match output.json {
                true => output.document(&json!({"ok": true, "removed": name})),
                false => output.print(format!("Removed {name}\n")),
            }
        }
    }
}

/// The installed model in use, if any.
fn in_use(config: &Config) -> Option<&String> {
    match &config.embedding {
        Some(EmbeddingSettings::Installed(name)) => Some(name),
        _ => None,
    }
}

fn document(model: &InstalledModel, in_use: bool) -> Value {
    let InstalledModel { header, bytes } = model;
    json!({
        "name": header.name,
        "about": header.about,
        "license": header.license,
        "bytes": bytes,
        "in_use": in_use,
    })
}

fn list(config: &Config, output: &Output) -> Result<()> {
    let (models, failures) = app::models(config).list()?;
    for failure in failures {
        output.print_error(format!("{failure}\n"));
    }
    let used = in_use(config);
    if output.json {
        let models = models.iter();
        let models = models.map(|model| document(model, used == Some(&model.header.name)));
        let own = json!({
            "name": BUILT_IN,
            "about": "English",
            "license": "Apache-2.0",
            "bytes": null,
            "in_use": config.embedding.is_none(),
        });
        return output.document(&Value::from_iter([own].into_iter().chain(models)));
    }
    let mark = |is_used| if is_used { "*" } else { " " };
    let mut text = format!(
        "{} {BUILT_IN}, in the program: English\n",
        mark(config.embedding.is_none())
    );
    for InstalledModel { header, bytes } in &models {
        let megabytes = *bytes as f64 / 1e6;
        text += &format!(
            "{} {}, {megabytes:.1} MB: {}\n    {}\n",
            mark(used == Some(&header.name)),
            header.name,
            printable::line(&header.about),
            printable::line(&header.license),
        );
    }
    if let Some(EmbeddingSettings::Endpoint { endpoint, .. }) = &config.embedding {
        text += &format!("* {} at {}\n", endpoint.model, endpoint.url);
    }
    if let Some(name) = used
        && !models.iter().any(|model| model.header.name == *name)
    {
        text += &format!("* {name}: missing, so searches are by keyword only\n");
    }
    output.print(text + "  (* encodes texts)\n")
}

fn choose(name: &str, config: &Config, clock: Arc<dyn Clock>, output: &Output) -> Result<()> {
    let chosen = (name != BUILT_IN).then_some(name);
    if let Some(name) = chosen {
        app::models(config).open(name)?;
    }
    choose_model(&config.file(), chosen)?;
    let changed = Config {
        embedding: chosen.map(|name| EmbeddingSettings::Installed(name.to_owned())),
        ..config.clone()
    };
    let exists = app::store_as_it_is(config).is_ok_and(|store| store.exists());
    let left: usize = match exists {
        true => {
            let memories = app::memories(&changed, clock)?;
            app::run(async { memories.count_unencoded().await })?
        }
        false => 0,
    };
    if output.json {
        return output.document(&json!({"ok": true, "in_use": name, "to_encode": left}));
    }
    let mut text = format!("every Mimo that starts from now on encodes with {name}\n");
    // An endpoint in the file was refused above.
    if matches!(config.embedding, Some(EmbeddingSettings::Endpoint { .. })) {
        text += "  except where OLLAMA_EMBEDDING_MODEL is set, as it is here\n";
    }
    if left > 0 {
        text += &format!(
            "  to encode: {}, in the background of a running Mimo, or at once:\n  \
             mimo{} memory reembed\n",
            counted(left, "memory", "memories"),
            config.options
        );
    }
    output.print(text)
}
