//! Checks a database: SQLite's own checks, and the invariants of memories, the graph
//! and procedures. Derived data is compared with its source. Reads one snapshot and
//! changes nothing.

mod checks;

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use self::checks::{CHECKS, Check};
use super::connection::{SCHEMA, open_as_it_is};
use super::{checksum, codes, derived, features};
use crate::limits;
use crate::store::StoreError;
use crate::store::integrity::{
    APPROVALS, COUNTS, FEATURES, FILE, GRAPH, INDEX, KEYS, PROCEDURES, Part, Problem, REFERENCES,
    Report, TEXTS, VECTORS,
};
use crate::store::memory::MemoryId;
use crate::text;

/// Tolerance of a vector's length around 1; rounding errors are far smaller.
const LENGTH_TOLERANCE: f64 = 0.01;

/// The checks of codes, which are reported with the vectors.
const CODES: &str = "codes";
/// The schemas with codes, features and checksums.
const CODES_SINCE: i32 = 4;
const FEATURES_SINCE: i32 = 13;
const CHECKSUMS_SINCE: i32 = 14;

/// Selects every vector, for [`is_unit`].
const SELECT_VECTORS: &str = "SELECT memory_id, vector FROM memory_vector";

/// Checks the database at `path`, which other programs may use meanwhile.
/// `model` names the space that texts are searched in now; `progress` gets
/// the name of each part before it is checked.
pub(super) fn verify(
    path: &Path,
    model: &str,
    progress: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Report, StoreError> {
    let (connection, schema) = open_as_it_is(path)?;
    let file = connection.unchecked_transaction()?;
    let mut report = Report {
        schema,
        memories: 0,
        parts: Vec::new(),
        notes: Vec::new(),
    };
    let mut run_part = |report: &mut Report, name, check: &dyn Fn(&mut Vec<Problem>) -> Done| {
        progress(name);
        let mut problems = Vec::new();
        match check(&mut problems) {
            Ok(()) => {}
            // Reports the damage and continues with the rest.
            Err(StoreError::Damaged(why)) => problems.push(Problem {
                what: format!("it cannot be read to its end: {why}"),
                count: 1,
                examples: Vec::new(),
            }),
            Err(error) => return Err(error),
        }
        report.parts.push(Part { name, problems });
        Ok(())
    };
    run_part(&mut report, FILE, &|found| pages(&file, found))?;
    run_part(&mut report, REFERENCES, &|found| references(&file, found))?;
    for name in [
        TEXTS, INDEX, VECTORS, FEATURES, COUNTS, GRAPH, PROCEDURES, APPROVALS, KEYS,
    ] {
        run_part(&mut report, name, &|found| {
            run_checks(&file, name, schema, found)?;
            match name {
                TEXTS => texts(&file, schema, found),
                INDEX => words(&file, found),
                VECTORS => vectors(&file, schema, found),
                FEATURES if schema >= FEATURES_SINCE => {
                    let what = "memories have features of another text";
                    found.extend(Problem::of(what, features::wrong(&file)?));
                    Ok(())
                }
                _ => Ok(()),
            }
        })?;
    }
    // Even this may fail in a damaged file.
    if let Ok(count) = file.query_row("SELECT count(*) FROM memory", [], |row| count(row, 0)) {
        report.memories = count;
    }
    if let Ok(Some(note)) = of_other_models(&file, model) {
        report.notes.push(note);
    }
    Ok(report)
}

type Done = Result<(), StoreError>;

/// Runs the checks of a part that a database of this schema can have.
pub(super) fn run_checks(
    file: &Connection,
    part: &str,
    schema: i32,
    found: &mut Vec<Problem>,
) -> Done {
    let of_part = |check: &&Check| check.part == part && check.since <= schema;
    for check in CHECKS.iter().filter(of_part) {
        gather(file, check.what, check.sql, named, found)?;
    }
    Ok(())
}

fn pages(file: &Connection, found: &mut Vec<Problem>) -> Done {
    let (said, done) = damage(file);
    found.extend(Problem::of("places are damaged", said));
    done
}

/// The output of SQLite's checks of pages, indexes and the keyword index, at most a
/// hundred lines, and whether damage ended them.
pub(super) fn damage(file: &Connection) -> (Vec<String>, Done) {
    let mut said = Vec::new();
    let mut read = || -> Done {
        let mut statement = file.prepare("PRAGMA integrity_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            said.push(row.get(0)?);
        }
        Ok(())
    };
    let done = read();
    said.retain(|line: &String| line != "ok");
    (said, done)
}

/// Rows whose parent row is missing.
fn references(file: &Connection, found: &mut Vec<Problem>) -> Done {
    let sql = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2";
    let mut statement = file.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(1)?);
        let what = match (table.as_str(), parent.as_str()) {
            ("memory", _) => "memories replace one that does not exist",
            ("memory_tag", _) => "tags belong to memories that do not exist",
            ("memory_vector", "memory") => "vectors belong to memories that do not exist",
            ("memory_vector", _) => "vectors are of a model that does not exist",
            ("memory_edit", _) => "records of edits belong to memories that do not exist",
            ("memory_entity", _) => "links to entities belong to memories that do not exist",
            ("entity_name", _) => "names of entities belong to projects that do not exist",
            ("execution", _) => "executions follow definitions that do not exist",
            ("procedure_name", _) => "names of procedures lead to definitions that do not exist",
            ("journal", _) => "journal entries belong to executions that do not exist",
            _ => "rows refer to others that do not exist",
        };
        found.push(Problem {
            what: what.to_owned(),
            count: count(row, 2)?,
            examples: vec![format!("{table} to {parent}")],
        });
    }
    Ok(())
}

