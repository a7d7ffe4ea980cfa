//! The tables of a store in a form that both rooms share, and the copying of one store
//! into another, table by table, with ids and dates as they are. Indexes that follow from
//! the tables are rebuilt. The rows of a table and the note that it is done are one
//! transaction, so that a copy which was cut off goes on with the next table.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::limits;
use crate::store::StoreError;

/// How a column is stored; the names are those of PostgreSQL where the rooms differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    Bigint,
    Int,
    Boolean,
    Double,
    Text,
    Bytes,
    /// Of f32, little-endian.
    Vector,
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

pub(in crate::store) type Row = Vec<Value>;

/// A table that both rooms have, with the same columns.
#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: &'static [(&'static str, Kind)],
    /// So many of its first columns are its primary key, and its order.
    pub(in crate::store) key: usize,
}

macro_rules! tables {
    ($($name:ident ($key:literal): $($column:ident $kind:ident),+;)+) => {
        &[$(Table {
            name: stringify!($name),
            columns: &[$((stringify!($column), Kind::$kind)),+],
            key: $key,
        }),+]
    };
}

/// Every table that is not derived from others, after those that it refers to.
pub(in crate::store) const TABLES: &[Table] = tables! {
    embedding_model (1): id Int, name Text, dimensions Int;
    memory (1): id Bigint, project Text, category Text, importance Double, state Text,
        protected Boolean, created_at Bigint, recorded_at Bigint, said_at Bigint, retired_at Bigint,
        valid_until Bigint, updated_at Bigint, recalled_at Bigint, recall_count Bigint,
        revision Bigint, supersedes Bigint, position Bigint, text_key Bytes, thread Text,
        topic_key Text, content Text;
    memory_tag (2): memory_id Bigint, tag Text;
    memory_vector (1): id Bigint, memory_id Bigint, model_id Int, window Int, vector Vector;
    memory_edit (2): undo_id Text, memory_id Bigint, revision Bigint, edited_at Bigint,
        text_changed Boolean, importance Double, state Text, protected Boolean, reason Text,
        tags Text, project Text, said_at Bigint, content Text;
    retention_run (1): id Bigint, started_at Bigint, finished_at Bigint, idle Bigint,
        beyond Bigint, purged Bigint;
    thread_talk (1): id Bigint, thread Text, memories Bigint, questions Bigint, apart Double,
        apart_pairs Bigint;
    thread_block (2): thread_id Bigint, block Bigint, memories Bigint, labelled Bigint,
        questions Bigint, adjacent Double, pairs Bigint;
    memory_feature (1): memory_id Bigint, thread_id Bigint, words Bigint, question Int,
        time_word Boolean, day Bigint, label Text, numbered Text;
    thread_label (2): thread_id Bigint, label Text, memories Bigint;
    graph_word (1): id Bigint, word Text, uses Bigint;
    entity (1): id Bigint, key Text, name Text;
    entity_name (3): key Text, project Bigint, entity Bigint, backwards Text, words Text,
        name Text;
    triple (1): id Bigint, subject Bigint, predicate Bigint, object Bigint, project Bigint,
        since Bigint, until Bigint, confidence Double, source Bigint, recorded_at Bigint,
        closed Text, closed_at Bigint;
    memory_entity (2): memory_id Bigint, entity Bigint;
    procedure (1): hash Text, name Text, version Text, description Text, definition Text;
    procedure_name (3): project Text, name Text, version Text, hash Text, defined_at Bigint;
    execution (1): number Bigint, id Text, project Text, hash Text, name Text, status Text,
        state Text, depth Bigint, cancel Boolean, active Boolean, wake_at Bigint,
        created_at Bigint, updated_at Bigint, entries Bigint, parent Text, idempotency_key Text;
    journal (2): execution Bigint, number Bigint, entry Text;
    recorded_call (1): number Bigint, id Text, project Text, called_at Bigint, tool Text,
        arguments Text;
    api_key (1): id Text, name Text, hash Bytes, former_hash Bytes, former_until Bigint,
        grants Text, created_at Bigint, rotated_at Bigint, expires_at Bigint, revoked_at Bigint,
        last_used Bigint;
    http_session (1): id Text, key Text, capabilities Text, protocol_version Text,
        client_name Text, log_level Text, subscribed Text, opened_at Bigint, touched_at Bigint;
    tool_pin (3): skill Text, identity Text, tool Text, number Bigint, hash Text,
        definition Text;
    skill_entry (1): skill Text, identity Text, entry Text;
};

