//! The parts of the router, and its vectors against the model. Its accuracy is
//! tested in `tests/domain/ask`.

use super::*;
use crate::embed;

/// The vectors are committed because making them at the first question would take
/// longer than the answer.
#[test]
fn vectors_of_the_prototypes_are_those_of_the_model() {
    let embedder = embed::builtin();
    assert_eq!(embedder.model_id(), MODEL);
    let routes: Routes = toml::from_str(ROUTES).expect("routes");
    let (rows, _) = VECTORS.as_chunks::<WIDTH>();
    let mut rows = rows.iter();
    let mut bytes = Vec::new();
    let mut differing = Vec::new();
    for (_, question) in routes.prototypes.each() {
        let row = Direction::of(&embedder.embed_query(&question).expect("a vector"));
        let kept = rows
            .next()
            .map(|row| Direction::new(row.map(u8::cast_signed)));
        if kept.is_none_or(|kept| kept.cosine(&row) < 0.999) {
            differing.push(question);
        }
        bytes.extend(row.bytes.map(i8::cast_unsigned));
    }
    let anew = concat!(env!("CARGO_MANIFEST_DIR"), "/target/prototypes.bin");
    if !differing.is_empty() || bytes.len() != VECTORS.len() {
        std::fs::write(anew, bytes).expect("written");
        let (count, first) = (differing.len(), differing.first());
        panic!(
            "copy {anew} to src/ask/prototypes.bin: {count} have other vectors, first {first:?}"
        );
    }
}

#[test]
fn words_decide_without_a_vector_of_the_model() {
    let router = Router::new().expect("routes");
    let asked = "Which services depend on the ledger?";
    let alone = router.route(asked, None);
    assert_eq!(alone.primary, StoreKind::Semantic);
    assert_eq!(
        alone.reasoning,
        "asks how things relate: \u{201c}depend\u{2026}\u{201d}, \u{201c}which services\u{201d}"
    );
    let foreign = vec![1.0; 384];
    assert_eq!(
        alone,
        router.route(asked, Some(("another-model", &foreign)))
    );
    assert_eq!(alone, router.route(asked, Some((MODEL, &[1.0]))));
}

#[test]
fn every_store_is_searched_if_nothing_is_indicative() {
    let router = Router::new().expect("routes");
    for asked in ["", "?!", "zzz"] {
        let decision = router.route(asked, None);
        assert_eq!(decision.secondary.len(), 3, "{asked:?}");
        assert_eq!(decision.confidence, 0.25, "{asked:?}");
    }
    assert!(!router.route("", None).requires_synthesis);
}

#[test]
fn requests_for_lists_and_actions_need_no_synthesis() {
    let router = Router::new().expect("routes");
    let wants = |asked| router.route(asked, None).requires_synthesis;
    assert!(wants("Who runs the warehouse?"));
    assert!(!wants("list the procedures"));
    assert!(!wants("Run the backup"));
    assert!(!wants("Run the backup, then start the mailer"));
    assert!(wants("Run the backup, and tell me why it failed"));
}

#[test]
fn store_that_a_clause_asks_for_is_searched_too() {
    let router = Router::new().expect("routes");
    let asked = router.route("who owns the oven and how do I clean it?", None);
    let stores = [asked.primary, asked.secondary[0]];
    assert!(stores.contains(&StoreKind::Semantic), "{asked:?}");
    assert!(stores.contains(&StoreKind::Procedural), "{asked:?}");
    assert!(
        asked.reasoning.contains("; a part of it asks how"),
        "{asked:?}"
    );
}
