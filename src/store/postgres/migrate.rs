//! Creates a schema and migrates it. One transaction under a lock, so that Mimos that
//! start together do it once.

use tokio_postgres::{Client, Row};

use super::error::unavailable;
use super::memory::postings;
use super::{PostgresSettings, locks};
use crate::store::StoreError;

/// The migrations in order; released ones never change.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_memory.sql"),
    include_str!("migrations/0002_graph.sql"),
    include_str!("migrations/0003_procedure.sql"),
    include_str!("migrations/0004_gateway.sql"),
    include_str!("migrations/0005_nodes.sql"),
    include_str!("migrations/0006_said_at.sql"),
    include_str!("migrations/0007_listings.sql"),
];

/// The schema whose keyword index has one spelling for words.
const SPELLINGS: usize = 6;

/// The schema of this version.
pub(super) const SCHEMA: i32 = MIGRATIONS.len() as i32;
/// The oldest schema whose Mimos can work on this one: only widening migrations keep
/// it, so that nodes can be replaced one after the other.
pub(super) const COMPATIBLE_FROM: i32 = 1;
/// Replaces it while a transfer from another store fills the schema.
pub(super) const BEING_FILLED: i32 = i32::MAX;
/// PostgreSQL 14.
const SERVER_MIN: i32 = 140_000;
/// The first version of pgvector whose index scans continue until enough rows pass a
/// filter.
const EXTENSION_MIN: (u32, u32) = (0, 8);

/// The contents of `meta`.
#[derive(Clone, Copy, Debug)]
struct Meta {
    schema: i32,
    compatible_from: i32,
}

/// Makes the schema usable if the settings allow it, or explains why it is not.
pub(super) async fn prepare(
    mut client: Client,
    settings: &PostgresSettings,
) -> Result<(), StoreError> {
    check_extension(&client).await?;
    match find(&client, &settings.schema).await? {
        Some(found) if found.schema >= SCHEMA => check(found, settings),
        _ if settings.migrate => migrate(&mut client, settings).await,
        _ => Err(unavailable(
            "its schema is missing or of an earlier version",
            "run `mimo migrate --schema` as the role that owns it",
        )),
    }
}

/// Refuses an extension that is too old, if it is there.
async fn check_extension(client: &Client) -> Result<(), StoreError> {
    let sql = "SELECT extversion FROM pg_extension WHERE extname = 'vector'";
    let Some(row) = client.query_opt(sql, &[]).await? else {
        return Ok(());
    };
    let version: &str = row.get(0);
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let found: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found >= EXTENSION_MIN {
        return Ok(());
    }
    let (major, minor) = EXTENSION_MIN;
    Err(unavailable(
        &format!("it has pgvector {version}, and Mimo needs {major}.{minor} or later"),
        "install a newer pgvector on the server, and run `ALTER EXTENSION vector UPDATE` in the \
         database as its owner",
    ))
}

/// Refuses the schema of a newer Mimo whose rules this one does not know.
fn check(found: Meta, settings: &PostgresSettings) -> Result<(), StoreError> {
    match found.compatible_from {
        BEING_FILLED if settings.fills => Ok(()),
        BEING_FILLED => Err(StoreError::Unavailable {
            reason: "a migration from another store has not yet filled the database".to_owned(),
            hint: "wait for `mimo migrate`; where it was cut off, continue it with --resume",
        }),
        from if from <= SCHEMA => Ok(()),
        _ => Err(StoreError::Unavailable {
            reason: format!(
                "the database has schema {}, and this Mimo knows up to {SCHEMA}",
                found.schema
            ),
            hint: "install the newer version of Mimo that uses it elsewhere",
        }),
    }
}

/// The version of a schema, if that exists.
pub(super) async fn version(client: &Client, schema: &str) -> Result<Option<i32>, StoreError> {
    Ok(find(client, schema).await?.map(|meta| meta.schema))
}

async fn find(client: &Client, schema: &str) -> Result<Option<Meta>, StoreError> {
    let table = format!("{schema}.meta");
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    if !client.query_one(sql, &[&table]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = format!("SELECT schema, compatible_from FROM {table}");
    let meta = |row: Row| Meta {
        schema: row.get(0),
        compatible_from: row.get(1),
    };
    Ok(client.query_opt(&sql, &[]).await?.map(meta))
}

async fn migrate(client: &mut Client, settings: &PostgresSettings) -> Result<(), StoreError> {
    let schema = settings.schema.as_str();
    let transaction = client.transaction().await?;
    // Another Mimo may be making it now; that may take longer than other locks.
    transaction
        .batch_execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        .await?;
    transaction.batch_execute(&locks::migration()).await?;
    let found = find(transaction.client(), schema).await?;
    if let Some(found) = found
        && found.schema >= SCHEMA
    {
        return check(found, settings);
    }
    let number: String = transaction
        .query_one("SHOW server_version_num", &[])
        .await?
        .get(0);
    if number.parse().unwrap_or(0) < SERVER_MIN {
        return Err(unavailable(
            "the server is older than PostgreSQL 14",
            "use PostgreSQL 14 or later with pgvector 0.8 or later",
        ));
    }
    let exists = |sql: &'static str| {
        let transaction = &transaction;
        async move {
            let row = transaction.query_one(sql, &[&schema]).await?;
            Ok::<bool, StoreError>(row.get(0))
        }
    };
    // IF NOT EXISTS asks for the privilege to create even where nothing is created.
    if !exists("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)").await? {
        let sql = format!("CREATE SCHEMA {schema}");
        transaction.batch_execute(&sql).await?;
    }
    let extension =
        "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'vector' AND $1 <> '')";
    if !exists(extension).await? {
        let made = transaction.batch_execute("CREATE EXTENSION vector SCHEMA public");
        made.await.map_err(|error| {
            unavailable(
                &format!(
                    "the extension vector cannot be created: {}",
                    error
                        .as_db_error()
                        .map_or_else(|| error.to_string(), |said| said.message().to_owned())
                ),
                "install pgvector on the server, and run `CREATE EXTENSION vector` in the \
                 database as its owner",
            )
        })?;
    }
    check_extension(transaction.client()).await?;
    let from = found.map_or(0, |found| usize::try_from(found.schema).unwrap_or(0));
    // Before anything that keeps others from reading until the end.
    if (1..SPELLINGS).contains(&from) {
        postings::rebuild(&transaction).await?;
    }
    for migration in &MIGRATIONS[from..] {
        transaction.batch_execute(migration).await?;
    }
    let sql = "UPDATE meta SET schema = $1, compatible_from = $2";
    transaction
        .execute(sql, &[&SCHEMA, &COMPATIBLE_FROM])
        .await?;
    transaction.commit().await?;
    Ok(())
}
