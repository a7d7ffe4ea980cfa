//! Dates in plain text. Pure.

use chrono::{Datelike, NaiveDate};

use crate::clock::Timestamp;

/// The number of a month, by its English name or its first three letters. "may" and
/// "march" are words too, so callers look at what stands beside them.
pub(crate) fn month(word: &str) -> Option<u32> {
    let is_name = |name: &&str| {
        let is_short = word.len() == 3 && name.starts_with(word);
        **name == *word || is_short || word == "sept" && **name == *"september"
    };
    let found = MONTHS.iter().position(is_name);
    found.and_then(|at| u32::try_from(at + 1).ok())
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The date in brackets that a text begins with, in days since 1970, and the rest.
pub(crate) fn leading_day(text: &str) -> (Option<i32>, &str) {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((inside, rest)) = bracketed.filter(|(inside, _)| inside.len() <= 40) else {
        return (None, text);
    };
    match named(inside) {
        Some(Named {
            year: Some(year),
            month: Some(month),
            day: Some(day),
        }) => {
            let date = NaiveDate::from_ymd_opt(year, month, day);
            (date.map(day_of), rest.trim_start())
        }
        _ => (None, text),
    }
}

/// Days since 1970.
pub(crate) fn day_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH_DAYS
}

/// The first moment, in UTC, of a day since 1970.
pub(crate) fn timestamp(day: i32) -> Timestamp {
    Timestamp(0).plus_seconds(i64::from(day) * 24 * 3600)
}

/// 1970-01-01 in days of the common era.
const EPOCH_DAYS: i32 = 719_163;

/// A date in a text, as far as it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) year: Option<i32>,
    pub(crate) month: Option<u32>,
    pub(crate) day: Option<u32>,
}

impl Named {
    /// Whether `day`, in days since 1970, is within the date or `after` days later.
    pub(crate) fn covers(&self, day: i32, after: i32) -> bool {
        (0..=after).any(|later| {
            NaiveDate::from_num_days_from_ce_opt(day - later + EPOCH_DAYS).is_some_and(|date| {
                self.year.is_none_or(|year| year == date.year())
                    && self.month.is_none_or(|month| month == date.month())
                    && self.day.is_none_or(|day| day == date.day())
            })
        })
    }
}

/// The first date of a text that names at least a month: "May 3, 2023", "3 May",
/// "in October 2023", "2023-05-03".
pub(crate) fn named(text: &str) -> Option<Named> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '-'))
        .filter(|word| !word.is_empty())
        .collect();
    let at = |at: Option<usize>| at.and_then(|at| words.get(at)).copied();
    for (nth, word) in words.iter().enumerate() {
        if let Ok(date) = NaiveDate::parse_from_str(word, "%Y-%m-%d") {
            return Some(Named {
                year: Some(date.year()),
                month: Some(date.month()),
                day: Some(date.day()),
            });
        }
        let Some(month) = month(word) else { continue };
        let before = at(nth.checked_sub(1));
        let before = match before {
            Some("of") => at(nth.checked_sub(2)),
            other => other,
        };
        let after = at(Some(nth + 1));
        let day = before
            .and_then(day_of_month)
            .or(after.and_then(day_of_month));
        let year = after
            .and_then(year_of)
            .or(at(Some(nth + 2)).and_then(year_of));
        // Alone, these are words: "may I", "a march".
        let is_word = matches!(*word, "may" | "march" | "mar");
        let is_placed = matches!(
            at(nth.checked_sub(1)),
            Some("in" | "during" | "of" | "since" | "last")
        );
        if !is_word || day.is_some() || year.is_some() || is_placed {
            return Some(Named {
                year,
                month: Some(month),
                day,
            });
        }
    }
    None
}

fn day_of_month(word: &str) -> Option<u32> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let suffix = &word[digits.len()..];
    let day = digits.parse().ok().filter(|day| (1..=31).contains(day));
    day.filter(|_| matches!(suffix, "" | "st" | "nd" | "rd" | "th"))
}

fn year_of(word: &str) -> Option<i32> {
    let year = word.parse().ok();
    year.filter(|year| (1900..2200).contains(year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_in_their_usual_forms() {
        let of = |text: &str| named(text).map(|date| (date.year, date.month, date.day));
        let full = Some((Some(2023), Some(5), Some(3)));
        assert_eq!(of("Who came on May 3, 2023?"), full);
        assert_eq!(of("on the 3rd of May 2023"), full);
        assert_eq!(of("on 2023-05-03"), full);
        assert_eq!(of("in October 2023"), Some((Some(2023), Some(10), None)));
        assert_eq!(of("on March 18"), Some((None, Some(3), Some(18))));
        assert_eq!(of("in May"), Some((None, Some(5), None)));
        assert_eq!(of("What may I eat?"), None);
        assert_eq!(of("the decline of decimals"), None);
    }

    #[test]
    fn texts_begin_with_their_day_in_brackets() {
        let (day, rest) = leading_day("[8 May, 2023] Anna: hi");
        assert_eq!((day, rest), (Some(19_485), "Anna: hi"));
        assert_eq!(leading_day("[draft] Anna: hi"), (None, "[draft] Anna: hi"));
        let may = named("in May 2023").expect("a date");
        assert!(may.covers(19_485, 7));
        assert!(may.covers(19_512, 7)); // June 4
        assert!(!may.covers(19_600, 7));
    }
}
