//! Chooses the encoder, and reads the keys of endpoints.

use std::sync::Arc;

use crate::config::{Config, EmbeddingSettings, EndpointSettings};
pub(crate) use crate::embed::InstalledModel;
use crate::embed::{self, Embedder, InstalledModels};
use crate::endpoint::{Key, Requests};

/// The encoder of memories.
pub(crate) fn encoder(config: &Config) -> Arc<dyn Embedder> {
    match &config.embedding {
        None => embed::builtin(),
        Some(EmbeddingSettings::Installed(name)) => match models(config).open(name) {
            Ok(model) => Arc::new(model),
            Err(failure) => Arc::new(embed::Unavailable::new(name, failure)),
        },
        Some(EmbeddingSettings::Endpoint {
            endpoint,
            document_prefix,
            query_prefix,
        }) => {
            let prefixes = embed::Prefixes {
                document: document_prefix.clone(),
                query: query_prefix.clone(),
            };
            let requests = Requests::new(&endpoint.url, key(endpoint));
            Arc::new(embed::Remote::new(requests, &endpoint.model, prefixes))
        }
    }
}

/// The models that `mimo model add` has installed.
pub(crate) fn models(config: &Config) -> InstalledModels {
    InstalledModels::in_folder(config.models_folder())
}

pub(super) fn key(endpoint: &EndpointSettings) -> Option<Key> {
    let key = endpoint.key.clone();
    key.map(|(variable, value)| Key { variable, value })
}
