//! The settings of the encoder: an endpoint or an installed model in place of the
//! built-in one.

use std::io::Write as _;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, value};

use super::endpoint::{EndpointKeys, EndpointSettings, Mistake};
use super::environment::Environment;
use super::private::private_folder;
use super::values::{check_model, check_url};
use crate::failure::{Failure, Kind};
use crate::files::Replacement;

const SECTION: &str = "embedding";
/// Ollama's default address.
const OLLAMA_URL: &str = "http://127.0.0.1:11434";

/// The keys of `[embedding]` in the file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct EmbeddingKeys {
    pub(crate) endpoint: EndpointKeys,
    pub(crate) document_prefix: Option<String>,
    pub(crate) query_prefix: Option<String>,
    pub(crate) installed: Option<String>,
}

/// The encoder that replaces the built-in model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EmbeddingSettings {
    Endpoint {
        endpoint: EndpointSettings,
        /// The prefix that the model expects before a stored text.
        document_prefix: String,
        /// The prefix that it expects before a query.
        query_prefix: String,
    },
    /// The name of an installed model.
    Installed(String),
}

impl EmbeddingKeys {
    /// Checks that the keys are consistent.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        let has_prefix = self.document_prefix.is_some() || self.query_prefix.is_some();
        let has_endpoint = self.endpoint != EndpointKeys::default() || has_prefix;
        if self.installed.is_some() && has_endpoint {
            let fix = "leave out installed, or everything else under [embedding]";
            let why = "embedding names both an installed model and an endpoint";
            return Err(("installed".into(), why.into(), fix.into()));
        }
        if self.endpoint.url.is_none() && self.endpoint.model.is_none() && has_prefix {
            let fix = "add url and model, or leave the prefixes out: the built-in model has none";
            let why = "embedding has prefixes and no url";
            return Err(("prefix".into(), why.into(), fix.into()));
        }
        self.endpoint.check(SECTION, "nomic-embed-text")
    }

    /// Ollama's variables override the file.
    pub(super) fn resolve(
        mut self,
        environment: &Environment,
    ) -> Result<Option<EmbeddingSettings>, Failure> {
        if let Some(model) = environment.text("OLLAMA_EMBEDDING_MODEL")? {
            let base = environment.text("OLLAMA_URL")?;
            let base = base.as_deref().unwrap_or(OLLAMA_URL);
            let url = format!("{}/v1", base.trim_end_matches('/').trim_end_matches("/v1"));
            let invalid =
                |variable: &str, why: String| Failure::invalid("", format!("{variable}: {why}"));
            check_model(&model).map_err(|why| invalid("OLLAMA_EMBEDDING_MODEL", why))?;
            check_url(&url).map_err(|why| {
                invalid("OLLAMA_URL", why).hint("write for example http://127.0.0.1:11434")
            })?;
            self.endpoint
                .check_way(SECTION, &url)
                .map_err(|(_, why, fix)| {
                    invalid("OLLAMA_URL", why).hint(format!("{fix}, to [embedding] in config.toml"))
                })?;
            self.endpoint.url = Some(url);
            self.endpoint.model = Some(model);
            self.endpoint.key_variable = None;
            self.installed = None;
        }
        if let Some(name) = self.installed {
            return Ok(Some(EmbeddingSettings::Installed(name)));
        }
        let endpoint = self.endpoint.resolve(environment);
        Ok(endpoint.map(|endpoint| EmbeddingSettings::Endpoint {
            endpoint,
            document_prefix: self.document_prefix.unwrap_or_default(),
            query_prefix: self.query_prefix.unwrap_or_default(),
        }))
    }
}

/// Writes to `file`, a `config.toml` that need not exist, that the encoder is the
/// installed model `name`, or the built-in one if there is no name. The rest of the
/// file stays as it is. Fails with `Conflict` if it names an endpoint.
pub(crate) fn choose_model(file: &Path, name: Option<&str>) -> Result<(), Failure> {
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| unwritten(file, name, &error))?,
    };
    let mut document: DocumentMut = text.parse().map_err(Failure::internal)?;
    let section = document.entry(SECTION).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(name.is_none());
        Item::Table(table)
    });
    let Some(section) = section.as_table_like_mut() else {
        return Err(Failure::internal("[embedding] was checked to be a table"));
    };
    if let Some((key, _)) = section.iter().find(|(key, _)| *key != "installed") {
        let message = format!(
            "{} sets embedding.{key}, so an endpoint encodes",
            file.display()
        );
        return Err(Failure::new(Kind::Conflict, message)
            .hint("remove the endpoint from [embedding] there first"));
    }
    match name {
        Some(name) => section.insert("installed", value(name)),
        None => section.remove("installed"),
    };
    let changed = document.to_string();
    if changed == text {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        private_folder(folder)?;
    }
    let write = || {
        let mut new = Replacement::begin(file)?;
        if let Ok(old) = file.metadata() {
            new.keep_owner_and_mode(&old)?;
        }
        new.write_all(changed.as_bytes())?;
        new.commit()
    };
    write().map_err(|error| unwritten(file, name, &error))
}

fn unwritten(file: &Path, name: Option<&str>, error: &std::io::Error) -> Failure {
    let fix = match name {
        Some(name) => format!("write it there yourself: [embedding] installed = \"{name}\""),
        None => "remove installed from [embedding] there yourself".to_owned(),
    };
    let message = format!("cannot write {}: {error}", file.display());
    Failure::new(Kind::Unavailable, message).hint(fix)
}
