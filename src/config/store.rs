//! Where everything is stored: the file in the data folder, or a PostgreSQL database.

use super::environment::Environment;
use crate::failure::Failure;
use crate::limits::{
    DATABASE_READERS_DEFAULT, DATABASE_SCHEMA_BYTES_MAX, DATABASE_STATEMENT_SECONDS_DEFAULT,
    DATABASE_WRITERS_DEFAULT,
};
use crate::secret::Secret;

/// The variable that is read unless the file names another.
const URL_VARIABLE_DEFAULT: &str = "MIMO_DATABASE_URL";

const SCHEMA_DEFAULT: &str = "mimo";

/// The section `[store]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoreSettings {
    pub(super) url_variable: Option<String>,
    pub(super) schema: Option<String>,
    /// Connections for reading, and as many for writing.
    pub(crate) readers: u64,
    pub(crate) writers: u64,
    /// Whether an older schema is migrated when a store is opened.
    pub(crate) migrate: bool,
    /// How long one statement may run.
    pub(crate) statement_seconds: u64,
    /// From the environment; without one, the store is a file.
    pub(crate) url: Option<Secret>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        StoreSettings {
            url_variable: None,
            schema: None,
            readers: DATABASE_READERS_DEFAULT,
            writers: DATABASE_WRITERS_DEFAULT,
            migrate: true,
            statement_seconds: DATABASE_STATEMENT_SECONDS_DEFAULT,
            url: None,
        }
    }
}

impl StoreSettings {
    /// Adds the URL from the environment. If `DB_PATH` names a file as well, this fails
    /// rather than guess which is meant. `has_folder`: a flag names the data folder, so
    /// `DB_PATH` does not count.
    pub(super) fn resolve(
        mut self,
        environment: &Environment,
        has_folder: bool,
    ) -> Result<Self, Failure> {
        let variable = self.url_variable().to_owned();
        self.url = environment.secret(&variable);
        if self.url.is_some() && !has_folder && environment.variables.contains_key("DB_PATH") {
            let message = format!(
                "DB_PATH names a file and {variable} a PostgreSQL database, and Mimo has one"
            );
            return Err(Failure::invalid("", message).hint(format!(
                "unset DB_PATH to use PostgreSQL, or {variable} to use the file"
            )));
        }
        if self.url.is_none() && self.url_variable.is_some() {
            let message = format!("[store] names the variable {variable}, which is not set");
            return Err(Failure::invalid("", message).hint(format!(
                "set {variable} to the URL of the database, or leave url_variable out to use a file"
            )));
        }
        Ok(self)
    }

    /// The name of the variable that holds the URL.
    pub(crate) fn url_variable(&self) -> &str {
        self.url_variable.as_deref().unwrap_or(URL_VARIABLE_DEFAULT)
    }

    pub(crate) fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or(SCHEMA_DEFAULT)
    }
}

/// A schema's name that needs no quotes anywhere.
pub(super) fn check_schema(name: &str) -> Result<(), String> {
    let begins = |c: u8| c.is_ascii_lowercase();
    let is_plain = name.bytes().next().is_some_and(begins)
        && name
            .bytes()
            .all(|c| begins(c) || c.is_ascii_digit() || c == b'_')
        && name.len() <= DATABASE_SCHEMA_BYTES_MAX;
    match is_plain && !name.starts_with("pg_") {
        true => Ok(()),
        false => Err(format!(
            "a schema's name has at most {DATABASE_SCHEMA_BYTES_MAX} lower-case letters, digits \
             and _, begins with a letter, and not with pg_"
        )),
    }
}
