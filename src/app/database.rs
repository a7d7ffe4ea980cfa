//! The database as a file: copying it while it is in use, and checking it.

use std::path::Path;

use crate::embed;
use crate::failure::Failure;
use crate::store::sqlite;
pub use crate::store::sqlite::{Part, Problem, Report};

/// Copies the database `from` to `to` and gives the copy's size in bytes; see
/// `store::sqlite::back_up`.
pub fn back_up(
    from: &Path,
    to: &Path,
    unique: &str,
    told: &mut dyn FnMut(u64, u64),
) -> Result<u64, Failure> {
    Ok(sqlite::back_up(from, to, unique, told)?)
}

/// Checks the database `file` without changing it; see `store::sqlite::verify`.
pub fn verify(file: &Path, told: &mut dyn FnMut(&'static str)) -> Result<Report, Failure> {
    Ok(sqlite::verify(file, embed::builtin().model_id(), told)?)
}
