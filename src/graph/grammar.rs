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

/// Each predicate with the verb phrases that follow the subject, and those that
/// follow the object (`is owned by`).
const VERBS: &[(&str, &str, &str)] = &[
    ("depends_on", "depends on|depend on|relies on|rely on", ""),
    ("requires", "requires|require", ""),
    (
        "uses",
        "uses|use|is using|are using",
        "is used by|are used by",
    ),
    ("runs_on", "runs on|run on", ""),
    ("written_in", "is written in", ""),
    (
        "part_of",
        "is part of|are part of|is a part of|belongs to|belong to",
        "",
    ),
    (
        "works_at",
        "works at|works for|work at|work for|is employed by",
        "",
    ),
    (
        "located_in",
        "is located in|are located in|is based in|are based in",
        "",
    ),
    ("lives_in", "lives in|live in", ""),
    ("reports_to", "reports to|report to", ""),
    ("manages", "manages|manage", "is managed by"),
    ("leads", "leads", "is led by"),
    (
        "replaces",
        "replaces|replaced|supersedes",
        "is replaced by|was replaced by",
    ),
    ("owns", "owns|own", "is owned by|are owned by"),
    ("maintains", "maintains", "is maintained by"),
    ("created", "created", "was created by"),
    ("founded", "founded", "was founded by"),
    ("married_to", "is married to", ""),
    ("knows", "knows", ""),
    ("contains", "contains", ""),
    ("alias", "is also known as|also known as", ""),
    ("is_a", "is an|is a", ""),
];

/// Words that keep a sentence from stating a fact.
const HEDGES: &str = "if would could might may maybe perhaps should unless whether not no never without \
     cannot longer hardly wants plans hopes";

/// Words that refer to something without naming it.
const PRONOUNS: &str = "i you he she it we they this that these those who which what there here everyone \
     everything nobody someone something one him her them us me his its their also \
     still always often currently now then both all each";

/// Words before a name that do not belong to it.
const NAME_PREFIXES: &str = "the a an our my your but so because since while although and then now today \
     currently however also that says said new";

/// Words at which a name ends.
const NAME_ENDS: &str = "because since when while which who that but so for to with at in on from by as \
     after before until instead where and or is are was were via through under over now \
     too rather";

/// The most words of a name.
const NAME_WORDS: usize = 5;

