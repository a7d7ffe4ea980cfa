//! Triples from plain sentences, without a model: a table of verb phrases and
//! rules for the names on both sides. It prefers a missed relation to an
//! invented one, so questions, denials, suppositions and pronouns yield nothing. Pure.

/// The confidence of a proposal. By default a path of three of them is still
/// followed.
pub(crate) const CONFIDENCE: f64 = 0.9;

/// A triple that a text seems to state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) subject: String,
    pub(crate) predicate: &'static str,
    pub(crate) object: String,
}

/// A verb phrase, its predicate, and whether the object comes first (`is owned
/// by`).
struct Phrase(&'static str, &'static str, bool);

/// Longer phrases come before those they begin with.
const PHRASES: &[Phrase] = &[
    Phrase("depends on", "depends_on", false),
    Phrase("depend on", "depends_on", false),
    Phrase("relies on", "depends_on", false),
    Phrase("rely on", "depends_on", false),
    Phrase("requires", "requires", false),
    Phrase("require", "requires", false),
    Phrase("uses", "uses", false),
    Phrase("use", "uses", false),
    Phrase("is using", "uses", false),
    Phrase("are using", "uses", false),
    Phrase("is used by", "uses", true),
    Phrase("are used by", "uses", true),
    Phrase("runs on", "runs_on", false),
    Phrase("run on", "runs_on", false),
    Phrase("is written in", "written_in", false),
    Phrase("is part of", "part_of", false),
    Phrase("are part of", "part_of", false),
    Phrase("is a part of", "part_of", false),
    Phrase("belongs to", "part_of", false),
    Phrase("belong to", "part_of", false),
    Phrase("works at", "works_at", false),
    Phrase("works for", "works_at", false),
    Phrase("work at", "works_at", false),
    Phrase("work for", "works_at", false),
    Phrase("is employed by", "works_at", false),
    Phrase("is located in", "located_in", false),
    Phrase("are located in", "located_in", false),
    Phrase("is based in", "located_in", false),
    Phrase("are based in", "located_in", false),
    Phrase("lives in", "lives_in", false),
    Phrase("live in", "lives_in", false),
    Phrase("reports to", "reports_to", false),
    Phrase("report to", "reports_to", false),
    Phrase("manages", "manages", false),
    Phrase("manage", "manages", false),
    Phrase("is managed by", "manages", true),
    Phrase("leads", "leads", false),
    Phrase("is led by", "leads", true),
    Phrase("replaces", "replaces", false),
    Phrase("replaced", "replaces", false),
    Phrase("supersedes", "replaces", false),
    Phrase("is replaced by", "replaces", true),
    Phrase("was replaced by", "replaces", true),
    Phrase("owns", "owns", false),
    Phrase("own", "owns", false),
    Phrase("is owned by", "owns", true),
    Phrase("are owned by", "owns", true),
    Phrase("maintains", "maintains", false),
    Phrase("is maintained by", "maintains", true),
    Phrase("created", "created", false),
    Phrase("was created by", "created", true),
    Phrase("founded", "founded", false),
    Phrase("was founded by", "founded", true),
    Phrase("is married to", "married_to", false),
    Phrase("knows", "knows", false),
    Phrase("contains", "contains", false),
    Phrase("is also known as", "alias", false),
    Phrase("also known as", "alias", false),
    Phrase("is an", "is_a", false),
    Phrase("is a", "is_a", false),
];

/// Words that keep a sentence from stating a fact.
const HEDGES: &[&str] = &[
    "if", "would", "could", "might", "may", "maybe", "perhaps", "should", "unless", "whether",
    "not", "no", "never", "without", "cannot", "longer", "hardly", "wants", "plans", "hopes",
];

/// Words that refer to something without naming it.
const PRONOUNS: &[&str] = &[
    "i",
    "you",
    "he",
    "she",
    "it",
    "we",
    "they",
    "this",
    "that",
    "these",
    "those",
    "who",
    "which",
    "what",
    "there",
    "here",
    "everyone",
    "everything",
    "nobody",
    "someone",
    "something",
    "one",
    "him",
    "her",
    "them",
    "us",
    "me",
    "his",
    "its",
    "their",
    "also",
    "still",
    "always",
    "often",
    "currently",
    "now",
    "then",
    "both",
    "all",
    "each",
];

/// Words before a name that do not belong to it.
const NAME_PREFIXES: &[&str] = &[
    "the",
    "a",
    "an",
    "our",
    "my",
    "your",
    "but",
    "so",
    "because",
    "since",
    "while",
    "although",
    "and",
    "then",
    "now",
    "today",
    "currently",
    "however",
    "also",
    "that",
    "says",
    "said",
    "new",
];

