//! Series: statements of one form that differ in their numbers, such as the reports of
//! one sprint after another. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::Evidence;
use crate::limits;
use crate::text::features::numbered;
use crate::text::{self, beginning};

/// With fewer statements of one form, each may be wanted.
const SERIES_MIN: usize = 4;

/// The members of a series that a question names, such as room 12 or sprint 7.
pub(super) struct Named(Vec<(String, String)>);

impl Named {
    pub(crate) fn by(question: &str) -> Named {
        Named(numbered(&question.to_lowercase()))
    }

    /// Whether `text` is about one of them.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let text = beginning(text, limits::ANSWER_SOURCE_BYTES_MAX);
        let has = numbered(&text.to_lowercase());
        self.0.iter().any(|named| has.contains(named))
    }
}

/// From each long series in the evidence, in its order: those with the question's
/// numbers, or else the newest.
pub(super) fn without_older<'e>(
    question: &str,
    evidence: impl Iterator<Item = (usize, &'e Evidence)> + Clone,
) -> Vec<usize> {
    let asked = numbers(&text::words(question));
    let mut series: HashMap<String, Vec<(usize, &Evidence)>> = HashMap::new();
    for (index, statement) in evidence.clone() {
        if let Some(form) = form(&statement.text) {
            series.entry(form).or_default().push((index, statement));
        }
    }
    let mut left_out: BTreeSet<usize> = BTreeSet::new();
    for members in series.into_values().filter(|all| all.len() >= SERIES_MIN) {
        let fits = |(_, member): &&(usize, &Evidence)| {
            !asked.is_empty() && asked.is_subset(&numbers(&text::words(&member.text)))
        };
        let mut kept: BTreeSet<usize> = members.iter().filter(fits).map(|each| each.0).collect();
        if kept.is_empty() {
            let newest = members.iter().max_by_key(|(_, member)| age(member));
            kept.extend(newest.map(|(index, _)| index));
        }
        let older = members.iter().map(|(index, _)| *index);
        left_out.extend(older.filter(|index| !kept.contains(index)));
    }
    let all = evidence.map(|(index, _)| index);
    all.filter(|index| !left_out.contains(index)).collect()
}

/// Sorts current statements before superseded ones, older before newer; of the same
/// moment, the greater number was stored later.
fn age(evidence: &Evidence) -> (Reverse<bool>, Option<crate::clock::Timestamp>, i64) {
    let number = evidence.citation.rsplit(':').next();
    let number = number.and_then(|number| number.parse().ok()).unwrap_or(0);
    (Reverse(evidence.superseded), evidence.at, number)
}

/// The words of a text with every number replaced; `None` if it has none.
fn form(text: &str) -> Option<String> {
    let words = text::words(beginning(text, limits::ANSWER_SOURCE_BYTES_MAX));
    let mut has_number = false;
    let form: Vec<&str> = words
        .split(' ')
        .map(|word| match is_number(word) {
            true => {
                has_number = true;
                "#"
            }
            false => word,
        })
        .collect();
    has_number.then(|| form.join(" "))
}

fn numbers(words: &str) -> BTreeSet<String> {
    let numbers = words.split(' ').filter(|word| is_number(word));
    numbers.map(str::to_owned).collect()
}

fn is_number(word: &str) -> bool {
    word.contains(char::is_numeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::StoreKind;
    use crate::clock::Timestamp;

    fn sprints() -> Vec<Evidence> {
        (1..=6)
            .map(|nth| Evidence {
                at: Some(Timestamp(nth)),
                ..Evidence::new(
                    StoreKind::Episodic,
                    format!("memory:{nth}"),
                    format!("Sprint {nth} closed {} tickets", 10 * nth),
                )
            })
            .collect()
    }

    fn kept(question: &str, evidence: &[Evidence]) -> Vec<usize> {
        without_older(question, evidence.iter().enumerate())
    }

    #[test]
    fn of_a_series_the_number_asked_for_stays_or_the_newest() {
        let all = sprints();
        assert_eq!(kept("How many tickets did sprint 3 close?", &all), [2]);
        assert_eq!(kept("How many tickets did the sprint close?", &all), [5]);
        // No member has that number.
        assert_eq!(kept("How many tickets did sprint 9 close?", &all), [5]);
    }

    #[test]
    fn few_statements_and_other_forms_stay() {
        let mut few = sprints();
        few.truncate(3);
        assert_eq!(kept("How many tickets?", &few), [0, 1, 2]);
        let other = Evidence::new(StoreKind::Episodic, "memory:9".to_owned(), "No.".to_owned());
        let mut all = sprints();
        all.insert(0, other);
        assert_eq!(kept("How many tickets?", &all), [0, 6]);
    }

    #[test]
    fn things_are_named_by_word_and_number() {
        let named = Named::by("What is in room 12?");
        assert!(named.is_in("Room 12 has a projector."));
        assert!(!named.is_in("Room 2 seats 12 people."));
        assert!(!Named::by("What is in the room?").is_in("Room 2"));
    }
}
