//! The store as a whole: whether it exists, whether it changed, and facts about its
//! server. Backups are made with the server's own tools, which do this better than this
//! program could.

use std::path::Path;
use std::sync::Arc;

use super::{PostgresSettings, PostgresStore, migrate, server, verify};
use crate::meter::store::Op;
use crate::store::integrity::{EncodeText, Observation, Problem, Report, Restored};
use crate::store::nodes::NodeStore;
use crate::store::{Store, StoreError, StoreFormat, Stored, measured};

impl Store for PostgresStore {
    fn ready(&self) -> Stored<'_, ()> {
        measured(Op::Ready, async move {
            self.query_row("SELECT 1").await?;
            Ok(())
        })
    }

    /// Its URL is in the settings, so it should exist.
    fn exists(&self) -> bool {
        true
    }

    fn backup<'a>(
        &'a self,
        to: &'a Path,
        _unique: &'a str,
        _progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> Stored<'a, u64> {
        Box::pin(async move {
            Err(StoreError::Unavailable {
                reason: format!(
                    "PostgreSQL makes its own backups, while Mimo runs: pg_dump --format=custom \
                     --schema={} --file='{}' \"${}\"",
                    self.settings().schema,
                    to.display(),
                    self.settings().url_variable
                ),
                hint: "run that pg_dump, of the server's version or a later one; `mimo export` \
                       writes a copy that any Mimo can import",
            })
        })
    }

    fn verify<'a>(
        &'a self,
        model: &'a str,
        progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, Report> {
        Box::pin(async move {
            let tx = self.begin_read().await?;
            let report = verify::verify(&tx, model, progress).await?;
            tx.commit().await?;
            Ok(report)
        })
    }

    fn repair<'a>(
        &'a self,
        _model: &'a str,
        _encode: &'a EncodeText<'a>,
        _progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, Vec<Problem>> {
        Box::pin(async move {
            Err(StoreError::Unavailable {
                reason: format!(
                    "PostgreSQL repairs its own indexes: REINDEX SCHEMA \"{}\"",
                    self.settings().schema
                ),
                hint: "run that with psql, then `mimo verify` again; for what is still wrong, go \
                       back to a backup",
            })
        })
    }

    fn restore<'a>(
        &'a self,
        from: &'a Path,
        _aside: &'a Path,
        _unique: &'a str,
        _progress: &'a mut (dyn FnMut(&'static str) + Send),
    ) -> Stored<'a, Restored> {
        Box::pin(async move {
            Err(StoreError::Unavailable {
                reason: format!(
                    "PostgreSQL restores its own backups: {}",
                    self.restore_command(&from.display().to_string())
                ),
                hint: "stop every Mimo that uses the database, then run that pg_restore; it \
                       replaces what is there, or changes nothing",
            })
        })
    }

    fn format(&self) -> StoreFormat {
        StoreFormat {
            kind: "postgres",
            schema: migrate::SCHEMA.unsigned_abs(),
        }
    }

    fn restore_steps(&self) -> String {
        format!(
            "stop every Mimo that uses the database and run `{}`",
            self.restore_command("FILE")
        )
    }

    fn examine(&self) -> Stored<'_, Vec<Observation>> {
        Box::pin(server::examine(&self.connector))
    }

    fn nodes(self: Arc<Self>) -> Option<Arc<dyn NodeStore>> {
        Some(self)
    }

    fn place(&self) -> String {
        format!(
            "the schema {} of {}",
            self.settings().schema,
            self.connector.place()
        )
    }
}

impl PostgresStore {
    fn settings(&self) -> &PostgresSettings {
        &self.connector.settings
    }

    fn restore_command(&self, file: &str) -> String {
        format!(
            "pg_restore --clean --if-exists --no-owner --single-transaction --exit-on-error \
             --schema={} --dbname=\"${}\" '{file}'",
            self.settings().schema,
            self.settings().url_variable
        )
    }
}
