//! Checking a database: the invariants of memories, the graph, procedures and keys, as
//! in the SQLite room. The server itself enforces references; here only that it does so
//! is checked. Reads one snapshot and changes nothing.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::migrate;
use super::transaction::Tx;
use crate::limits;
use crate::store::StoreError;
use crate::store::integrity::{
    APPROVALS, GRAPH, INDEX, KEYS, PROCEDURES, Part, Problem, REFERENCES, Report, TEXTS, VECTORS,
};
use crate::text;

/// A query that finds nothing in a whole database.
struct Check {
    part: &'static str,
    what: &'static str,
    /// Selects the name of each faulty row; where `is_wrong` is another function, of
    /// each row that it decides about.
    sql: &'static str,
    is_wrong: fn(&Row) -> bool,
}

const PARTS: [&str; 9] = [
    SERVER, REFERENCES, TEXTS, INDEX, VECTORS, GRAPH, PROCEDURES, APPROVALS, KEYS,
];
const SERVER: &str = "server";

const CHECKS: &[Check] = &[
    Check {
        part: SERVER,
        what: "indexes are not usable",
        sql: "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
              WHERE c.relnamespace = current_schema()::regnamespace \
              AND NOT (i.indisvalid AND i.indisready)",
        is_wrong: any,
    },
    Check {
        part: REFERENCES,
        what: "references are not enforced",
        sql: "SELECT c.conname::text FROM pg_constraint c \
              WHERE c.connamespace = current_schema()::regnamespace AND NOT c.convalidated",
        is_wrong: any,
    },
    Check {
        part: TEXTS,
        what: "memories have another text than was stored",
        sql: "SELECT id, content, text_key FROM memory",
        is_wrong: |row| text::key(row.get(1)) != row.get::<_, &[u8]>(2),
    },
    Check {
        part: INDEX,
        what: "memories are not in the keyword index",
        sql: "SELECT id FROM memory WHERE content ~ '[A-Za-z0-9]' \
              EXCEPT SELECT memory FROM posting",
        is_wrong: any,
    },
    Check {
        part: INDEX,
        what: "entries of the keyword index belong to no memory",
        sql: "SELECT memory FROM posting EXCEPT SELECT id FROM memory",
        is_wrong: any,
    },
    Check {
        part: INDEX,
        what: "entries of the keyword index are of another project than their memory",
        sql: "SELECT DISTINCT m.id FROM posting p JOIN memory m ON m.id = p.memory \
              JOIN project j ON j.id = p.project WHERE j.name <> m.project",
        is_wrong: any,
    },
    Check {
        part: INDEX,
        what: "projects have another number of memories than is counted for them",
        sql: "SELECT coalesce(p.name, m.project) FROM (SELECT project, count(*) AS found \
              FROM memory GROUP BY project) m FULL JOIN project p ON p.name = m.project \
              WHERE coalesce(m.found, 0) <> coalesce(p.documents, 0)",
        is_wrong: any,
    },
    Check {
        part: VECTORS,
        what: "memories have no vector",
        sql: "SELECT id FROM memory EXCEPT SELECT memory_id FROM memory_vector",
        is_wrong: any,
    },
    Check {
        part: VECTORS,
        what: "memories lack the vectors of some of their text",
        sql: "SELECT DISTINCT memory_id FROM (SELECT memory_id FROM memory_vector \
              GROUP BY memory_id, model_id \
              HAVING min(\"window\") <> 0 OR max(\"window\") <> count(*) - 1) w",
        is_wrong: any,
    },
    Check {
        part: VECTORS,
        what: "memories have vectors with too few or too many numbers",
        sql: "SELECT DISTINCT memory_id FROM memory_vector v JOIN embedding_model m \
              ON m.id = v.model_id WHERE vector_dims(v.vector) <> m.dimensions \
              OR vector_dims(v.near) <> m.dimensions",
        is_wrong: any,
    },
    Check {
        part: VECTORS,
        what: "vectors are not of unit length",
        // Rounding errors are far smaller.
        sql: "SELECT memory_id FROM memory_vector WHERE NOT abs(vector_norm(vector) - 1) <= 0.01",
        is_wrong: any,
    },
    Check {
        part: VECTORS,
        what: "vectors are of another project than their memory",
        sql: "SELECT DISTINCT m.id FROM memory_vector v JOIN memory m ON m.id = v.memory_id \
              JOIN project j ON j.id = v.project WHERE j.name <> m.project",
        is_wrong: any,
    },
    Check {
        part: GRAPH,
        what: "memories are linked to entities that do not exist",
        sql: "SELECT DISTINCT memory_id FROM memory_entity l \
              WHERE NOT EXISTS (SELECT 1 FROM entity WHERE id = l.entity)",
        is_wrong: any,
    },
    Check {
        part: GRAPH,
        what: "names belong to entities that do not exist",
        sql: "SELECT name FROM entity_name n \
              WHERE NOT EXISTS (SELECT 1 FROM entity WHERE id = n.entity)",
        is_wrong: any,
    },
    Check {
        part: GRAPH,
        what: "entities are of a type that does not exist",
        sql: "SELECT key FROM entity e \
              WHERE NOT EXISTS (SELECT 1 FROM graph_word WHERE id = e.id >> 32)",
        is_wrong: any,
    },
    Check {
        part: GRAPH,
        what: "triples have an end that does not exist",
        sql: "SELECT id FROM triple t WHERE NOT EXISTS (SELECT 1 FROM entity WHERE id = t.subject) \
              OR NOT EXISTS (SELECT 1 FROM entity WHERE id = t.object)",
        is_wrong: any,
    },
    Check {
        part: GRAPH,
        what: "triples have a predicate, a project or a source that does not exist",
        sql: "SELECT id FROM triple t \
              WHERE NOT EXISTS (SELECT 1 FROM graph_word WHERE id = t.predicate) \
              OR NOT EXISTS (SELECT 1 FROM graph_word WHERE id = t.project) \
              OR (source IS NOT NULL AND NOT EXISTS (SELECT 1 FROM graph_word WHERE id = t.source))",
        is_wrong: any,
    },
    Check {
        part: PROCEDURES,
        what: "definitions cannot be read",
        sql: "SELECT name || '@' || version, definition FROM procedure",
        is_wrong: |row| !is_json(row, 1),
    },
    Check {
        part: PROCEDURES,
        what: "executions have a journal with gaps",
        sql: "SELECT e.id FROM execution e LEFT JOIN journal j ON j.execution = e.number \
              GROUP BY e.number HAVING count(j.number) <> e.entries \
              OR coalesce(min(j.number), 1) <> 1 OR coalesce(max(j.number), 0) <> count(j.number)",
        is_wrong: any,
    },
    Check {
        part: PROCEDURES,
        what: "journal entries cannot be read",
        sql: "SELECT e.id, j.entry FROM execution e JOIN journal j ON j.execution = e.number",
        is_wrong: |row| !is_json(row, 1),
    },
    Check {
        part: APPROVALS,
        what: "approved tool definitions cannot be read",
        sql: "SELECT skill || ' ' || tool, definition FROM tool_pin",
        is_wrong: |row| !is_json(row, 1),
    },
    Check {
        part: KEYS,
        what: "keys have grants or a hash that cannot be read",
        sql: "SELECT id, grants, length(hash) = 32 AND coalesce(length(former_hash), 32) = 32 \
              FROM api_key",
        is_wrong: |row| !is_json(row, 1) || !row.get::<_, bool>(2),
    },
    Check {
        part: KEYS,
        what: "sessions cannot be read",
        sql: "SELECT id, capabilities, subscribed FROM http_session",
        is_wrong: |row| !is_json(row, 1) || !is_json(row, 2),
    },
];

