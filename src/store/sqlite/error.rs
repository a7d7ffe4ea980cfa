//! Translates the errors of SQLite for the port.

use rusqlite::ErrorCode;

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let unavailable = |hint| StoreError::Unavailable {
            reason: format!("the database could not do this: {error}"),
            hint,
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                unavailable("another program holds the database; try again")
            }
            // By a read's progress handler, once nobody waits for it.
            Some(ErrorCode::OperationInterrupted) => StoreError::Cancelled,
            Some(ErrorCode::DiskFull) => unavailable("free some space on the disk, then try again"),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                unavailable("check the permissions of the file and of its folder")
            }
            Some(ErrorCode::SystemIoFailure) => {
                unavailable("check the disk and its free space, then try again")
            }
            Some(ErrorCode::NotADatabase) => {
                StoreError::Damaged("the file is not a SQLite database".to_owned())
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                StoreError::Damaged(format!("the database is damaged: {error}"))
            }
            _ => StoreError::Defect(Box::new(error)),
        }
    }
}
