//! Opens the store that the settings name.

use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Config};
use crate::failure::Failure;
use crate::secret::Secret;
use crate::store::integrity::Problem;
use crate::store::postgres::{PostgresSettings, PostgresStore};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

/// The store of these settings. The first call opens it and returns any error:
/// a client does not show its user why `initialize` failed.
pub(super) fn store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    if config.store.url.is_none()
        && let Some(folder) = config.database.parent()
        && let Err(failure) = config::private_folder(folder)
    {
        tracing::error!("{failure}");
    }
    store_as_it_is(config)
}

/// The store of these settings. This creates nothing on disk.
pub(crate) fn store_as_it_is(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    match &config.store.url {
        Some(url) => {
            let variable = config.store.url_variable();
            let settings = database(config, url.clone(), variable);
            Ok(Arc::new(PostgresStore::start(settings)?))
        }
        None => store_in(&config.database),
    }
}

/// How the PostgreSQL database at `url`, which `variable` holds, is used.
pub(crate) fn database(config: &Config, url: Secret, variable: &str) -> PostgresSettings {
    let store = &config.store;
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    PostgresSettings {
        url_variable: variable.to_owned(),
        schema: store.schema().to_owned(),
        readers: number(store.readers),
        writers: number(store.writers),
        migrate: store.migrate,
        statement_seconds: store.statement_seconds,
        ..PostgresSettings::new(url)
    }
}

/// The store in this file, which may be a backup. This creates nothing on disk.
pub(crate) fn store_in(file: &Path) -> Result<Arc<dyn Store>, Failure> {
    let store = SqliteStore::start(file.to_owned()).map_err(Failure::internal)?;
    Ok(Arc::new(store))
}

/// Rebuilds data that is derived from memories; returns what was repaired.
pub(crate) async fn repair(
    store: &dyn Store,
    config: &Config,
    progress: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Vec<Problem>, Failure> {
    let embedder = super::encoder(config);
    let encode = |text: &str| {
        let defect = |failure: Failure| StoreError::Defect(failure.message.into());
        embedder.embed_document(text).map_err(defect)
    };
    Ok(store.repair(embedder.model_id(), &encode, progress).await?)
}