fn any(_: &Row) -> bool {
    true
}

/// Servers before PostgreSQL 16 cannot tell by themselves.
fn is_json(row: &Row, column: usize) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(row.get(column)).is_ok()
}

/// Checks the schema that `tx` sees. `model` names the space that texts are searched in
/// now; `progress` gets the name of each part before it is checked.
pub(super) async fn verify(
    tx: &Tx,
    model: &str,
    progress: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Report, StoreError> {
    tx.batch("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
        .await?;
    let mut report = Report {
        schema: migrate::SCHEMA,
        memories: 0,
        parts: Vec::new(),
        notes: Vec::new(),
    };
    for name in PARTS {
        progress(name);
        let mut problems = Vec::new();
        for (nth, check) in CHECKS.iter().enumerate() {
            if check.part == name
                && let Some(problem) = find(tx, nth, check).await?
            {
                problems.push(problem);
            }
        }
        report.parts.push(Part { name, problems });
    }
    let counts = "SELECT (SELECT count(*) FROM memory), (SELECT schema FROM meta), \
                  (SELECT count(*) FROM (SELECT memory_id FROM memory_vector EXCEPT \
                  SELECT memory_id FROM memory_vector v JOIN embedding_model m \
                  ON m.id = v.model_id WHERE m.name = $1) o)";
    let row = tx.query_one(counts, &[&model]).await?;
    report.memories = row.get::<_, i64>(0).unsigned_abs();
    report.schema = row.get(1);
    let others: i64 = row.get(2);
    let sums: String = tx.query_one("SHOW data_checksums", &[]).await?.get(0);
    report.notes.push(match sums.as_str() {
        "on" => {
            "the server checks a checksum of each page that it reads (data_checksums)".to_owned()
        }
        _ => {
            "the server keeps no checksums of its pages, so a changed bit in a row is not noticed: \
              stop it and run pg_checksums --enable"
                .to_owned()
        }
    });
    if others > 0 {
        report.notes.push(format!(
            "memories without a vector of the model {model}, found by keyword alone: {others}"
        ));
    }
    Ok(report)
}

/// Reads the rows of a check in portions, because texts and journals can be large.
async fn find(tx: &Tx, nth: usize, check: &Check) -> Result<Option<Problem>, StoreError> {
    let mut problem = Problem {
        what: check.what.to_owned(),
        count: 0,
        examples: Vec::new(),
    };
    let sql = check.sql;
    tx.batch(&format!("DECLARE check_{nth} NO SCROLL CURSOR FOR {sql}"))
        .await?;
    let portion = limits::PORTION_MEMORIES_MAX;
    let fetch = format!("FETCH {portion} FROM check_{nth}");
    loop {
        let rows = tx.query(&fetch, &[]).await?;
        for row in rows.iter().filter(|row| (check.is_wrong)(row)) {
            problem.count += 1;
            let name = name_of(row);
            if problem.examples.len() < limits::VERIFY_EXAMPLES_MAX
                && !problem.examples.contains(&name)
            {
                problem.examples.push(name);
            }
        }
        if rows.len() < portion {
            break;
        }
    }
    tx.batch(&format!("CLOSE check_{nth}")).await?;
    Ok((problem.count > 0).then_some(problem))
}

/// The first column.
fn name_of(row: &Row) -> String {
    match *row.columns()[0].type_() {
        Type::INT8 => row.get::<_, i64>(0).to_string(),
        _ => row.get(0),
    }
}
