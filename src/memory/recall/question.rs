//! What a question tells besides its words: about which time, whom, and which member of
//! a series. Pure.

use std::collections::BTreeSet;

use crate::store::memory::Candidate;
use crate::text;
use crate::text::dates::{self, Named};
use crate::text::features::numbered;

#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// Its words, as `text::words` makes them, with a space at each end.
    words: String,
    /// Whether the answer is a time.
    pub(super) asks_when: bool,
    date: Option<Named>,
    /// Its words with numbers: room 2.
    numbered: Vec<(String, String)>,
}

impl Question {
    pub(crate) fn of(query: &str) -> Question {
        let words = format!(" {} ", text::words(query));
        let asks = |phrase: &&str| words.contains(*phrase);
        Question {
            asks_when: ASKING_WHEN.iter().any(asks),
            date: dates::named(query),
            numbered: numbered(&query.to_lowercase()),
            words,
        }
    }

    /// The speakers of the pool that the question names.
    pub(super) fn speakers<'a>(&self, pool: &'a [Candidate]) -> BTreeSet<&'a str> {
        let labelled = pool.iter().filter(|candidate| candidate.is_labelled);
        let labels: BTreeSet<&str> = labelled
            .filter_map(|candidate| candidate.features.label.as_deref())
            .collect();
        let names = |label: &&str| self.words.contains(&format!(" {} ", text::words(label)));
        labels.into_iter().filter(names).collect()
    }

    /// Whether it names another member of a series: the same word with another number.
    pub(super) fn names_another(&self, candidate: &Candidate) -> bool {
        let has = &candidate.features.numbered;
        self.numbered.iter().any(|(word, number)| {
            let mut same = has.iter().filter(|(other, _)| other == word).peekable();
            same.peek().is_some() && same.all(|(_, other)| other != number)
        })
    }

    /// Whether it names a date and the memory's own is neither that date nor soon
    /// after.
    pub(super) fn is_of_another_day(&self, candidate: &Candidate) -> bool {
        match (&self.date, candidate.features.day) {
            (Some(date), Some(day)) => !date.covers(day, DAYS_AFTER),
            _ => false,
        }
    }
}

/// People speak of a day up to a week after it.
const DAYS_AFTER: i32 = 7;

/// In the form of `text::words`.
const ASKING_WHEN: &[&str] = &[
    " when ",
    " what date ",
    " what day ",
    " what year ",
    " what month ",
    " which year ",
    " which month ",
    " which day ",
    " how long ",
    " how many days ",
    " how many weeks ",
    " how many months ",
];
