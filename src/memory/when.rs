//! The time that a question is about ("yesterday", "in October", "before March 18",
//! "most recently"), and questions without any subject. Pure.

use chrono::{Days, NaiveDate};

use super::moment::{self, Edge, Here, Length, SpanDirection};
use crate::clock::Timestamp;
use crate::limits;
use crate::text;

/// The time that a question names, and the rest of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// The words that name the time.
    pub(crate) phrase: String,
    /// The question without them.
    pub(crate) rest: String,
}

/// A question that names no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overview {
    /// "latest memories"
    Newest,
    /// "who am I", "what do you know about me"
    User,
}

impl When {
    /// `None` if the question does not name a past time.
    pub(crate) fn of(question: &str, here: Here) -> Option<When> {
        let words: Vec<&str> = question.split_whitespace().collect();
        let plain: Vec<String> = words.iter().map(|word| plain(word)).collect();
        let is_of_past = is_of_past(&plain);
        for start in 0..plain.len() {
            for end in (start + 1..=plain.len().min(start + limits::WHEN_PHRASE_WORDS_MAX)).rev() {
                let Some((since, until)) = span(&plain[start..end], is_of_past, here) else {
                    continue;
                };
                let rest = words[..start].iter().chain(&words[end..]);
                return Some(When {
                    since,
                    until,
                    phrase: plain[start..end].join(" "),
                    rest: rest.copied().collect::<Vec<_>>().join(" "),
                });
            }
        }
        None
    }

    /// Whether the question has no subject besides its time.
    pub(crate) fn has_no_subject(&self) -> bool {
        has_no_subject(&self.rest)
    }
}

impl Overview {
    pub(crate) fn of(question: &str) -> Option<Overview> {
        let words = text::words(question);
        let asks = |phrases: &[&str]| phrases.contains(&words.as_str());
        if asks(&OF_USER) {
            return Some(Overview::User);
        }
        let is_newest = words.split(' ').any(|word| NEWEST.contains(&word));
        (is_newest && has_no_subject(question)).then_some(Overview::Newest)
    }
}

/// Whether a question asks for the newest of its subject: "most recently".
pub(crate) fn asks_newest(question: &str) -> bool {
    let words = format!(" {} ", text::words(question));
    NEWEST_OF.iter().any(|phrase| words.contains(phrase))
}

/// In the form of `text::words`.
const OF_USER: [&str; 12] = [
    "who am i",
    "what do you know about me",
    "what do you know of me",
    "what do you remember about me",
    "what have you stored about me",
    "what do you have about me",
    "tell me about me",
    "tell me about myself",
    "tell me what you know about me",
    "what are my preferences",
    "do you know me",
    "do you remember me",
];
const NEWEST: [&str; 6] = ["latest", "newest", "recent", "recently", "last", "lately"];
const NEWEST_OF: [&str; 5] = [
    " most recently ",
    " most recent ",
    " latest ",
    " newest ",
    " last time ",
];
/// Words that name no subject, besides stop words and the words of time.
const EMPTY_WORDS: [&str; 30] = [
    "memories",
    "memory",
    "notes",
    "note",
    "things",
    "thing",
    "anything",
    "everything",
    "something",
    "entries",
    "entry",
    "happened",
    "happen",
    "happens",
    "new",
    "show",
    "list",
    "tell",
    "give",
    "stored",
    "store",
    "saved",
    "learned",
    "learn",
    "remember",
    "know",
    "work",
    "worked",
    "said",
    "talk",
];

fn has_no_subject(question: &str) -> bool {
    let asked = text::query_words(question);
    let is_empty = |word: &str| {
        !text::is_distinctive(word) || EMPTY_WORDS.contains(&word) || NEWEST.contains(&word)
    };
    asked.iter().all(|asked| is_empty(&asked.word))
}

/// A word without the punctuation around it.
fn plain(word: &str) -> String {
    let inside = word.trim_matches(|c: char| !c.is_alphanumeric());
    let inside = inside.strip_suffix("'s").unwrap_or(inside);
    inside.to_lowercase()
}

/// Whether a question is about the past: dates and weekdays may as well be those of
/// plans, as in "what is planned in October".
fn is_of_past(words: &[String]) -> bool {
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    let has_past_form = || {
        words
            .iter()
            .any(|word| word.len() > 4 && word.ends_with("ed"))
    };
    has(&["did", "was", "were", "had", "said", "told", "went"])
        || has_past_form() && !has(&["is", "are", "be", "will", "should", "can"])
}

