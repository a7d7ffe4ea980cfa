//! The features of a text for ranking, besides its words: who says it, whether it is a
//! question, whether it mentions time, and the numbers that distinguish it from similar
//! texts. Pure.

use super::dates;
use crate::limits::LABEL_CHARS_MAX;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// How many words the text has.
    pub(crate) words: u32,
    pub(crate) question: QuestionMark,
    /// Whether it has a word such as "yesterday" or a year.
    pub(crate) time_word: bool,
    /// The date it begins with, in days since 1970.
    pub(crate) day: Option<i32>,
    /// The text before the first colon, in lower case, if it could be a name.
    pub(crate) label: Option<String>,
    /// Words that a number follows, as in "room 2".
    pub(crate) numbered: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum QuestionMark {
    #[default]
    None,
    Inside,
    AtTheEnd,
}

pub(crate) fn features(text: &str) -> Features {
    let (day, said) = dates::leading_day(text);
    let is_mark = |c: char| matches!(c, '?' | '？' | '؟');
    let question = match text {
        _ if text.trim_end().ends_with(is_mark) => QuestionMark::AtTheEnd,
        _ if text.contains(is_mark) => QuestionMark::Inside,
        _ => QuestionMark::None,
    };
    let lower = said.to_lowercase();
    Features {
        words: u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX),
        question,
        time_word: plain_words(&lower).any(is_time_word),
        day,
        label: label(said),
        numbered: numbered(&lower),
    }
}

fn label(text: &str) -> Option<String> {
    let (label, _) = text.split_once(": ").or_else(|| text.split_once('：'))?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'' | '’');
    let is_label = !label.trim().is_empty()
        && label.chars().take(LABEL_CHARS_MAX + 1).count() <= LABEL_CHARS_MAX
        && label.chars().all(is_name);
    is_label.then(|| label.trim().to_lowercase())
}

fn plain_words(lower: &str) -> impl Iterator<Item = &str> {
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty())
}

fn is_time_word(word: &str) -> bool {
    let is_year = word.len() == 4 && (word.starts_with("19") || word.starts_with("20"));
    TIME_WORDS.binary_search(&word).is_ok()
        || dates::month(word).is_some()
        || is_year && word.bytes().all(|byte| byte.is_ascii_digit())
}

impl Features {
    /// The numbered things as the stores keep them, one a line; `None` without any.
    pub(crate) fn numbered_text(&self) -> Option<String> {
        let lines = self.numbered.iter();
        let lines: Vec<String> = lines
            .map(|(word, number)| format!("{word} {number}"))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// Reads what [`Features::numbered_text`] writes.
pub(crate) fn numbered_of(lines: Option<&str>) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (word, number) = line.split_once(' ')?;
        Some((word.to_owned(), number.to_owned()))
    };
    let lines = lines.unwrap_or_default().lines();
    lines.filter_map(pair).collect()
}

/// The pairs of a word and the number after it in a text in lower case. Months are
/// left out, because their numbers are dates, and short words, because they are
/// prepositions.
pub(crate) fn numbered(lower: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'))
        .map(|word| word.trim_matches(['.', '-']))
        .collect();
    let is_number = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let is_counted = |word: &str| {
        word.chars().count() > 2
            && word.chars().all(char::is_alphabetic)
            && dates::month(word).is_none()
            && super::is_distinctive(word)
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in words.windows(2) {
        let [word, number] = pair else { continue };
        if is_counted(word) && is_number(number) {
            let entry = ((*word).to_owned(), (*number).to_owned());
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
    }
    found
}

/// In byte order.
const TIME_WORDS: &[&str] = &[
    "afternoon",
    "ago",
    "autumn",
    "birthday",
    "christmas",
    "daily",
    "day",
    "days",
    "decade",
    "evening",
    "fall",
    "fortnight",
    "friday",
    "hour",
    "hours",
    "last",
    "later",
    "minutes",
    "monday",
    "month",
    "months",
    "morning",
    "next",
    "night",
    "now",
    "recently",
    "saturday",
    "since",
    "soon",
    "spring",
    "summer",
    "sunday",
    "thursday",
    "today",
    "tomorrow",
    "tonight",
    "tuesday",
    "wednesday",
    "week",
    "weekend",
    "weekends",
    "weeks",
    "winter",
    "year",
    "years",
    "yesterday",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_words_are_in_order() {
        assert!(TIME_WORDS.is_sorted());
    }

    #[test]
    fn labels_are_short_names_before_a_colon() {
        let of = |text: &str| features(text).label;
        assert_eq!(of("Anna: hello").as_deref(), Some("anna"));
        assert_eq!(
            of("[8 May, 2023] Anna Lee: hi").as_deref(),
            Some("anna lee")
        );
        assert_eq!(
            of("The build: it failed, again: twice").as_deref(),
            Some("the build")
        );
        assert_eq!(of("See https://example.org/a: it is down"), None);
        assert_eq!(of("at 10:30 we met"), None);
        assert_eq!(of("This sentence is much too long for a name: yes"), None);
    }

    #[test]
    fn question_marks_inside_and_at_the_end_differ() {
        let of = |text: &str| features(text).question;
        assert_eq!(of("Are you well?"), QuestionMark::AtTheEnd);
        assert_eq!(of("好吗？ "), QuestionMark::AtTheEnd);
        assert_eq!(of("Well? I am."), QuestionMark::Inside);
        assert_eq!(of("I am."), QuestionMark::None);
    }

    #[test]
    fn numbers_belong_to_the_word_before_them() {
        let of = |text: &str| -> Vec<String> {
            let pairs = numbered(&text.to_lowercase()).into_iter();
            pairs
                .map(|(word, number)| format!("{word} {number}"))
                .collect()
        };
        assert_eq!(of("Room 2 is on floor 3."), ["room 2", "floor 3"]);
        assert_eq!(of("Release 3.3, in 2024, on May 4"), ["release 3.3"]);
        assert_eq!(of("the 5 of them"), Vec::<String>::new());
    }
}
