//! The router's parts on made-up cases, and its vectors against the model. How
//! often it is right stands in `tests/domain/ask`.

use super::*;
use crate::embed;

/// The prototypes' vectors are committed because making them at the first
/// question would take longer than the answer.
#[test]
fn the_vectors_of_the_prototypes_are_those_of_the_model() {
    let embedder = embed::builtin();
    assert_eq!(embedder.model_id(), MODEL);
    let routes: Routes = toml::from_str(ROUTES).expect("routes");
    let (rows, _) = VECTORS.as_chunks::<WIDTH>();
    let mut rows = rows.iter();
    let mut bytes = Vec::new();
    let mut strangers = Vec::new();
    for (_, question) in routes.prototypes.each() {
        let row = Row::of(&embedder.embed_query(&question).expect("a vector"));
        let kept = rows.next().map(|row| Row::new(row.map(u8::cast_signed)));
        if kept.is_none_or(|kept| kept.cosine(&row) < 0.999) {
            strangers.push(question);
        }
        bytes.extend(row.bytes.map(i8::cast_unsigned));
    }
    let anew = concat!(env!("CARGO_MANIFEST_DIR"), "/target/prototypes.bin");
    if !strangers.is_empty() || bytes.len() != VECTORS.len() {
        std::fs::write(anew, bytes).expect("written");
        let (count, first) = (strangers.len(), strangers.first());
        panic!(
            "copy {anew} to src/ask/prototypes.bin: {count} have other vectors, first {first:?}"
        );
    }
}

#[test]
fn without_a_vector_of_the_model_the_phrases_decide() {
    let router = Router::new().expect("routes");
    let asked = "Which services depend on the ledger?";
    let alone = router.route(asked, None);
    assert_eq!(alone.primary, Store::Semantic);
    assert_eq!(
        alone.reasoning,
        "asks how things relate: \u{201c}depend\u{2026}\u{201d}, \u{201c}which services\u{201d}"
    );
    let stranger = vec![1.0; 384];
    assert_eq!(
        alone,
        router.route(asked, Some(("another-model", &stranger)))
    );
    assert_eq!(alone, router.route(asked, Some((MODEL, &[1.0]))));
}

#[test]
fn where_nothing_tells_every_store_is_searched() {
    let router = Router::new().expect("routes");
    for asked in ["", "?!", "zzz"] {
        let decision = router.route(asked, None);
        assert_eq!(decision.secondary.len(), 3, "{asked:?}");
        assert_eq!(decision.confidence, 0.25, "{asked:?}");
    }
    assert!(!router.route("", None).requires_synthesis);
}

#[test]
fn lists_and_deeds_want_no_answer_in_words() {
    let router = Router::new().expect("routes");
    let wants = |asked| router.route(asked, None).requires_synthesis;
    assert!(wants("Who runs the warehouse?"));
    assert!(!wants("list the procedures"));
    assert!(!wants("Run the backup"));
    assert!(!wants("Run the backup, then start the mailer"));
    assert!(wants("Run the backup, and tell me why it failed"));
}

#[test]
fn a_clause_that_asks_another_store_has_it_searched_too() {
    let router = Router::new().expect("routes");
    let asked = router.route("who owns the oven and how do I clean it?", None);
    let stores = [asked.primary, asked.secondary[0]];
    assert!(stores.contains(&Store::Semantic), "{asked:?}");
    assert!(stores.contains(&Store::Procedural), "{asked:?}");
    assert!(
        asked.reasoning.contains("; a part of it asks how"),
        "{asked:?}"
    );
}