/// Words at which a name ends.
const NAME_ENDS: &[&str] = &[
    "because", "since", "when", "while", "which", "who", "that", "but", "so", "for", "to", "with",
    "at", "in", "on", "from", "by", "as", "after", "before", "until", "instead", "where", "and",
    "or", "is", "are", "was", "were", "via", "through", "under", "over", "now", "too", "rather",
];

/// The most words of a name.
const NAME_WORDS: usize = 5;

/// The triples that `text` seems to state, each once, in its order.
pub(crate) fn propose(text: &str) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    for sentence in sentences(text) {
        for proposal in clauses(&sentence)
            .iter()
            .flat_map(|clause| read_clause(clause))
        {
            if !proposals.contains(&proposal) {
                proposals.push(proposal);
            }
        }
    }
    proposals
}

/// The sentences of a text as their words, without questions. Commas are words
/// too.
fn sentences(text: &str) -> Vec<Vec<String>> {
    let mut sentences = vec![Vec::new()];
    for line in text.lines() {
        for word in line.split_whitespace() {
            let word = word.trim_start_matches(['"', '(', '\'', '`', '*', '“', '-']);
            let bare = word
                .trim_end_matches(['"', ')', '\'', '`', '*', '”', ',', ';', ':', '.', '!', '?']);
            let tail = &word[bare.len()..];
            if !bare.is_empty() {
                last(&mut sentences).push(bare.to_owned());
            }
            if tail.contains('?') {
                last(&mut sentences).clear();
            } else if tail.contains(['.', '!', ';', ':']) {
                sentences.push(Vec::new());
            } else if tail.contains([',', ')']) {
                last(&mut sentences).push(",".to_owned());
            }
        }
        sentences.push(Vec::new());
    }
    sentences
}

fn last(sentences: &mut [Vec<String>]) -> &mut Vec<String> {
    let at = sentences.len() - 1;
    &mut sentences[at]
}

/// The clauses of a sentence: `but`, `while` and the like begin a new one.
fn clauses(sentence: &[String]) -> Vec<Vec<String>> {
    let parts = sentence.split(|word| {
        matches!(
            lower(word).as_str(),
            "but" | "while" | "whereas" | "although" | "because"
        )
    });
    parts.map(<[String]>::to_vec).collect()
}

fn read_clause(clause: &[String]) -> Vec<Proposal> {
    if clause
        .iter()
        .any(|word| HEDGES.contains(&lower(word).as_str()) || word.ends_with("n't"))
    {
        return Vec::new();
    }
    let Some((start, end, phrase)) = verb(clause) else {
        return Vec::new();
    };
    let subjects = names_before(&clause[..start]);
    let (own, rest) = clause[end..].split_at(next_clause(&clause[end..]));
    let objects = names_after(own, phrase.1);
    let pairs = subjects
        .iter()
        .flat_map(|subject| objects.iter().map(move |object| (subject, object)));
    let mut found: Vec<Proposal> = pairs
        .filter(|(subject, object)| subject != object)
        .map(|(subject, object)| {
            let (subject, object) = match phrase.2 {
                true => (object, subject),
                false => (subject, object),
            };
            Proposal {
                subject: subject.clone(),
                predicate: phrase.1,
                object: object.clone(),
            }
        })
        .collect();
    if let [_, rest @ ..] = rest {
        found.extend(read_clause(rest));
    }
    found
}

/// Where another statement begins behind a verb (`.. and the site uses ..`): at
/// the last separator before its own verb, else at the end.
fn next_clause(words: &[String]) -> usize {
    let separates = |word: &String| word == "," || matches!(lower(word).as_str(), "and" | "or");
    let verb_at = verb(words).map(|(start, ..)| start);
    let before = verb_at.and_then(|verb_at| words[..verb_at].iter().rposition(separates));
    before.unwrap_or(words.len())
}

/// The first verb phrase of a clause, with its start and end.
fn verb(clause: &[String]) -> Option<(usize, usize, &'static Phrase)> {
    (1..clause.len()).find_map(|start| {
        let longest = PHRASES
            .iter()
            .filter(|phrase| {
                let mut words = clause[start..].iter();
                phrase
                    .0
                    .split(' ')
                    .all(|word| words.next().is_some_and(|w| lower(w) == word))
            })
            .max_by_key(|phrase| phrase.0.len())?;
        Some((start, start + longest.0.split(' ').count(), longest))
    })
}