/// The period that a phrase means, its ends open where it has none.
fn span(
    phrase: &[String],
    is_of_past: bool,
    here: Here,
) -> Option<(Option<Timestamp>, Option<Timestamp>)> {
    let words: Vec<&str> = phrase.iter().map(String::as_str).collect();
    let both = |(since, until)| (Some(since), Some(until));
    match words[..] {
        ["since", ref period @ ..] => Some((Some(period_of(period, here)?.0), None)),
        ["before", ref period @ ..] => Some((None, Some(period_of(period, here)?.0))),
        ["after", ref period @ ..] => Some((Some(period_of(period, here)?.1), None)),
        ["yesterday"] | ["last" | "previous", _] => period_of(&words, here).map(both),
        ["today"] | ["this", _] if is_of_past => period_of(&words, here).map(both),
        ["in" | "on" | "during", ref period @ ..] if is_of_past || is_relative(period) => {
            latest(period, here).or_else(|| period_of(period, here).map(both))
        }
        [.., "ago"] => period_of(&words, here).map(both),
        _ => latest(&words, here),
    }
}

fn is_relative(words: &[&str]) -> bool {
    matches!(words, ["the", "last" | "past", ..] | ["last" | "past", ..])
}

/// "the last 3 days": up to now.
fn latest(words: &[&str], here: Here) -> Option<(Option<Timestamp>, Option<Timestamp>)> {
    let words = words.strip_prefix(&["the"]).unwrap_or(words);
    let (count, unit) = match words {
        ["last" | "past", count, unit] => (*count, *unit),
        // "the past week": its days, not a week of the calendar.
        ["past", unit] => ("1", *unit),
        _ => return None,
    };
    let text = format!("{} {unit} ago", number(count)?);
    let since = moment::read(&text, Edge::Start, SpanDirection::Past, here)?;
    Some((Some(since), None))
}

/// The first moment of a period, and the one after its last.
fn period_of(words: &[&str], here: Here) -> Option<(Timestamp, Timestamp)> {
    if let [count @ .., unit, "ago"] = words {
        return around(count, unit, here);
    }
    let text = words.join(" ");
    let of_calendar = |edge| {
        let is_span = text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains('-');
        let is_year = text.len() == 4;
        let text = Some(&text).filter(|_| !is_span || is_year)?;
        let is_known = matches!(words, [_] | ["last" | "previous" | "this", _]);
        Some(text)
            .filter(|_| is_known)
            .and_then(|text| moment::read(text, edge, SpanDirection::Past, here))
    };
    if let (Some(since), Some(until)) = (of_calendar(Edge::Start), of_calendar(Edge::End))
        && since < until
    {
        return Some((since, until));
    }
    let (first, length) = moment::date(words, SpanDirection::Past, here)?;
    both_edges(first, length, here)
}

/// "two weeks ago": as exact as its unit.
fn around(count: &[&str], unit: &str, here: Here) -> Option<(Timestamp, Timestamp)> {
    let [count] = count else { return None };
    let text = format!("{} {unit} ago", number(count)?);
    let at = moment::read(&text, Edge::Start, SpanDirection::Past, here)?;
    // The parser has checked the unit, in whichever of its forms.
    let days = match unit {
        _ if unit.starts_with("mo") => 15,
        _ if unit.starts_with(['h', 'm', 's']) => {
            let either_side = if unit.starts_with('h') { 1800 } else { 300 };
            return Some((at.plus_seconds(-either_side), at.plus_seconds(either_side)));
        }
        _ if unit.starts_with('d') => 0,
        _ if unit.starts_with('w') => 3,
        _ => 183,
    };
    let first = here
        .zone
        .local(at)?
        .date()
        .checked_sub_days(Days::new(days))?;
    both_edges(first, Length::Days(2 * days + 1), here)
}

fn both_edges(first: NaiveDate, length: Length, here: Here) -> Option<(Timestamp, Timestamp)> {
    let edge = |edge| moment::edge_of(first, length, edge, here.zone);
    Some((edge(Edge::Start)?, edge(Edge::End)?))
}

