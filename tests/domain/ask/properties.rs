//! Properties of every answer, for any sources, question and budget.

use std::collections::BTreeSet;

use mimo::ask::{
    Candidate, Evidence, Extent, FollowUp, StoreKind, Turn, extract, follow_up, select,
};
use mimo::clock::Timestamp;
use mimo::limits::TOKEN_BYTES;
use proptest::prelude::*;

use crate::support::random::property;

/// Texts from a small vocabulary, so that questions match sources, with
/// characters that could break quoting or byte counts.
fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "launch",
        "boiler",
        "May",
        "not",
        "7",
        "Berg",
        "\"",
        "\n",
        ". ",
        "! ",
        "\u{202e}",
        "\u{0}",
        "終わり。",
        "caf\u{e9}",
        "\u{1f600}",
        "[memory:9]",
        "Dr.",
        "\u{2026}",
        "\u{201d}",
    ]);
    let word = word.prop_map(str::to_owned);
    let any = prop_oneof![9 => word, 1 => any::<String>()];
    prop::collection::vec(any, 0..40).prop_map(|words| words.join(" "))
}

fn items() -> impl Strategy<Value = Vec<Evidence>> {
    let flags = (
        any::<bool>(),
        0..4usize,
        prop::option::of(any::<i64>()),
        any::<f32>(),
    );
    let one = (
        text(),
        flags,
        prop::option::of(any::<f32>()),
        prop::collection::vec(0..9usize, 0..3),
    );
    let one = one.prop_map(
        |(text, (superseded, store, at, confidence), similarity, against)| Evidence {
            store: StoreKind::ALL[store],
            citation: String::new(),
            text,
            similarity,
            leads: false,
            at: at.map(Timestamp),
            confidence,
            superseded,
            slot: None,
            contradicts: against.into_iter().map(cite).collect(),
        },
    );
    prop::collection::vec(one, 0..9).prop_map(|mut items| {
        for (nth, item) in items.iter_mut().enumerate() {
            item.citation = cite(nth);
        }
        items
    })
}

fn cite(nth: usize) -> String {
    format!("memory:{nth}")
}

/// The quotations of an answer, between their double quotes.
fn quotations(text: &str) -> Vec<&str> {
    text.lines()
        .skip(1)
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .collect()
}

/// A source in its quoted form, ignoring white space, where sentences end.
fn spaceless(text: &str) -> String {
    let quoted = text.replace(['"', '\u{201c}', '\u{201d}'], "'");
    quoted
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect()
}

/// Whether `part` is a subsequence of `whole` that omits only invisible
/// characters.
fn stands_in(part: &str, whole: &str) -> bool {
    let seen = |text: &str| -> String {
        let unseen = |c: char| {
            matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{FEFF}' | '\u{200B}' | '\u{200E}'
                | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
                | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
        };
        spaceless(text).chars().filter(|c| !unseen(*c)).collect()
    };
    seen(whole).contains(&seen(part))
}

proptest! {
    #![proptest_config(property(256))]

    #[test]
    fn answers_stay_within_budget_and_sources(
        asked in text(),
        items in items(),
        now in any::<i64>(),
        tokens in 0..300usize,
        only_best in any::<bool>(),
    ) {
        let answer = || {
            let extent = Extent { tokens, only_best };
            extract(&asked, &items, &StoreKind::ALL, Timestamp(now), extent)
        };
        let found = answer();
        prop_assert!(found.text.len() <= tokens * TOKEN_BYTES);
        let known: BTreeSet<_> = items.iter().map(|item| &item.citation).collect();
        prop_assert!(found.citations.iter().all(|citation| known.contains(citation)));
        let once: BTreeSet<_> = found.citations.iter().collect();
        prop_assert_eq!(once.len(), found.citations.len());
        if !found.citations.is_empty() {
            prop_assert_eq!(found.text.lines().count(), 1 + found.citations.len());
            for (line, citation) in found.text.lines().skip(1).zip(&found.citations) {
                let source = items.iter().find(|item| item.citation == *citation).expect("known");
                let head = format!("[{citation}");
                prop_assert!(line.rsplit('"').next().is_some_and(|end| end.contains(&head)));
                for quotation in quotations(&format!("\n{line}")) {
                    prop_assert!(stands_in(quotation, &source.text), "{quotation:?} {:?}", source.text);
                }
            }
        }
        prop_assert_eq!(answer(), found);
    }

    #[test]
    fn selection_fits_and_has_no_duplicates(
        asked in text(),
        items in items(),
        sizes in prop::collection::vec(0..500usize, 9),
        tokens in 0..300usize,
    ) {
        let found: Vec<Candidate> = items
            .into_iter()
            .zip(sizes)
            .enumerate()
            .map(|(rank, (item, bytes))| Candidate { evidence: item, rank, bytes })
            .collect();
        let selection = select(&asked, None, &found, tokens);
        let bytes: usize = selection.indices.iter().map(|place| found[*place].bytes).sum();
        prop_assert!(bytes <= tokens * TOKEN_BYTES);
        let once: BTreeSet<_> = selection.indices.iter().collect();
        prop_assert_eq!(once.len(), selection.indices.len());
        prop_assert_eq!(select(&asked, None, &found, tokens), selection);
    }

    #[test]
    fn follow_up_names_only_mentioned_entities(asked in text(), before in text(), names in prop::collection::vec(text(), 0..3)) {
        let turn = Turn { query: before, entities: names.clone(), citations: Vec::new() };
        if let FollowUp::Continues { entities, .. } = follow_up(&[turn], &asked) {
            prop_assert!(entities.iter().all(|entity| names.contains(entity)));
        }
    }
}
