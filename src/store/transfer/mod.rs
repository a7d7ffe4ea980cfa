//! Copies everything from one store to another, of the same kind or not.

pub(super) mod copy;

use std::path::PathBuf;

pub(crate) use copy::{CopiedTable, TransferOptions, TransferProgress};

use self::copy::copy_all;
use super::postgres::{self, PostgresSettings, PostgresStore};
use super::{StoreError, sqlite};

/// One end of a transfer.
#[derive(Clone, Debug)]
pub(crate) enum TransferEnd {
    File(PathBuf),
    Database(PostgresSettings),
}

/// Copies everything from `from` to `to`, and compares both. Works on the caller's
/// thread.
pub(crate) async fn migrate(
    from: TransferEnd,
    to: TransferEnd,
    options: TransferOptions,
    progress: TransferProgress<'_>,
) -> Result<Vec<CopiedTable>, StoreError> {
    match (from, to) {
        (TransferEnd::File(_), TransferEnd::File(_)) => Err(StoreError::Conflict(
            "both ends are files; `mimo backup` copies one".to_owned(),
        )),
        (TransferEnd::File(from), TransferEnd::Database(to)) => {
            let mut from = sqlite::transfer::TransferSide::source(&from)?;
            copy_all(&mut from, &mut database(to)?, options, progress).await
        }
        (TransferEnd::Database(from), TransferEnd::File(to)) => {
            let from = PostgresStore::start(from)?;
            let mut from = postgres::transfer::TransferSide::source(from).await?;
            let mut to = sqlite::transfer::TransferSide::target(&to)?;
            copy_all(&mut from, &mut to, options, progress).await
        }
        (TransferEnd::Database(from), TransferEnd::Database(to)) => {
            let from = PostgresStore::start(from)?;
            let mut from = postgres::transfer::TransferSide::source(from).await?;
            copy_all(&mut from, &mut database(to)?, options, progress).await
        }
    }
}

fn database(settings: PostgresSettings) -> Result<postgres::transfer::TransferSide, StoreError> {
    let settings = PostgresSettings {
        fills: true,
        ..settings
    };
    Ok(postgres::transfer::TransferSide::target(
        PostgresStore::start(settings)?,
    ))
}