/// Compares memories with their checksums, and texts with their keys, which databases
/// of older schemas have too.
fn texts(file: &Connection, schema: i32, found: &mut Vec<Problem>) -> Done {
    if schema >= CHECKSUMS_SINCE {
        let what = "memories have other values than were stored";
        found.extend(Problem::of(what, checksum::changed_memories(file)?));
    }
    let what = "memories have another text than was stored";
    let sql = "SELECT id, content, text_key FROM memory ORDER BY id";
    let changed = |row: &Row<'_>| {
        let content = row.get_ref(1)?.as_bytes()?;
        let content = std::str::from_utf8(content).unwrap_or_default();
        let key = row.get_ref(2)?.as_bytes()?;
        match text::key(content) == key {
            true => Ok(None),
            false => named(row),
        }
    };
    gather(file, what, sql, changed, found)
}

/// Entries of the keyword index that do not match the text.
fn words(file: &Connection, found: &mut Vec<Problem>) -> Done {
    let mut is_indexed =
        file.prepare("SELECT EXISTS (SELECT 1 FROM memory_words WHERE rowid = ?)")?;
    let mut wrong: Vec<MemoryId> = Vec::new();
    for id in derived::wrong_words(file)? {
        if is_indexed.query_row([id], |row| row.get(0))? {
            wrong.push(id);
        }
    }
    let what = "memories have entries in the keyword index that are not of their text";
    found.extend(Problem::of(what, wrong));
    Ok(())
}

fn vectors(file: &Connection, schema: i32, found: &mut Vec<Problem>) -> Done {
    run_checks(file, CODES, schema, found)?;
    lengths(file, found)?;
    if schema >= CHECKSUMS_SINCE {
        let what = "memories have vectors of other numbers than were stored";
        found.extend(Problem::of(what, checksum::changed_vectors(file)?));
    }
    if schema >= CODES_SINCE {
        found.extend(Problem::of(
            "codes are not of their vectors",
            codes::wrong(file)?,
        ));
    }
    Ok(())
}

/// The memories whose vectors are missing or wrong, in a database of this schema.
pub(super) fn memories_of_wrong_vectors(file: &Connection) -> Result<Vec<MemoryId>, StoreError> {
    let mut wrong = checksum::changed_vectors(file)?;
    let sqls = CHECKS.iter().filter(|check| check.part == VECTORS);
    for sql in sqls.map(|check| check.sql).chain([SELECT_VECTORS]) {
        let mut statement = file.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if sql != SELECT_VECTORS || !is_unit(row)? {
                wrong.push(row.get(0)?);
            }
        }
    }
    wrong.sort_unstable();
    wrong.dedup();
    Ok(wrong)
}

pub(super) fn are_codes_wrong(file: &Connection) -> Result<bool, StoreError> {
    let mut found = Vec::new();
    run_checks(file, CODES, SCHEMA, &mut found)?;
    Ok(!found.is_empty() || !codes::wrong(file)?.is_empty())
}

/// Vectors that would give wrong cosines.
fn lengths(file: &Connection, found: &mut Vec<Problem>) -> Done {
    let what = "vectors are not of unit length";
    let odd = |row: &Row<'_>| match is_unit(row)? {
        true => Ok(None),
        false => named(row),
    };
    gather(file, what, SELECT_VECTORS, odd, found)
}

/// Whether the vector of this row is of unit length; false for NaN as well.
fn is_unit(row: &Row<'_>) -> rusqlite::Result<bool> {
    let bytes = row.get_ref(1)?.as_blob()?;
    let (numbers, _) = bytes.as_chunks::<4>();
    let squares = numbers.iter().map(|number| {
        let number = f64::from(f32::from_le_bytes(*number));
        number * number
    });
    let length = squares.sum::<f64>().sqrt();
    Ok((length - 1.0).abs() <= LENGTH_TOLERANCE)
}

/// Memories that have only vectors of another model.
fn of_other_models(file: &Connection, model: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT count(*) FROM (SELECT memory_id FROM memory_vector EXCEPT \
               SELECT memory_id FROM memory_vector v JOIN embedding_model m \
               ON m.id = v.model_id WHERE m.name = ?)";
    let count = file.query_row(sql, [model], |row| count(row, 0))?;
    Ok((count > 0).then(|| {
        format!("memories without a vector of the model {model}, found by keyword alone: {count}")
    }))
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

/// The name of the first column.
fn named(row: &Row<'_>) -> rusqlite::Result<Option<String>> {
    Ok(Some(match row.get_ref(0)? {
        ValueRef::Integer(id) => id.to_string(),
        ValueRef::Text(name) => String::from_utf8_lossy(name).into_owned(),
        other => format!("{:?}", other.data_type()),
    }))
}

/// Adds a problem with everything that `wrong` names among the rows of `sql`.
fn gather(
    file: &Connection,
    what: &str,
    sql: &str,
    wrong: impl Fn(&Row<'_>) -> rusqlite::Result<Option<String>>,
    found: &mut Vec<Problem>,
) -> Done {
    let mut statement = file.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut problem = Problem {
        what: what.to_owned(),
        count: 0,
        examples: Vec::new(),
    };
    let mut read = || -> Done {
        while let Some(row) = rows.next()? {
            if let Some(name) = wrong(row)? {
                problem.count += 1;
                if problem.examples.len() < limits::VERIFY_EXAMPLES_MAX {
                    problem.examples.push(name);
                }
            }
        }
        Ok(())
    };
    let read = read();
    if problem.count > 0 {
        found.push(problem);
    }
    read
}
