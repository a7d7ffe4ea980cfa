//! The keyword index finds a text by the other spellings of its words.

use mimo::caller::Reach;
use mimo::store::memory::{CandidateQuery, Filter};
use mimo::text;

use crate::postgres::Postgres;
use crate::support::{MODEL, at, new, store_one};
use crate::{Room, harness};

/// A text and a query that finds it.
const FOUND: &[(&str, &str)] = &[
    // Hashes and identifiers by their beginnings.
    ("fixed in 3f9ac1de77b2", "3f9ac1d"),
    ("fixed in 8371662900ab", "8371662"),
    ("fixed in deadbeefcafe01", "deadbeef"),
    ("run 550e8400-e29b-41d4-a716-446655440000", "550e8400"),
    ("parseInvoiceDateTime reads years", "parseInvoice"),
    ("parse_invoice_date reads years", "parse_inv_invoice"),
    // Camel case and snake case.
    ("parseInvoiceDate reads years", "parse_invoice_date"),
    ("parse_invoice_date reads years", "parseInvoiceDate"),
    ("parse_invoice_date reads years", "ParseInvoiceDate"),
    ("parseInvoiceDate reads years", "invoice"),
    ("the flag checkout_v2 is on", "checkout v2"),
    // Letters that are written in several ways.
    ("Stra\u{df}e in Berlin", "STRASSE"),
    ("Strasse in Berlin", "stra\u{df}e"),
    ("M\u{fc}ller called", "Muller"),
    ("M\u{fc}ller called", "Mueller"),
    ("Mueller called", "M\u{fc}ller"),
    ("Jorg Goethe", "G\u{f6}the"),
    ("S\u{f8}ren called", "Soren"),
    ("S\u{f8}ren called", "Soeren"),
    ("Soeren called", "S\u{f8}ren"),
    ("\u{c5}rhus by night", "Aarhus"),
    ("\u{141}\u{f3}d\u{17a} by train", "Lodz"),
    ("Caf\u{e9} Central", "cafe"),
    (
        "\u{43f}\u{43e}\u{43b}\u{451}\u{442} \u{432} \u{41a}\u{430}\u{437}\u{430}\u{43d}\u{44c}",
        "\u{43f}\u{43e}\u{43b}\u{435}\u{442}",
    ),
    (
        "\u{435}\u{43b}\u{43a}\u{430}",
        "\u{451}\u{43b}\u{43a}\u{430}",
    ),
    // Names with an apostrophe, in any form of it.
    ("O'Brien called", "O\u{2019}Brien"),
    ("O'Brien called", "obrien"),
    ("OBrien called", "O'Brien"),
    ("O\u{2019}Brien's boat", "OBrien"),
    ("D'Angelo cooks", "dangelo"),
    // Numbers in groups.
    ("it costs 1,000 a year", "1000"),
    ("it costs 1.000 a year", "1000"),
    ("it costs 1 000 a year", "1000"),
    ("it costs 1\u{202f}000 a year", "1,000"),
    ("it costs 1'000 a year", "1.000"),
    ("it costs 1000 a year", "1,000"),
    ("it costs 12,345,678.50 a year", "12345678"),
    ("\u{661}\u{662}\u{663} boxes", "123"),
    ("\u{ff11}\u{ff12}\u{ff13} boxes", "123"),
    // Traditional and simplified Chinese.
    ("\u{6f22}\u{8a9e}\u{5f88}\u{96e3}", "\u{6c49}\u{8bed}"),
    ("\u{6c49}\u{8bed}\u{5f88}\u{96be}", "\u{6f22}\u{8a9e}"),
    (
        "\u{6771}\u{4eac}\u{306e}\u{706f}\u{53f0}",
        "\u{6771}\u{4eac}",
    ),
    // Arabic and Hebrew with their marks and articles.
    (
        "\u{627}\u{644}\u{643}\u{650}\u{62a}\u{64e}\u{627}\u{628} \u{647}\u{646}\u{627}",
        "\u{643}\u{62a}\u{627}\u{628}",
    ),
    (
        "\u{643}\u{62a}\u{627}\u{628} \u{647}\u{646}\u{627}",
        "\u{648}\u{627}\u{644}\u{643}\u{62a}\u{627}\u{628}",
    ),
    (
        "\u{623}\u{62d}\u{645}\u{62f} \u{647}\u{646}\u{627}",
        "\u{627}\u{62d}\u{645}\u{62f}",
    ),
    (
        "\u{5d4}\u{5b7}\u{5d1}\u{5bc}\u{5b7}\u{5d9}\u{5b4}\u{5ea} \u{5d2}\u{5d3}\u{5d5}\u{5dc}",
        "\u{5d1}\u{5d9}\u{5ea}",
    ),
    (
        "\u{5d1}\u{5d9}\u{5ea} \u{5d2}\u{5d3}\u{5d5}\u{5dc}",
        "\u{5d4}\u{5d1}\u{5d9}\u{5ea}",
    ),
    // Emoji.
    ("launch \u{1f680} on Monday", "\u{1f680}"),
    ("thanks \u{1f44d}\u{1f3fd}", "\u{1f44d}"),
    ("we \u{2764}\u{fe0f} tea", "\u{2764}"),
];

