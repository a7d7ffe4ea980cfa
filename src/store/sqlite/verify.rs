//! Checking a database: SQLite's own checks, and the invariants of memories, the
//! graph and procedures. Reads one snapshot and changes nothing.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::connection::open_as_it_is;
use crate::limits;
use crate::store::StoreError;
use crate::store::integrity::{
    APPROVALS, GRAPH, INDEX, KEYS, PROCEDURES, Part, Problem, Report, VECTORS,
};
use crate::text;

/// Tolerance of a vector's length around 1; rounding errors are far smaller.
const LENGTH_TOLERANCE: f64 = 0.01;

/// A query that finds nothing in a whole database.
struct Check {
    /// The first schema that has the tables.
    since: i32,
    part: &'static str,
    what: &'static str,
    /// Selects the name of each faulty row.
    sql: &'static str,
}

const CHECKS: &[Check] = &[
    Check {
        since: 1,
        part: INDEX,
        what: "memories are not in the keyword index",
        sql: "SELECT id FROM memory EXCEPT SELECT rowid FROM memory_words",
    },
    Check {
        since: 1,
        part: INDEX,
        what: "entries of the keyword index belong to no memory",
        sql: "SELECT rowid FROM memory_words EXCEPT SELECT id FROM memory",
    },
    Check {
        since: 1,
        part: VECTORS,
        what: "memories have no vector",
        sql: "SELECT id FROM memory EXCEPT SELECT memory_id FROM memory_vector",
    },
    Check {
        since: 1,
        part: VECTORS,
        what: "memories lack the vectors of some of their text",
        sql: "SELECT DISTINCT memory_id FROM (SELECT memory_id FROM memory_vector \
              GROUP BY memory_id, model_id HAVING min(window) <> 0 OR max(window) <> count(*) - 1)",
    },
    Check {
        since: 1,
        part: VECTORS,
        what: "memories have vectors with too few or too many numbers",
        sql: "SELECT DISTINCT memory_id FROM memory_vector v JOIN embedding_model m \
              ON m.id = v.model_id WHERE length(vector) <> dimensions * 4",
    },
    Check {
        since: 4,
        part: VECTORS,
        what: "blocks of codes are cut off",
        sql: "SELECT c.id FROM memory_code c JOIN embedding_model m ON m.id = c.model_id \
              WHERE length(block) <> vectors * (8 + (dimensions + 7) / 8)",
    },
    Check {
        since: 4,
        part: VECTORS,
        what: "models have too few or too many codes",
        sql: "SELECT name FROM embedding_model m WHERE \
              (SELECT ifnull(sum(vectors), 0) FROM memory_code WHERE model_id = m.id) <> \
              (SELECT count(*) FROM memory_vector WHERE model_id = m.id AND id <= m.coded)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "memories are linked to entities that are not there",
        sql: "SELECT DISTINCT memory_id FROM memory_entity \
              WHERE entity NOT IN (SELECT id FROM entity)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "names belong to entities that are not there",
        sql: "SELECT name FROM entity_name WHERE entity NOT IN (SELECT id FROM entity)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "entities are of a type that is not there",
        sql: "SELECT key FROM entity WHERE id >> 32 NOT IN (SELECT id FROM graph_word)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "triples have an end that is not there",
        sql: "SELECT id FROM triple WHERE subject NOT IN (SELECT id FROM entity) \
              OR object NOT IN (SELECT id FROM entity)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "triples have a predicate, a project or a source that is not there",
        sql: "SELECT id FROM triple WHERE predicate NOT IN (SELECT id FROM graph_word) \
              OR project NOT IN (SELECT id FROM graph_word) \
              OR (source IS NOT NULL AND source NOT IN (SELECT id FROM graph_word))",
    },
    Check {
        since: 3,
        part: PROCEDURES,
        what: "definitions cannot be read",
        sql: "SELECT name || '@' || version FROM procedure WHERE NOT json_valid(definition)",
    },
    Check {
        since: 3,
        part: PROCEDURES,
        what: "executions have a journal with gaps",
        sql: "SELECT e.id FROM execution e LEFT JOIN journal j ON j.execution = e.number \
              GROUP BY e.number HAVING count(j.number) <> e.entries \
              OR ifnull(min(j.number), 1) <> 1 OR ifnull(max(j.number), 0) <> count(j.number)",
    },
    Check {
        since: 3,
        part: PROCEDURES,
        what: "executions have a journal that cannot be read",
        sql: "SELECT DISTINCT e.id FROM execution e JOIN journal j ON j.execution = e.number \
              WHERE NOT json_valid(j.entry)",
    },
    Check {
        since: 6,
        part: APPROVALS,
        what: "approved tool definitions cannot be read",
        sql: "SELECT skill || ' ' || tool FROM tool_pin WHERE NOT json_valid(definition)",
    },
    Check {
        since: 9,
        part: KEYS,
        what: "keys have grants or a hash that cannot be read",
        sql: "SELECT id FROM api_key WHERE NOT json_valid(grants) OR length(hash) <> 32 \
              OR ifnull(length(former_hash), 32) <> 32",
    },
    Check {
        since: 9,
        part: KEYS,
        what: "sessions cannot be read",
        sql: "SELECT id FROM http_session WHERE NOT json_valid(capabilities) \
              OR NOT json_valid(subscribed)",
    },
];

