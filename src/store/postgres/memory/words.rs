//! The keyword index: a row for each stem that a memory has.

use std::collections::{BTreeSet, HashMap};

use futures::try_join;

use super::postings::{ADD, COUNT, Postings, Sizes, stems};
use crate::limits;
use crate::store::StoreError;
use crate::store::memory::MemoryId;
use crate::store::postgres::transaction::Tx;

/// A memory whose words are added or removed.
pub(in crate::store::postgres) struct Indexed<'a> {
    pub(crate) id: MemoryId,
    pub(crate) project: &'a str,
    /// As `text::index_words` makes them.
    pub(crate) words: &'a str,
}

/// Numbers of projects by name; those that have none get one.
pub(in crate::store::postgres) async fn project_ids<'a>(
    tx: &Tx,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, i32>, StoreError> {
    let names: BTreeSet<&str> = names.collect();
    let names: Vec<&str> = names.into_iter().collect();
    let sql = "SELECT name, id FROM project WHERE name = ANY ($1)";
    let rows = tx.query(sql, &[&names]).await?;
    let mut ids: HashMap<String, i32> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    // An insert that conflicts would use up a number each time.
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !ids.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        let sql = "INSERT INTO project (name) SELECT unnest($1::text[]) RETURNING name, id";
        let rows = tx.query(sql, &[&missing]).await?;
        ids.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
    }
    Ok(ids)
}