const NOT_FOUND: &[(&str, &str)] = &[
    ("face to face", "facade"),
    ("2026 was good", "20261"),
    ("the date", "parsedate"),
    ("GitHub is slow", "hub"),
    ("we don't know", "dont"),
    ("a queue of cars", "quu"),
    ("room 1 and 000", "1000"),
    ("1,0000 boxes", "10000"),
    ("launch \u{1f680} on Monday", "\u{1f44d}"),
];

pub(crate) async fn spellings_find_each_other<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let cases = FOUND.iter().map(|case| (case, true));
    let cases = cases.chain(NOT_FOUND.iter().map(|case| (case, false)));
    let mut wrong = Vec::new();
    for (nth, ((content, query), is_found)) in cases.enumerate() {
        let project = format!("case {nth}");
        store_one(&*store, new(&project, content), at(0))
            .await
            .expect("stored");
        let asked = CandidateQuery {
            filter: Filter::within(&Reach::Everything, vec![project], at(1)),
            words: text::query_words(query),
            vector: None,
            limit: 10,
        };
        let found = store.candidates(MODEL, asked).await.expect("found");
        if found.keyword.is_empty() == is_found {
            wrong.push(format!("{content} | {query} | should be found: {is_found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// As schema 5 had it, for a text that one spelling changes.
const SCHEMA_5: &str = "UPDATE meta SET schema = 5;
    DROP FUNCTION date_memory_tag, redate_memory_tags CASCADE;
    DROP INDEX memory_by_category, memory_by_project, memory_by_thread_age, memory_by_age;
    ALTER TABLE memory_tag DROP COLUMN state;
    ALTER TABLE memory_tag DROP COLUMN time;
    CREATE INDEX memory_by_tag ON memory_tag (tag, memory_id);
    ALTER TABLE memory DROP COLUMN said_at;
    ALTER TABLE memory_edit DROP COLUMN said_at;
    CREATE INDEX memory_by_age ON memory (created_at, id);
    UPDATE posting SET word = 'stra\u{df}e' WHERE word = 'strass'";

#[tokio::test]
async fn upgrade_of_a_database_makes_its_keyword_index_anew() {
    if let Some(missing) = Postgres::missing() {
        return harness::machine::skip(&missing, "upgrade_of_a_database");
    }
    let room = Postgres::fresh().await;
    let text = new("global", "Stra\u{df}e in Berlin");
    store_one(&*room.open(), text, at(0)).await.expect("stored");
    let sizes = "SELECT documents, words FROM project";
    let before = room.psql(sizes);
    room.psql(SCHEMA_5);
    let asked = CandidateQuery {
        filter: Filter::within(&Reach::Everything, Vec::new(), at(1)),
        words: text::query_words("strasse"),
        vector: None,
        limit: 10,
    };
    let found = room.open().candidates(MODEL, asked).await.expect("found");
    assert_eq!(found.keyword.len(), 1);
    assert_eq!(room.psql(sizes), before);
    assert_eq!(room.psql("SELECT count(*) FROM posting").trim(), "3");
}
