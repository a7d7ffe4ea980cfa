//! Converts errors of the server or the connection to errors of the port.

use deadpool_postgres::PoolError;
use deadpool_postgres::TimeoutType;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> StoreError {
        let Some(said) = error.as_db_error() else {
            return match is_ours(&error) {
                true => StoreError::Defect(Box::new(error)),
                false => unavailable(
                    &detailed(&error),
                    "check that the database server runs and can be reached, then try again",
                ),
            };
        };
        let hint = match said.code() {
            &SqlState::DISK_FULL => "free some space on the server's disk, then try again",
            &SqlState::TOO_MANY_CONNECTIONS => {
                "raise max_connections of the server, or lower readers and writers in [store]"
            }
            &SqlState::INVALID_PASSWORD
            | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | &SqlState::INVALID_CATALOG_NAME => "correct the URL of the database",
            &SqlState::INSUFFICIENT_PRIVILEGE => {
                "grant the role of the URL what install/guide/postgres.md lists"
            }
            &SqlState::READ_ONLY_SQL_TRANSACTION => {
                "the server takes no writes now, as after a failover; try again"
            }
            &SqlState::LOCK_NOT_AVAILABLE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::T_R_SERIALIZATION_FAILURE => {
                "another program holds the database; try again"
            }
            &SqlState::PROGRAM_LIMIT_EXCEEDED => {
                "a name is longer than the database can index; give it a shorter one where it \
                 comes from"
            }
            &SqlState::QUERY_CANCELED => {
                "try again; if it happens often, raise statement_seconds in [store]"
            }
            code if ["08", "25P", "53", "57P", "58"]
                .iter()
                .any(|class| code.code().starts_with(class)) =>
            {
                "the server ended this; try again"
            }
            &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => {
                return StoreError::Damaged(format!("the database is damaged: {}", said.message()));
            }
            _ => return StoreError::Defect(Box::new(error)),
        };
        unavailable(said.message(), hint)
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> StoreError {
        match error {
            PoolError::Backend(error) => StoreError::from(error),
            PoolError::Timeout(TimeoutType::Wait) => unavailable(
                "every connection was busy for too long",
                "try again; if it happens often, raise readers and writers in [store]",
            ),
            PoolError::Timeout(_) => unavailable(
                "the server did not answer",
                "check that the database server runs and can be reached, then try again",
            ),
            other => StoreError::Defect(Box::new(other)),
        }
    }
}

pub(super) fn unavailable(reason: &str, hint: &'static str) -> StoreError {
    StoreError::Unavailable {
        reason: format!("the database could not do this: {reason}"),
        hint,
    }
}

/// Whether a value did not have the statement's type. The crate distinguishes its kinds
/// of errors only by their texts.
fn is_ours(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    let ours = [
        "error serializing",
        "error deserializing",
        "invalid column",
        "query returned an unexpected",
        "expected",
    ];
    ours.iter().any(|begin| text.starts_with(begin))
}

/// With its causes, which the crate's own text leaves out.
fn detailed(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(each) = cause {
        let each_text = each.to_string();
        if !text.contains(&each_text) {
            text.push_str(": ");
            text.push_str(&each_text);
        }
        cause = each.source();
    }
    text
}