/// Adds the words of new texts.
pub(in crate::store::postgres) async fn add(
    tx: &Tx,
    memories: &[Indexed<'_>],
    projects: &HashMap<String, i32>,
) -> Result<(), StoreError> {
    let each = memories.iter();
    let texts = each.map(|memory| (memory.id, projects[memory.project], memory.words));
    let postings = Postings::of(texts);
    let words = async {
        for columns in postings.portions() {
            tx.execute(ADD, &columns.params()).await?;
        }
        Ok(())
    };
    try_join!(words, store_sizes(tx, &postings.sizes))?;
    Ok(())
}

/// Removes the words of texts that are about to change or be removed. Which rows they
/// have follows from the texts, so no index by memory is kept.
pub(super) async fn remove(tx: &Tx, memories: &[Indexed<'_>]) -> Result<(), StoreError> {
    let projects = project_ids(tx, memories.iter().map(|memory| memory.project)).await?;
    let mut rows = Vec::new();
    let mut sizes = Sizes::default();
    for memory in memories {
        let project = projects[memory.project];
        let (stems, length) = stems(memory.words);
        sizes.count(project, -1, -length);
        rows.extend(stems.into_keys().map(|word| (memory.id, project, word)));
    }
    let sql = "DELETE FROM posting o \
               USING unnest($1::bigint[], $2::int[], $3::text[]) gone (memory, project, word) \
               WHERE o.project = gone.project AND o.word = gone.word AND o.memory = gone.memory";
    for rows in rows.chunks(limits::POSTINGS_WRITTEN_AT_ONCE_MAX) {
        let ids: Vec<MemoryId> = rows.iter().map(|row| row.0).collect();
        let projects: Vec<i32> = rows.iter().map(|row| row.1).collect();
        let words: Vec<&str> = rows.iter().map(|row| row.2.as_str()).collect();
        tx.execute(sql, &[&ids, &projects, &words]).await?;
    }
    store_sizes(tx, &sizes).await
}

async fn store_sizes(tx: &Tx, sizes: &Sizes) -> Result<(), StoreError> {
    let (projects, documents, words) = sizes.columns();
    tx.execute(COUNT, &[&projects, &documents, &words]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rusqlite::Connection;

    use crate::text;

    /// Pseudorandom numbers, the same each time.
    struct Xorshift(u64);

    impl Xorshift {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
            &from[self.below(from.len())]
        }
    }

    /// Words with every end that the stemmer knows, and words of every script.
    fn words() -> Vec<String> {
        const ENDS: &[&str] = &[
            "", "s", "es", "sses", "ies", "ss", "eed", "ed", "ing", "y", "ational", "tional",
            "enci", "anci", "izer", "logi", "bli", "alli", "entli", "eli", "ousli", "ization",
            "ation", "ator", "alism", "iveness", "fulness", "ousness", "aliti", "iviti", "biliti",
            "icate", "ative", "alize", "iciti", "ical", "ful", "ness", "al", "ance", "ence", "er",
            "ic", "able", "ible", "ant", "ement", "ment", "ent", "sion", "tion", "ion", "ou",
            "ism", "ate", "iti", "ous", "ive", "ize", "e", "ll", "bl", "at", "iz", "tt",
        ];
        let mut chance = Xorshift(0x5eed);
        let letters: Vec<char> = "aeiouybcdlmnrstvwxz".chars().collect();
        let all: Vec<char> = ('\u{a1}'..='\u{2ffff}')
            .filter(|c| c.is_alphanumeric())
            .collect();
        let latin: Vec<char> = ('a'..='\u{24f}').chain('\u{1e00}'..='\u{1eff}').collect();
        let mut texts = Vec::new();
        for nth in 0..100_000 {
            let from = match nth % 4 {
                0 | 1 => &letters,
                2 => &latin,
                _ => &all,
            };
            let length = 1 + chance.below(7);
            let mut word: String = (0..length).map(|_| *chance.pick(from)).collect();
            word.push_str(chance.pick::<&str>(ENDS));
            word.push_str(if chance.below(4) == 0 {
                chance.pick::<&str>(ENDS)
            } else {
                ""
            });
            texts.push(text::words(&word));
        }
        let words = texts.iter().flat_map(|text| text.split(' '));
        words
            .map(str::to_owned)
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// The tokens of FTS5 for these words, if it makes one of each.
    fn by_fts5(words: &[String]) -> BTreeMap<usize, String> {
        let file = Connection::open_in_memory().expect("a database");
        file.execute_batch(
            "CREATE VIRTUAL TABLE w USING fts5 (word, tokenize = \
             'porter unicode61 remove_diacritics 2'); \
             CREATE VIRTUAL TABLE v USING fts5vocab (w, 'instance'); BEGIN",
        )
        .expect("tables");
        let mut insert = file
            .prepare("INSERT INTO w (rowid, word) VALUES (?, ?)")
            .expect("SQL");
        for (nth, word) in words.iter().enumerate() {
            insert.execute((nth as i64, word)).expect("inserted");
        }
        let mut read = file
            .prepare("SELECT doc, CAST(term AS BLOB) FROM v")
            .expect("SQL");
        let mut rows = read.query([]).expect("rows");
        let mut stems: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        while let Some(row) = rows.next().expect("a row") {
            let nth: i64 = row.get(0).expect("a number");
            // A doubled byte at the end is removed even inside a character.
            let term: Vec<u8> = row.get(1).expect("a term");
            let term = String::from_utf8_lossy(&term).into_owned();
            stems.entry(nth as usize).or_default().push(term);
        }
        let single = |(nth, mut all): (usize, Vec<String>)| {
            let first = all.pop()?;
            all.is_empty().then_some((nth, first))
        };
        stems.into_iter().filter_map(single).collect()
    }

    /// The characters at which FTS5 splits a word.
    fn splitting(words: &[String]) -> BTreeSet<char> {
        let all: BTreeSet<char> = words.iter().flat_map(|word| word.chars()).collect();
        let inside: Vec<String> = all.iter().map(|c| format!("x{c}x")).collect();
        let whole = by_fts5(&inside);
        let each = all.into_iter().enumerate();
        each.filter(|(nth, _)| !whole.contains_key(nth))
            .map(|(_, c)| c)
            .collect()
    }

    #[test]
    fn stems_are_those_of_fts5() {
        let words = words();
        let splitting = splitting(&words);
        // FTS5's table has this letter's capital only.
        let is_known = |c: char| !splitting.contains(&c) && c != 'ǡ';
        let expected = by_fts5(&words);
        let known = expected
            .iter()
            .filter(|(nth, _)| words[**nth].chars().all(is_known));
        let mut compared = 0;
        let mut differing = Vec::new();
        for (nth, expected) in known {
            let (word, stem) = (&words[*nth], text::stem(&words[*nth]));
            compared += 1;
            if stem != *expected {
                differing.push(format!("{word}: {stem}, not {expected}"));
            }
        }
        assert!(compared > 90_000, "{compared} of {}", words.len());
        differing.truncate(40);
        assert!(differing.is_empty(), "{differing:#?}");
    }
}
