//! The settings of encoding: an endpoint whose model takes the place of the built-in one.

use super::endpoint::{EndpointKeys, EndpointSettings, Mistake};
use super::environment::Environment;
use super::values::{check_model, check_url};
use crate::failure::Failure;

const SECTION: &str = "embedding";
/// Where Ollama listens if nobody says otherwise.
const OLLAMA_URL: &str = "http://127.0.0.1:11434";

/// The keys of `[embedding]` in the file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct EmbeddingKeys {
    pub(crate) endpoint: EndpointKeys,
    pub(crate) document_prefix: Option<String>,
    pub(crate) query_prefix: Option<String>,
}

/// Who encodes texts beside the built-in model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EmbeddingSettings {
    pub(crate) endpoint: EndpointSettings,
    /// What the model wants before a text that is stored.
    pub(crate) document_prefix: String,
    /// The same before a query.
    pub(crate) query_prefix: String,
}

impl EmbeddingKeys {
    /// Checks that the keys agree.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        let has_prefix = self.document_prefix.is_some() || self.query_prefix.is_some();
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
        }
        let endpoint = self.endpoint.resolve(environment);
        Ok(endpoint.map(|endpoint| EmbeddingSettings {
            endpoint,
            document_prefix: self.document_prefix.unwrap_or_default(),
            query_prefix: self.query_prefix.unwrap_or_default(),
        }))
    }
}
