//! Statements that cannot all be right: they fill the same slot in different
//! words. Pure.

use std::collections::HashMap;

use super::Evidence;
use super::relevance::words;

/// Sets `contradicts` of current statements that fill the same slot and differ.
pub(super) fn mark_contradictions(evidence: &mut [Evidence]) {
    let mut slots: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, statement) in evidence.iter().enumerate() {
        let slot = statement.slot.as_deref();
        if let Some(slot) = slot.filter(|_| !statement.superseded) {
            slots.entry(slot).or_default().push(index);
        }
    }
    let slots: Vec<Vec<usize>> = slots.into_values().collect();
    for indices in slots {
        for index in &indices {
            let statement = words(&evidence[*index].text);
            let differs = |other: &&usize| words(&evidence[**other].text) != statement;
            let others = indices.iter().filter(differs);
            let others = others.map(|other| evidence[*other].citation.clone());
            evidence[*index].contradicts = others.collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::StoreKind;

    fn statement(citation: &str, slot: Option<&str>, text: &str) -> Evidence {
        Evidence {
            slot: slot.map(str::to_owned),
            ..Evidence::new(StoreKind::Episodic, citation.to_owned(), text.to_owned())
        }
    }

    #[test]
    fn only_current_statements_that_differ_contradict_each_other() {
        let mut evidence = [
            statement("memory:1", Some("rent"), "The rent is 900."),
            statement("memory:2", Some("rent"), "The rent is 950."),
            statement("memory:3", Some("rent"), "the rent is 950"),
            Evidence {
                superseded: true,
                ..statement("memory:4", Some("rent"), "The rent is 800.")
            },
            statement("memory:5", Some("else"), "The rent is 1."),
            statement("memory:6", None, "The rent is 2."),
        ];
        mark_contradictions(&mut evidence);
        let of = |index: usize| evidence[index].contradicts.clone();
        assert_eq!(of(0), ["memory:2", "memory:3"]);
        assert_eq!(of(1), ["memory:1"]);
        assert_eq!(of(2), ["memory:1"]);
        for index in 3..6 {
            assert_eq!(of(index), Vec::<String>::new());
        }
    }
}