/// The names right before a verb: `Ada`, or `Ada, Bo and Cy`.
fn names_before(words: &[String]) -> Vec<String> {
    let mut words = words;
    // A comma or adverb before the verb belongs to no name.
    while let [rest @ .., last] = words
        && (last == "," || matches!(lower(last).as_str(), "also" | "still" | "now" | "currently"))
    {
        words = rest;
    }
    names(words)
}

/// The names right behind a verb.
fn names_after(words: &[String], predicate: &str) -> Vec<String> {
    let stop = |(nth, word): &(usize, &String)| {
        let word = lower(word);
        let list = matches!(word.as_str(), "and" | "or");
        *nth > 0 && NAME_ENDS.contains(&word.as_str()) && (!list || predicate == "is_a")
    };
    let end = words
        .iter()
        .enumerate()
        .find(stop)
        .map_or(words.len(), |(nth, _)| nth);
    names(&words[..end])
}

/// The names in a list of words; none where one of its parts is no name.
fn names(words: &[String]) -> Vec<String> {
    let parts = words.split(|word| word == "," || matches!(lower(word).as_str(), "and" | "or"));
    let mut names = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        match name(part) {
            Some(name) => names.push(name),
            None => return Vec::new(),
        }
    }
    names
}

fn name(words: &[String]) -> Option<String> {
    let mut words = words;
    while let [first, rest @ ..] = words
        && NAME_PREFIXES.contains(&lower(first).as_str())
    {
        words = rest;
    }
    let has_pronoun = words
        .iter()
        .any(|word| PRONOUNS.contains(&lower(word).as_str()));
    if words.is_empty() || words.len() > NAME_WORDS || has_pronoun {
        return None;
    }
    Some(words.join(" "))
}

fn lower(word: &str) -> String {
    word.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(text: &str) -> Vec<String> {
        let shown = |p: Proposal| format!("{} {} {}", p.subject, p.predicate, p.object);
        propose(text).into_iter().map(shown).collect()
    }

    #[test]
    fn stated_relations_are_proposed() {
        for (text, expected) in [
            (
                "The checkout depends on billing-service.",
                &["checkout depends_on billing-service"][..],
            ),
            (
                "Billing uses PostgreSQL and Redis, since March.",
                &["Billing uses PostgreSQL", "Billing uses Redis"],
            ),
            (
                "Ada, Bo and Cy work at Acme Corp.",
                &[
                    "Ada works_at Acme Corp",
                    "Bo works_at Acme Corp",
                    "Cy works_at Acme Corp",
                ],
            ),
            (
                "Ada is a backend engineer at Acme.",
                &["Ada is_a backend engineer"],
            ),
            (
                "Acme is based in Berlin. Berlin is located in Germany!",
                &["Acme located_in Berlin", "Berlin located_in Germany"],
            ),
            (
                "Raj reports to Ines, but Ines reports to Kim.",
                &["Raj reports_to Ines", "Ines reports_to Kim"],
            ),
            ("The engine is part of the boat", &["engine part_of boat"]),
            (
                "`payments-v2` replaced `payments-v1`.",
                &["payments-v2 replaces payments-v1"],
            ),
            ("The shop is owned by Ines.", &["Ines owns shop"]),
            (
                "The site was created by Raj in 2021.",
                &["Raj created site"],
            ),
            (
                "The API runs on node-7 and the site also uses the API.",
                &["API runs_on node-7", "site uses API"],
            ),
            (
                "Acme is also known as Acme Corporation.",
                &["Acme alias Acme Corporation"],
            ),
            (
                "İstanbul'daki 'Şirket' uses 東京DB.",
                &["İstanbul'daki Şirket uses 東京DB"],
            ),
        ] {
            let found = proposed(text);
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn questions_denials_suppositions_and_pronouns_yield_nothing() {
        for text in [
            "Does billing use PostgreSQL?",
            "Who works at Acme?",
            "Billing does not depend on Redis.",
            "Billing doesn't use Redis.",
            "Billing no longer uses Redis.",
            "If Acme uses Rust, tell them.",
            "Ada might work at Acme.",
            "It uses PostgreSQL.",
            "They report to her.",
            "This is a test.",
            "uses PostgreSQL",
            "Billing uses",
            "",
            "'; DROP TABLE triple; --",
        ] {
            assert_eq!(proposed(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let long = "Ada uses ".repeat(2_000);
        propose(&long);
        for text in [
            "\u{202e}\0 is a \u{1}",
            "is a is a is a",
            ", , and or",
            "\n\n? ! .",
        ] {
            propose(text);
        }
    }
}
