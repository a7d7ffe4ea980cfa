//! The settings of a database.

use crate::limits;
use crate::secret::Secret;
use crate::store::StoreError;

#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgresql://user:password@host/database`, with what libpq takes after a
    /// question mark.
    pub url: Secret,
    /// The variable that holds it, for the commands that messages show.
    pub url_variable: String,
    pub schema: String,
    /// Connections for reading.
    pub readers: usize,
    /// Connections for writing.
    pub writers: usize,
    /// Whether the schema is made or brought up to date when it is first used.
    pub migrate: bool,
    /// How long one statement may take.
    pub statement_seconds: u64,
    /// Whether this is the migration that fills the schema, which nobody else may use.
    pub fills: bool,
}

impl PostgresSettings {
    /// Defaults for everything but the URL.
    pub fn new(url: Secret) -> PostgresSettings {
        PostgresSettings {
            url,
            url_variable: "MIMO_DATABASE_URL".to_owned(),
            schema: "mimo".to_owned(),
            readers: limits::DATABASE_READERS_DEFAULT as usize,
            writers: limits::DATABASE_WRITERS_DEFAULT as usize,
            migrate: true,
            statement_seconds: limits::DATABASE_STATEMENT_SECONDS_DEFAULT,
            fills: false,
        }
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let connections = 1..=limits::DATABASE_CONNECTIONS_MAX;
        let seconds = 1..=limits::DATABASE_STATEMENT_SECONDS_MAX;
        let wrong = if !is_schema(&self.schema) {
            format!(
                "{:?} cannot name a schema: use up to {} small letters, digits and _, \
                 beginning with a letter other than those of pg_",
                self.schema,
                limits::DATABASE_SCHEMA_BYTES_MAX
            )
        } else if !connections.contains(&self.readers) || !connections.contains(&self.writers) {
            format!(
                "readers and writers are each from 1 to {}",
                limits::DATABASE_CONNECTIONS_MAX
            )
        } else if !seconds.contains(&self.statement_seconds) {
            format!(
                "statement_seconds is from 1 to {}",
                limits::DATABASE_STATEMENT_SECONDS_MAX
            )
        } else {
            return Ok(());
        };
        Err(StoreError::Unavailable {
            reason: wrong,
            hint: "correct [store] in the settings",
        })
    }
}

/// A name that needs no quotes in SQL.
fn is_schema(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= limits::DATABASE_SCHEMA_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain)
        && !name.starts_with("pg_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_need_no_quotes() {
        for good in ["mimo", "a", "team_2"] {
            assert!(is_schema(good), "{good}");
        }
        for bad in ["", "Mimo", "2a", "_a", "a-b", "a b", "a\"", "pg_a", "é"] {
            assert!(!is_schema(bad), "{bad}");
        }
    }
}