/// The tables whose ids are never used again, with the columns that these are in.
pub(in crate::store) const AUTOINCREMENT: [(&str, &str); 4] = [
    ("memory", "id"),
    ("memory_vector", "id"),
    ("retention_run", "id"),
    ("execution", "number"),
];

/// How many rows a table has, and what they hash to in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) rows: u64,
    pub(crate) sha256: String,
}

/// A table that was copied, or with `dry_run` only read.
#[derive(Clone, Debug)]
pub(crate) struct CopiedTable {
    pub(crate) table: &'static str,
    pub(crate) summary: Summary,
    /// An earlier run copied it.
    pub(crate) was_done: bool,
}

/// A room that is read. All reads see one snapshot.
pub(in crate::store) trait Source {
    /// Up to [`limits::TRANSFER_PORTION_ROWS_MAX`] rows after the row with the key `after`,
    /// in the order of their keys.
    async fn portion(
        &mut self,
        table: &'static Table,
        after: Option<&[Value]>,
    ) -> Result<Vec<Row>, StoreError>;

    /// The greatest id that each of [`AUTOINCREMENT`] ever used.
    async fn last_ids(&mut self) -> Result<Vec<i64>, StoreError>;
}

/// A room that is filled, and read to be compared. Nobody else uses it meanwhile.
pub(in crate::store) trait Target: Source {
    /// The tables that an earlier run has finished; none in an empty room. Fails where
    /// the room holds something else.
    async fn done(&mut self) -> Result<BTreeMap<String, Summary>, StoreError>;

    /// Empties the room and notes that it is being filled.
    async fn clear(&mut self) -> Result<(), StoreError>;