/// A count as moments are read: digits, or `a`.
fn number(word: &str) -> Option<String> {
    const WORDS: [&str; 12] = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let of_word = WORDS.iter().position(|each| *each == word);
    match word {
        "a" | "an" => Some("1".to_owned()),
        "few" | "couple" => Some("3".to_owned()),
        _ => match of_word {
            Some(at) => Some((at + 1).to_string()),
            None => word.parse::<u32>().ok().map(|count| count.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Zone;

    /// A Thursday at noon in Berlin, an hour before UTC.
    fn here() -> Here {
        Here {
            now: Timestamp::from_iso("2026-11-26T11:00:00Z").expect("a moment"),
            zone: Zone::named("Europe/Berlin").expect("a zone"),
        }
    }

    fn shown(question: &str) -> Option<String> {
        let when = When::of(question, here())?;
        let end = |end: Option<Timestamp>| end.map_or(String::new(), Timestamp::to_iso);
        Some(format!(
            "{}/{} {}",
            end(when.since),
            end(when.until),
            when.rest
        ))
    }

    #[test]
    fn questions_say_when_in_the_users_time_zone() {
        for (question, expected) in [
            (
                "What did we decide yesterday?",
                "2026-11-24T23:00:00Z/2026-11-25T23:00:00Z What did we decide",
            ),
            (
                "what did Anna say last week about boats",
                "2026-11-15T23:00:00Z/2026-11-22T23:00:00Z what did Anna say about boats",
            ),
            (
                "What was shipped in October?",
                "2026-09-30T22:00:00Z/2026-10-31T23:00:00Z What was shipped",
            ),
            (
                "What happened in December?",
                "2025-11-30T23:00:00Z/2025-12-31T23:00:00Z What happened",
            ),
            (
                "what did we do on March 18?",
                "2026-03-17T23:00:00Z/2026-03-18T23:00:00Z what did we do",
            ),
            (
                "what did we do on 18 March 2025",
                "2025-03-17T23:00:00Z/2025-03-18T23:00:00Z what did we do",
            ),
            (
                "what changed in the last 3 days",
                "2026-11-23T11:00:00Z/ what changed",
            ),
            (
                "what changed in the last three days?",
                "2026-11-23T11:00:00Z/ what changed",
            ),
            (
                "decisions before October",
                "/2026-09-30T22:00:00Z decisions",
            ),
            (
                "decisions after 2026-10-05",
                "2026-10-05T22:00:00Z/ decisions",
            ),
            ("decisions since monday", "2026-11-22T23:00:00Z/ decisions"),
            (
                "what did I say two days ago?",
                "2026-11-23T23:00:00Z/2026-11-24T23:00:00Z what did I say",
            ),
            (
                "what did I say 5 min ago",
                "2026-11-26T10:50:00Z/2026-11-26T11:00:00Z what did I say",
            ),
            (
                "what did we learn in 2025?",
                "2024-12-31T23:00:00Z/2025-12-31T23:00:00Z what did we learn",
            ),
        ] {
            assert_eq!(shown(question).as_deref(), Some(expected), "{question}");
        }
    }

    #[test]
    fn plans_and_words_alone_say_nothing_of_the_past() {
        for question in [
            "What is due in October?",
            "What is planned in October?",
            "Who deploys on Monday?",
            "May I march before lunch?",
            "What comes after the migration?",
            "What is planned for tomorrow?",
            "How long does the last step take?",
            "Where is room 12?",
            "",
        ] {
            assert_eq!(shown(question), None, "{question}");
        }
    }

    #[test]
    fn questions_without_a_subject_ask_for_an_overview() {
        for (question, expected) in [
            ("latest memories", Some(Overview::Newest)),
            ("Show me the most recent notes", Some(Overview::Newest)),
            ("What do you know about me?", Some(Overview::User)),
            ("Who am I?", Some(Overview::User)),
            ("latest release", None),
            ("who are you", None),
        ] {
            assert_eq!(Overview::of(question), expected, "{question}");
        }
        let when = When::of("What happened yesterday?", here()).expect("said");
        assert!(when.has_no_subject());
        let when = When::of("What did Anna do yesterday?", here()).expect("said");
        assert!(!when.has_no_subject());
        assert!(asks_newest("Where did we meet most recently?"));
        assert!(!asks_newest("Where did we meet?"));
    }
}