/// The triples that `text` seems to state, each once, in order of appearance.
pub(crate) fn propose(text: &str) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    for sentence in sentences(text) {
        for proposal in clauses(&sentence).flat_map(read_clause) {
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
fn clauses(sentence: &[String]) -> impl Iterator<Item = &[String]> {
    sentence.split(|word| is_one_of(word, "but while whereas although because"))
}

fn read_clause(clause: &[String]) -> Vec<Proposal> {
    let mut words = clause.iter();
    if words.any(|word| is_one_of(word, HEDGES) || word.ends_with("n't")) {
        return Vec::new();
    }
    let Some(verb) = verb(clause) else {
        return Vec::new();
    };
    let subjects = names_before(&clause[..verb.start]);
    let behind = &clause[verb.end..];
    let (own, rest) = behind.split_at(next_clause(behind));
    let mut found = Vec::new();
    let objects = names_after(own, verb.predicate);
    for (first, second) in subjects
        .iter()
        .flat_map(|s| objects.iter().map(move |o| (s, o)))
    {
        let (subject, object) = match verb.is_reversed {
            true => (second, first),
            false => (first, second),
        };
        if subject != object {
            found.push(Proposal {
                subject: subject.clone(),
                predicate: verb.predicate,
                object: object.clone(),
            });
        }
    }
    if let [_, rest @ ..] = rest {
        found.extend(read_clause(rest));
    }
    found
}

/// Where another statement begins behind a verb (`.. and the site uses ..`): at
/// the last separator before its own verb, else at the end.
fn next_clause(words: &[String]) -> usize {
    let before = verb(words).and_then(|verb| {
        words[..verb.start]
            .iter()
            .rposition(|word| is_separator(word))
    });
    before.unwrap_or(words.len())
}

fn is_separator(word: &str) -> bool {
    is_one_of(word, ", and or")
}

/// A verb phrase in a clause.
struct Verb {
    start: usize,
    end: usize,
    predicate: &'static str,
    /// Whether its object comes first.
    is_reversed: bool,
}

/// The first verb phrase of a clause; of those that begin there, the longest.
fn verb(clause: &[String]) -> Option<Verb> {
    let at = |start: usize, phrases: &str| {
        let matching = phrases.split('|').map(|phrase| phrase.split(' '));
        let matching = matching.filter(|phrase| {
            let mut words = clause[start..].iter();
            let mut phrase = phrase.clone();
            phrase.all(|wanted| words.next().is_some_and(|word| lower(word) == wanted))
        });
        matching.map(|phrase| start + phrase.count()).max()
    };
    (1..clause.len()).find_map(|start| {
        let found = VERBS.iter().flat_map(|(predicate, forwards, reversed)| {
            [(*forwards, false), (*reversed, true)].map(|(phrases, is_reversed)| {
                let end = at(start, phrases)?;
                Some(Verb {
                    start,
                    end,
                    predicate,
                    is_reversed,
                })
            })
        });
        found.flatten().max_by_key(|verb| verb.end)
    })
}

/// The names right before a verb: `Ada`, or `Ada, Bo and Cy`.
fn names_before(words: &[String]) -> Vec<String> {
    let mut words = words;
    // A comma or adverb before the verb belongs to no name.
    while let [rest @ .., last] = words
        && is_one_of(last, ", also still now currently")
    {
        words = rest;
    }
    names(words)
}

/// The names right behind a verb.
fn names_after(words: &[String], predicate: &str) -> Vec<String> {
    let is_end = |word: &String| {
        is_one_of(word, NAME_ENDS) && (!is_one_of(word, "and or") || predicate == "is_a")
    };
    let end = words.iter().skip(1).position(is_end);
    names(end.map_or(words, |end| &words[..=end]))
}

/// The names in a list of words; none where one of its parts is no name.
fn names(words: &[String]) -> Vec<String> {
    let parts = words
        .split(|word| is_separator(word))
        .filter(|part| !part.is_empty());
    parts.map(name).collect::<Option<_>>().unwrap_or_default()
}

fn name(mut words: &[String]) -> Option<String> {
    while let [first, rest @ ..] = words
        && is_one_of(first, NAME_PREFIXES)
    {
        words = rest;
    }
    let has_pronoun = words.iter().any(|word| is_one_of(word, PRONOUNS));
    (!words.is_empty() && words.len() <= NAME_WORDS && !has_pronoun).then(|| words.join(" "))
}

fn is_one_of(word: &str, list: &str) -> bool {
    let word = lower(word);
    list.split(' ').any(|listed| listed == word)
}

fn lower(word: &str) -> String {
    word.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(text: &str) -> String {
        let shown = |p: Proposal| format!("{} {} {}", p.subject, p.predicate, p.object);
        let shown: Vec<String> = propose(text).into_iter().map(shown).collect();
        shown.join("; ")
    }

    #[test]
    fn stated_relations_are_proposed() {
        for (text, expected) in [
            (
                "The checkout depends on billing-service.",
                "checkout depends_on billing-service",
            ),
            (
                "Billing uses PostgreSQL and Redis, since March.",
                "Billing uses PostgreSQL; Billing uses Redis",
            ),
            (
                "Ada, Bo and Cy work at Acme Corp.",
                "Ada works_at Acme Corp; Bo works_at Acme Corp; Cy works_at Acme Corp",
            ),
            (
                "Ada is a backend engineer at Acme.",
                "Ada is_a backend engineer",
            ),
            (
                "Acme is based in Berlin. Berlin is located in Germany!",
                "Acme located_in Berlin; Berlin located_in Germany",
            ),
            (
                "Raj reports to Ines, but Ines reports to Kim.",
                "Raj reports_to Ines; Ines reports_to Kim",
            ),
            ("The engine is part of the boat", "engine part_of boat"),
            (
                "`payments-v2` replaced `payments-v1`.",
                "payments-v2 replaces payments-v1",
            ),
            ("The shop is owned by Ines.", "Ines owns shop"),
            ("The site was created by Raj in 2021.", "Raj created site"),
            (
                "The API runs on node-7 and the site also uses the API.",
                "API runs_on node-7; site uses API",
            ),
            (
                "Acme is also known as Acme Corporation.",
                "Acme alias Acme Corporation",
            ),
            (
                "İstanbul'daki 'Şirket' uses 東京DB.",
                "İstanbul'daki Şirket uses 東京DB",
            ),
        ] {
            assert_eq!(proposed(text), expected, "{text}");
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
            assert_eq!(proposed(text), "", "{text}");
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
