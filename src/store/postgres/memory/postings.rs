//! The rows of the keyword index, and its rebuild.

use std::collections::BTreeMap;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use crate::limits;
use crate::store::StoreError;
use crate::store::memory::MemoryId;
use crate::text;

/// How often a text has each stem, and how many words it has.
pub(super) fn stems(words: &str) -> (BTreeMap<String, i32>, i32) {
    let mut stems = BTreeMap::new();
    let mut length = 0;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        *stems.entry(text::stem(word)).or_default() += 1;
        length += 1;
    }
    (stems, length)
}

pub(super) const ADD: &str = "INSERT INTO posting (memory, project, length, count, word) \
    SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[])";

/// The rows of some texts in the index.
pub(super) struct Postings {
    rows: Vec<(MemoryId, i32, i32, i32, String)>,
    pub(super) sizes: Sizes,
}

impl Postings {
    /// Of memories with the numbers of their projects and their words.
    pub(super) fn of<'a>(texts: impl Iterator<Item = (MemoryId, i32, &'a str)>) -> Postings {
        let (mut rows, mut sizes) = (Vec::new(), Sizes::default());
        for (id, project, words) in texts {
            let (stems, length) = stems(words);
            sizes.count(project, 1, length);
            let each = stems.into_iter();
            rows.extend(each.map(|(word, count)| (id, project, length, count, word)));
        }
        Postings { rows, sizes }
    }

    pub(super) fn portions(&self) -> impl Iterator<Item = Columns<'_>> {
        let portions = self.rows.chunks(limits::POSTINGS_WRITTEN_AT_ONCE_MAX);
        portions.map(|rows| Columns {
            ids: rows.iter().map(|row| row.0).collect(),
            projects: rows.iter().map(|row| row.1).collect(),
            lengths: rows.iter().map(|row| row.2).collect(),
            counts: rows.iter().map(|row| row.3).collect(),
            words: rows.iter().map(|row| row.4.as_str()).collect(),
        })
    }
}

pub(super) struct Columns<'a> {
    ids: Vec<MemoryId>,
    projects: Vec<i32>,
    lengths: Vec<i32>,
    counts: Vec<i32>,
    words: Vec<&'a str>,
}

impl Columns<'_> {
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 5] {
        let Columns {
            ids,
            projects,
            lengths,
            counts,
            words,
        } = self;
        [ids, projects, lengths, counts, words]
    }
}

/// Rebuilds the index in a migration, which other Mimos may be reading meanwhile; their
/// writes wait.
pub(in crate::store::postgres) async fn rebuild(
    transaction: &Transaction<'_>,
) -> Result<(), StoreError> {
    let sql = "LOCK TABLE memory IN SHARE ROW EXCLUSIVE MODE; DELETE FROM posting; \
               UPDATE project SET documents = 0, words = 0";
    transaction.batch_execute(sql).await?;
    let sql = "SELECT m.id, p.id, m.content FROM memory m JOIN project p ON p.name = m.project \
               WHERE m.id > $1 ORDER BY m.id LIMIT $2";
    let portion = limits::TRANSFER_PORTION_ROWS_MAX as i64;
    let mut last = MemoryId::MIN;
    loop {
        let rows = transaction.query(sql, &[&last, &portion]).await?;
        let Some(end) = rows.last() else {
            return Ok(());
        };
        last = end.get(0);
        let words: Vec<String> = rows
            .iter()
            .map(|row| text::index_words(row.get(2)))
            .collect();
        let texts = rows.iter().zip(&words);
        let postings =
            Postings::of(texts.map(|(row, words)| (row.get(0), row.get(1), words.as_str())));
        for columns in postings.portions() {
            transaction.execute(ADD, &columns.params()).await?;
        }
        let (projects, documents, words) = postings.sizes.columns();
        transaction
            .execute(COUNT, &[&projects, &documents, &words])
            .await?;
    }
}

pub(super) const COUNT: &str = "UPDATE project p SET documents = p.documents + c.documents, \
    words = p.words + c.words \
    FROM unnest($1::int[], $2::bigint[], $3::bigint[]) c (id, documents, words) \
    WHERE p.id = c.id";

/// The changes of the sizes of projects.
#[derive(Default)]
pub(super) struct Sizes(BTreeMap<i32, (i64, i64)>);

impl Sizes {
    pub(super) fn count(&mut self, project: i32, documents: i64, words: i32) {
        let size = self.0.entry(project).or_default();
        size.0 += documents;
        size.1 += i64::from(words);
    }

    pub(super) fn columns(&self) -> (Vec<i32>, Vec<i64>, Vec<i64>) {
        let projects = self.0.keys().copied().collect();
        let (documents, words) = self.0.values().copied().unzip();
        (projects, documents, words)
    }
}
