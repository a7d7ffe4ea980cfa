//! Which results cannot all be right: they fill the same place with something
//! else. Pure.

use std::collections::HashMap;

use super::Item;
use super::relevance::{is_telling, words};
use crate::text;

/// The least words of a statement beside what it tells that make it one about
/// the same thing.
const CLAIM_WORDS_MIN: usize = 3;

/// The place that a statement fills: its words without the numbers and
/// negations, which are what such a statement tells. Two that fill the same
/// place in other words are not recognised, on purpose: that takes a reader.
pub fn claim(text: &str) -> Option<String> {
    let words = text::words(text);
    let kept: Vec<&str> = words.split(' ').filter(|word| !is_telling(word)).collect();
    (kept.len() >= CLAIM_WORDS_MIN && text::query_words(&words).len() > 1).then(|| kept.join(" "))
}

/// Notes with each item which others say otherwise: those that stand, fill the
/// same place and differ.
pub fn dispute(items: &mut [Item]) {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        if let Some(slot) = item.slot.as_deref().filter(|_| !item.superseded) {
            places.entry(slot).or_default().push(at);
        }
    }
    let places: Vec<Vec<usize>> = places.into_values().collect();
    for place in places {
        for one in &place {
            let said = words(&items[*one].text);
            let differs = |other: &&usize| words(&items[**other].text) != said;
            let others = place.iter().filter(differs);
            items[*one].contradicts = others.map(|at| items[*at].citation.clone()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Store;

    fn item(citation: &str, slot: Option<&str>, text: &str) -> Item {
        Item {
            slot: slot.map(str::to_owned),
            ..Item::new(Store::Episodic, citation.to_owned(), text.to_owned())
        }
    }

    #[test]
    fn statements_that_differ_in_what_they_tell_fill_one_place() {
        let place = |text| claim(text);
        assert_eq!(
            place("The deposit is 2400 euros."),
            place("the deposit is 2600 euros")
        );
        assert_eq!(
            place("The deposit is 2400 euros."),
            place("The deposit is not 2400 euros.")
        );
        assert_ne!(
            place("The deposit is 2400 euros."),
            place("The rent is 2400 euros.")
        );
        assert_eq!(place("Version 3"), None);
        assert_eq!(place(""), None);
    }

    #[test]
    fn only_items_that_stand_and_differ_contradict_each_other() {
        let mut items = [
            item("memory:1", Some("rent"), "The rent is 900."),
            item("memory:2", Some("rent"), "The rent is 950."),
            item("memory:3", Some("rent"), "the rent is 950"),
            Item {
                superseded: true,
                ..item("memory:4", Some("rent"), "The rent is 800.")
            },
            item("memory:5", Some("else"), "The rent is 1."),
            item("memory:6", None, "The rent is 2."),
        ];
        dispute(&mut items);
        let of = |at: usize| items[at].contradicts.clone();
        assert_eq!(of(0), ["memory:2", "memory:3"]);
        assert_eq!(of(1), ["memory:1"]);
        assert_eq!(of(2), ["memory:1"]);
        for stands in 3..6 {
            assert_eq!(of(stands), Vec::<String>::new());
        }
    }
}
