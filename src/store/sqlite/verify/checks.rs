//! The checks that are queries.

use super::super::derived;
use super::CODES;
use crate::store::integrity::{
    APPROVALS, COUNTS, FEATURES, GRAPH, INDEX, KEYS, PROCEDURES, VECTORS,
};

/// A query that finds nothing in a whole database.
pub(super) struct Check {
    /// The first schema that has the tables.
    pub(super) since: i32,
    pub(super) part: &'static str,
    pub(super) what: &'static str,
    /// Selects the name of each faulty row.
    pub(super) sql: &'static str,
}

pub(super) const CHECKS: &[Check] = &[
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
        since: 14,
        part: VECTORS,
        what: "memories have vectors without a checksum",
        sql: "SELECT DISTINCT memory_id FROM memory_vector \
              WHERE id NOT IN (SELECT vector_id FROM vector_checksum)",
    },
    Check {
        since: 4,
        part: CODES,
        what: "blocks of codes are cut off",
        sql: "SELECT c.id FROM memory_code c JOIN embedding_model m ON m.id = c.model_id \
              WHERE length(block) <> vectors * (8 + (dimensions + 7) / 8)",
    },
    Check {
        since: 4,
        part: CODES,
        what: "models have too few or too many codes",
        sql: "SELECT name FROM embedding_model m WHERE \
              (SELECT ifnull(sum(vectors), 0) FROM memory_code WHERE model_id = m.id) <> \
              (SELECT count(*) FROM memory_vector WHERE model_id = m.id AND id <= m.coded)",
    },
    Check {
        since: 13,
        part: FEATURES,
        what: "labels are counted wrongly",
        sql: derived::WRONG_LABEL_COUNTS,
    },
    Check {
        since: 14,
        part: COUNTS,
        what: "memories have no checksum",
        sql: "SELECT id FROM memory EXCEPT SELECT memory_id FROM memory_checksum",
    },
    Check {
        since: 14,
        part: COUNTS,
        what: "projects have memories that are counted wrongly",
        sql: derived::WRONG_MEMORY_COUNTS,
    },
    Check {
        since: 14,
        part: COUNTS,
        what: "projects of the graph have triples that are counted wrongly",
        sql: derived::WRONG_TRIPLE_COUNTS,
    },
    Check {
        since: 14,
        part: COUNTS,
        what: "numbers of the graph are counted wrongly",
        sql: derived::WRONG_ENTITY_COUNT,
    },
    Check {
        since: 16,
        part: COUNTS,
        what: "memories have tags of another state or age",
        sql: derived::WRONG_TAGS,
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "memories are linked to entities that do not exist",
        sql: "SELECT DISTINCT memory_id FROM memory_entity \
              WHERE entity NOT IN (SELECT id FROM entity)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "names belong to entities that do not exist",
        sql: "SELECT name FROM entity_name WHERE entity NOT IN (SELECT id FROM entity)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "entities are of a type that does not exist",
        sql: "SELECT key FROM entity WHERE id >> 32 NOT IN (SELECT id FROM graph_word)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "triples have an end that does not exist",
        sql: "SELECT id FROM triple WHERE subject NOT IN (SELECT id FROM entity) \
              OR object NOT IN (SELECT id FROM entity)",
    },
    Check {
        since: 2,
        part: GRAPH,
        what: "triples have a predicate, a project or a source that does not exist",
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
