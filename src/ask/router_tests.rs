//! The router's parts on made-up cases, and its vectors against the model. How
//! often it is right stands in `tests/ask`.

use super::*;
use crate::embed;

/// The prototypes' vectors are committed because making them at the first
/// question would take longer than the answer.
#[test]
fn the_vectors_of_the_prototypes_are_those_of_the_model() {
    let embedder = embed::builtin();
    assert_eq!(embedder.model_id(), MODEL);
    let routes: Routes = toml::from_str(ROUTES).expect("routes");
    let mut bytes = Vec::new();
    let mut rows = VECTORS.chunks_exact(WIDTH).map(unit);
    let mut strangers = Vec::new();
    for (_, question) in routes.prototypes.each() {
        let vector = embedder.embed_query(&question).expect("a vector");
        let row = rows.next().unwrap_or_default();
        let cosine: f32 = row.iter().zip(&vector).map(|(a, b)| a * b).sum();
        if cosine < 0.999 {
            strangers.push(question);
        }
        let greatest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        bytes.extend(
            vector
                .iter()
                .map(|x| (x / greatest * 127.0).round() as i8 as u8),
        );
    }
    let anew = concat!(env!("CARGO_MANIFEST_DIR"), "/target/prototypes.bin");
    if !strangers.is_empty() || bytes.len() != VECTORS.len() {
        std::fs::write(anew, bytes).expect("written");
        panic!("copy {anew} to src/ask/prototypes.bin; these have other vectors: {strangers:?}");
    }
}

#[test]
fn phrases_hold_to_words_beginnings_and_gaps() {
    let is_in = |phrase: &str, text: &str| {
        let words = text::words(text);
        Phrase::new(phrase.to_owned()).is_in(&words.split(' ').collect::<Vec<_>>())
    };
    for (phrase, text) in [
        ("how do i", "So how do I do it?"),
        ("^run", "Run it"),
        ("depend*", "its dependencies"),
        ("^*ing", "Baking bread"),
        ("what did .. say", "What did the old man say?"),
        ("what did .. say", "what did say"),
        ("what s", "What's up"),
    ] {
        assert!(is_in(phrase, text), "{phrase} {text}");
    }
    for (phrase, text) in [
        ("run", "running late"),
        ("^run", "I run"),
        ("how do i", "how do"),
        ("what did .. say", "what did the man in the yard say"),
        ("^*ing", "the baking"),
        ("run", ""),
    ] {
        assert!(!is_in(phrase, text), "{phrase} {text}");
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
}