/// Checks the database at `path`, which other programs may use meanwhile.
/// `model` names the space that texts are searched in now; `told` gets
/// the name of each part before it is checked.
pub(super) fn verify(
    path: &Path,
    model: &str,
    told: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Report, StoreError> {
    let (connection, schema) = open_as_it_is(path)?;
    let file = connection.unchecked_transaction()?;
    let mut report = Report {
        schema,
        memories: 0,
        parts: Vec::new(),
        notes: Vec::new(),
    };
    let mut look = |report: &mut Report, name, check: &dyn Fn(&mut Vec<Problem>) -> Done| {
        told(name);
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
    look(&mut report, "file", &|found| pages(&file, found))?;
    look(&mut report, "references", &|found| references(&file, found))?;
    look(&mut report, "texts", &|found| texts(&file, found))?;
    for name in [INDEX, VECTORS, GRAPH, PROCEDURES, APPROVALS, KEYS] {
        look(&mut report, name, &|found| {
            let of_part = |check: &&Check| check.part == name && check.since <= schema;
            for check in CHECKS.iter().filter(of_part) {
                gather(&file, check.what, check.sql, named, found)?;
            }
            match name == VECTORS {
                true => lengths(&file, found),
                false => Ok(()),
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

/// SQLite's checks of pages, indexes and the keyword index.
fn pages(file: &Connection, found: &mut Vec<Problem>) -> Done {
    let what = "places are damaged";
    let damage = |row: &Row<'_>| {
        let said: String = row.get(0)?;
        Ok((said != "ok").then_some(said))
    };
    gather(file, what, "PRAGMA integrity_check", damage, found)
}

/// Rows whose parent row is missing.
fn references(file: &Connection, found: &mut Vec<Problem>) -> Done {
    let sql = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2";
    let mut statement = file.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(1)?);
        let what = match (table.as_str(), parent.as_str()) {
            ("memory", _) => "memories replace one that is not there",
            ("memory_tag", _) => "tags belong to memories that are not there",
            ("memory_vector", "memory") => "vectors belong to memories that are not there",
            ("memory_vector", _) => "vectors are of a model that is not there",
            ("memory_edit", _) => "records of edits belong to memories that are not there",
            ("memory_entity", _) => "links to entities belong to memories that are not there",
            ("entity_name", _) => "names of entities belong to projects that are not there",
            ("execution", _) => "executions follow definitions that are not there",
            ("procedure_name", _) => "names of procedures lead to definitions that are not there",
            ("journal", _) => "journal entries belong to executions that are not there",
            _ => "rows refer to others that are not there",
        };
        found.push(Problem {
            what: what.to_owned(),
            count: count(row, 2)?,
            examples: vec![format!("{table} to {parent}")],
        });
    }
    Ok(())
}

/// SQLite keeps no checksum of its rows; the key of a memory's text serves as one.
fn texts(file: &Connection, found: &mut Vec<Problem>) -> Done {
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

/// Vectors that would give wrong cosines.
fn lengths(file: &Connection, found: &mut Vec<Problem>) -> Done {
    let what = "vectors are not of unit length";
    let sql = "SELECT memory_id, vector FROM memory_vector";
    let odd = |row: &Row<'_>| {
        let bytes = row.get_ref(1)?.as_blob()?;
        let (numbers, _) = bytes.as_chunks::<4>();
        let squares = numbers.iter().map(|number| {
            let number = f64::from(f32::from_le_bytes(*number));
            number * number
        });
        let length = squares.sum::<f64>().sqrt();
        match (length - 1.0).abs() <= LENGTH_TOLERANCE {
            true => Ok(None),
            // NaN as well.
            false => named(row),
        }
    };
    gather(file, what, sql, odd, found)
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
