//! The built-in encoder against its reference: tokens, vectors, windows and memory.
//! `fixtures.py` made the expected values; `kernels.rs` tests the kernels.

mod kernels;

use mimo::embed::minilm::MiniLm;
use mimo::embed::{Embedder, builtin};
use mimo::vector::{self, Level};

fn lines<T: serde::de::DeserializeOwned>(fixture: &str) -> Vec<T> {
    fixture
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn tokens_match_the_reference() {
    let model = MiniLm::default();
    let mut wrong = Vec::new();
    let cases: Vec<(String, Vec<u32>)> = lines(include_str!("tokens.jsonl"));
    assert!(cases.len() > 5000);
    for (text, expected) in cases {
        let found = model.token_ids(&text);
        if found != expected {
            wrong.push(format!(
                "{text:?}\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} texts differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn every_code_point_matches_the_reference() {
    let model = MiniLm::default();
    let mut wrong = Vec::new();
    for (block, expected) in include_str!("codepoints.txt").lines().enumerate() {
        let mut state = 0x811C_9DC5_u32;
        let mut add = |text: &str| {
            let ids = model.token_ids(text).into_iter().chain([0xFFFF]);
            let ids = ids.map(|id| u16::try_from(id).expect("16 bits"));
            for byte in ids.flat_map(u16::to_le_bytes) {
                state = (state ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            }
        };
        for char in (0..256).filter_map(|at| char::from_u32(block as u32 * 256 + at)) {
            add(&char.to_string());
            add(&format!("a{char}b"));
        }
        if format!("{state:08x}") != expected {
            wrong.push(format!("U+{:04X}..", block * 256));
        }
    }
    assert!(wrong.is_empty(), "these blocks differ: {}", wrong.join(" "));
}

/// Numbers from base64 of little-endian f16.
fn halves(coded: &str) -> Vec<f32> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = coded
        .bytes()
        .map(|byte| DIGITS.iter().position(|digit| *digit == byte).unwrap() as u32);
    let digits: Vec<u32> = digits.collect();
    let groups = digits
        .chunks(4)
        .map(|group| group.iter().fold(0, |sum, digit| sum << 6 | digit));
    let bytes: Vec<u8> = groups
        .flat_map(|group| group.to_be_bytes().into_iter().skip(1))
        .collect();
    let half = |bytes: &[u8; 2]| {
        let bits = u16::from_le_bytes(*bytes);
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
        let size = if exponent == 0 {
            fraction * 2f32.powi(-24)
        } else {
            (1024.0 + fraction) * 2f32.powi(exponent - 25)
        };
        if bits >> 15 == 1 { -size } else { size }
    };
    bytes.as_chunks().0.iter().map(half).collect()
}

#[test]
fn vectors_are_close_to_the_f32_model_at_every_level() {
    let cases: Vec<(String, String)> = lines(include_str!("vectors.jsonl"));
    let cases: Vec<(String, Vec<f32>)> = cases
        .into_iter()
        .map(|(text, coded)| (text, halves(&coded)))
        .collect();
    assert!(cases.len() > 200);
    for level in Level::available() {
        let model = MiniLm::at(level);
        // All texts at the level that runs here. The kernels' tests prove the
        // slower levels equal, so they get only some of the texts.
        let (step, longest) = match level.name() {
            "scalar" => (20, 200),
            name if name == Level::best().name() => (1, usize::MAX),
            _ => (5, usize::MAX),
        };
        let some = cases
            .iter()
            .filter(|(text, _)| text.len() <= longest)
            .step_by(step);
        let cosines = some.map(|(text, expected)| {
            let found = model.embed_query(text).unwrap();
            (vector::cosine(&found, expected), text)
        });
        let cosines: Vec<(f32, &String)> = cosines.collect();
        let mean = cosines.iter().map(|(cosine, _)| cosine).sum::<f32>() / cosines.len() as f32;
        let (worst, text) = cosines.iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        assert!(mean >= 0.999, "{}: mean cosine {mean}", level.name());
        assert!(
            *worst >= 0.995,
            "{}: worst cosine {worst} of {text:?}",
            level.name()
        );
    }
}

#[test]
fn a_text_within_the_window_has_one_unit_vector_for_document_and_query() {
    let model = builtin();
    assert_eq!(model.model_id(), "all-MiniLM-L6-v2/int8");
    assert_eq!(model.embed_query("").expect("a vector").len(), 384);
    for text in [
        "",
        " \t\n\u{3000}",
        "\u{200b}",
        "one",
        "The cat sat on the mat.",
    ] {
        let document = model.embed_document(text).unwrap();
        assert_eq!(document, [model.embed_query(text).unwrap()], "{text:?}");
        assert_eq!(document[0].len(), 384);
        assert!(
            (vector::dot(&document[0], &document[0]) - 1.0).abs() < 1e-5,
            "{text:?}"
        );
    }
}

#[test]
fn similar_meanings_are_close() {
    let model = builtin();
    let embed = |text: &str| model.embed_query(text).unwrap();
    let happy = embed("That is a happy person");
    let near = vector::dot(&happy, &embed("That is a very happy person"));
    let far = vector::dot(&happy, &embed("Today is a sunny day"));
    // The model's own card gives .943 and .257.
    assert!(
        (near - 0.943).abs() < 0.01 && (far - 0.257).abs() < 0.03,
        "{near} {far}"
    );
}

#[test]
fn windows_cover_a_long_text_to_its_end() {
    let model = builtin();
    let filler = "Rain fell on the tin roof all night and nobody slept. ".repeat(60);
    let text =
        format!("{filler}The wine cellar's code is 4711. {filler}The parrot is called Otto.");
    let windows = model.embed_document(&text).unwrap();
    // 120 sentences of 12 tokens, by windows of 254 that share 32.
    assert!((6..=9).contains(&windows.len()), "{}", windows.len());
    let best = |query: &str| {
        let query = model.embed_query(query).unwrap();
        let scores: Vec<f32> = windows
            .iter()
            .map(|window| vector::dot(&query, window))
            .collect();
        (0..scores.len())
            .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
            .unwrap()
    };
    assert_eq!(best("What is the parrot called?"), windows.len() - 1);
    let cellar = best("code of the wine cellar");
    assert!(cellar > 0 && cellar < windows.len() - 1, "{cellar}");
}

#[test]
fn vectors_are_the_same_on_every_thread() {
    let model = builtin();
    let texts: Vec<String> = (0..8).map(|at| "a dog barks ".repeat(at * 5 + 1)).collect();
    let alone: Vec<_> = texts
        .iter()
        .map(|text| model.embed_query(text).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (text, expected) in texts.iter().zip(&alone) {
                    assert_eq!(&model.embed_query(text).unwrap(), expected);
                }
            });
        }
    });
}