    async fn begin_table(&mut self, table: &'static Table) -> Result<(), StoreError>;

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError>;

    async fn end_table(&mut self, table: &'static Table, done: &Summary) -> Result<(), StoreError>;

    /// Makes what is derived from the tables, and sets the next ids after these.
    async fn derive(&mut self, last_ids: Vec<i64>) -> Result<(), StoreError>;

    /// Lets others use the room.
    async fn finish(&mut self) -> Result<(), StoreError>;
}

/// How to copy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TransferOptions {
    /// Continues what an earlier run began.
    pub(crate) resume: bool,
    /// Changes nothing, and only reads the source and looks at the target.
    pub(crate) dry_run: bool,
}

/// Gets the table that is worked on, the rows of it so far, and a table that is finished.
pub(crate) type TransferProgress<'a> = &'a mut dyn FnMut(&'static str, u64, Option<&CopiedTable>);

/// Copies everything from `source` to `target`, and compares both.
pub(super) async fn copy_all(
    source: &mut impl Source,
    target: &mut impl Target,
    options: TransferOptions,
    progress: TransferProgress<'_>,
) -> Result<Vec<CopiedTable>, StoreError> {
    let mut done = target.done().await?;
    if !done.is_empty() && !options.resume {
        return Err(StoreError::Conflict(
            "an earlier migration to there was cut off; --resume continues it".to_owned(),
        ));
    }
    if options.dry_run {
        return summarize_all(source, progress).await;
    }
    if done.is_empty() {
        target.clear().await?;
    } else if has_changed(source, &done).await? {
        // Rows that are there may not be the ones that are in the source now.
        target.clear().await?;
        done.clear();
    }
    let mut all = Vec::new();
    for table in TABLES {
        let was_done = done.contains_key(table.name);
        let summary = match done.remove(table.name) {
            Some(summary) => summary,
            None => copy_table(source, target, table, progress).await?,
        };
        let copied = CopiedTable {
            table: table.name,
            summary,
            was_done,
        };
        progress(table.name, copied.summary.rows, Some(&copied));
        all.push(copied);
    }
    target.derive(source.last_ids().await?).await?;
    for (table, copied) in TABLES.iter().zip(&all) {
        let found = summarize(target, table).await?;
        if found != copied.summary {
            return Err(StoreError::Conflict(format!(
                "{} differs: {} rows here with the hash {}, {} there with {}",
                table.name, copied.summary.rows, copied.summary.sha256, found.rows, found.sha256
            )));
        }
    }
    target.finish().await?;
    Ok(all)
}

/// What the tables of a room hold.
async fn summarize_all(
    source: &mut impl Source,
    progress: TransferProgress<'_>,
) -> Result<Vec<CopiedTable>, StoreError> {
    let mut all = Vec::new();
    for table in TABLES {
        let copied = CopiedTable {
            table: table.name,
            summary: summarize(source, table).await?,
            was_done: false,
        };
        progress(table.name, copied.summary.rows, Some(&copied));
        all.push(copied);
    }
    Ok(all)
}

async fn has_changed(
    source: &mut impl Source,
    done: &BTreeMap<String, Summary>,
) -> Result<bool, StoreError> {
    for table in TABLES {
        if let Some(summary) = done.get(table.name)
            && *summary != summarize(source, table).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn copy_table(
    source: &mut impl Source,
    target: &mut impl Target,
    table: &'static Table,
    progress: TransferProgress<'_>,
) -> Result<Summary, StoreError> {
    target.begin_table(table).await?;
    let mut hash = RowsHash::default();
    let mut after = None;
    loop {
        let rows = source.portion(table, after.as_deref()).await?;
        let is_last = rows.len() < limits::TRANSFER_PORTION_ROWS_MAX;
        rows.iter().for_each(|row| hash.add(row));
        after = rows.last().map(|row| row[..table.key].to_vec()).or(after);
        if !rows.is_empty() {
            target.write(table, rows).await?;
        }
        progress(table.name, hash.rows, None);
        if is_last {
            break;
        }
    }
    let summary = hash.end();
    target.end_table(table, &summary).await?;
    Ok(summary)
}

async fn summarize(source: &mut impl Source, table: &'static Table) -> Result<Summary, StoreError> {
    let mut hash = RowsHash::default();
    let mut after: Option<Row> = None;
    loop {
        let rows = source.portion(table, after.as_deref()).await?;
        rows.iter().for_each(|row| hash.add(row));
        match rows.last() {
            Some(last) if rows.len() == limits::TRANSFER_PORTION_ROWS_MAX => {
                after = Some(last[..table.key].to_vec());
            }
            _ => return Ok(hash.end()),
        }
    }
}

/// The hash of rows in their order, each value with its kind and its length.
#[derive(Default)]
struct RowsHash {
    rows: u64,
    hash: Sha256,
}

impl RowsHash {
    fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for value in row {
            match value {
                Value::Null => self.put(0, &[]),
                Value::Integer(number) => self.put(1, &number.to_le_bytes()),
                Value::Real(number) => self.put(2, &number.to_bits().to_le_bytes()),
                Value::Text(text) => self.put(3, text.as_bytes()),
                Value::Bytes(bytes) => self.put(4, bytes),
            }
        }
    }

    fn put(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }

    fn end(self) -> Summary {
        Summary {
            rows: self.rows,
            sha256: base16ct::lower::encode_string(&self.hash.finalize()),
        }
    }
}

/// The statement that reads a portion: `read` gives the expression of a column, `key` the
/// parameter with the nth value of the last key.
pub(in crate::store) fn portion_sql(
    table: &Table,
    has_last: bool,
    read: impl Fn(&str, Kind) -> String,
    key: impl Fn(usize, Kind) -> String,
) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|(name, kind)| read(name, *kind))
        .collect();
    let keys: Vec<String> = table.columns[..table.key]
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let (columns, keys) = (columns.join(", "), keys.join(", "));
    let condition = match has_last {
        false => String::new(),
        true => {
            let values = table.columns[..table.key].iter().enumerate();
            let values: Vec<String> = values.map(|(nth, (_, kind))| key(nth, *kind)).collect();
            format!("WHERE ({keys}) > ({}) ", values.join(", "))
        }
    };
    let limit = limits::TRANSFER_PORTION_ROWS_MAX;
    let name = table.name;
    format!("SELECT {columns} FROM \"{name}\" {condition}ORDER BY {keys} LIMIT {limit}")
}
