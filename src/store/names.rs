//! The part of the port that completes prefixes to names. Each query is bounded, and
//! its answer says whether there may be more.

use std::collections::BTreeSet;

use super::Stored;
use super::memory::MemoryId;
use crate::caller::Reach;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Projects with an active memory: all within reach.
    Project,
    /// Tags of active memories.
    Tag,
    /// Topic keys of active memories.
    TopicKey,
    /// Ids of active memories. Without a prefix the latest first, else the
    /// highest first.
    Memory,
    /// Names of entities: first those that begin with the prefix, then those of
    /// which another word does.
    EntityName,
    /// `type:id` of entities: first those that begin with the prefix, then as for
    /// names.
    EntityKey,
}

#[derive(Clone, Debug)]
pub struct NamesQuery {
    pub kind: NameKind,
    pub reach: Reach,
    /// Only in these projects; empty means all within reach.
    pub projects: Vec<String>,
    /// Case does not matter.
    pub prefix: String,
    pub limit: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Each once; in alphabetical order unless the kind says otherwise.
    pub names: Vec<String>,
    /// Whether there may be others.
    pub(crate) more: bool,
}

/// What [`NameStore::spellings`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpelledKind {
    Project,
    Tag,
}

/// The form in which names that differ only in case are equal.
pub(crate) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

pub trait NameStore: Send + Sync {
    /// For each of `names` the projects or tags of active memories within reach, and the
    /// projects of the graph, that differ from it in case only, or not at all; in byte order.
    fn spellings(
        &self,
        reach: &Reach,
        kind: SpelledKind,
        names: Vec<String>,
    ) -> Stored<'_, Vec<Vec<String>>>;

    fn names(&self, query: NamesQuery) -> Stored<'_, Names>;

    /// The active memories with this topic key, or one that continues it after a
    /// colon, then the latest with this tag; case-insensitively.
    fn memories_by_name(
        &self,
        reach: &Reach,
        projects: Vec<String>,
        name: String,
        limit: usize,
    ) -> Stored<'_, Vec<MemoryId>>;
}

/// Ranges of an index in which one prefix is looked for.
const RANGES: usize = 32;

/// The upper bound of all texts with this prefix.
pub(super) fn end_of(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// The ranges that hold every text with this prefix in any case: by as many
/// of its first characters, each in both cases, as give few ranges. The texts there
/// still have to be compared.
pub(super) fn ranges(prefix: &str) -> Vec<(String, String)> {
    let mut begins = BTreeSet::from([String::new()]);
    for c in prefix.chars() {
        let cases = [Some(c), single(c.to_lowercase()), single(c.to_uppercase())];
        let cases: BTreeSet<char> = cases.into_iter().flatten().collect();
        if begins.len() * cases.len() > RANGES {
            break;
        }
        let longer = |begin: &String| {
            let begin = begin.clone();
            cases
                .clone()
                .into_iter()
                .map(move |c| format!("{begin}{c}"))
        };
        begins = begins.iter().flat_map(longer).collect();
    }
    let range = |begin: String| (begin.clone(), end_of(&begin));
    begins.into_iter().map(range).collect()
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

/// The ranges of ids that begin with these digits, the highest first.
pub(super) fn id_ranges(prefix: &str) -> Vec<(i64, i64)> {
    if prefix.is_empty() {
        return vec![(1, i64::MAX)];
    }
    let digits = prefix.bytes().all(|c| c.is_ascii_digit()) && !prefix.starts_with('0');
    let Some(first) = prefix.parse::<i64>().ok().filter(|_| digits) else {
        return Vec::new();
    };
    let range = |factor: i64| {
        let end = first.checked_add(1)?.checked_mul(factor)?;
        Some((first.checked_mul(factor)?, end))
    };
    let factors = (0..18).map(|zeros| 10_i64.pow(zeros));
    let mut ranges: Vec<(i64, i64)> = factors.map_while(range).collect();
    ranges.reverse();
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_search_uses_few_ranges_in_both_cases() {
        let begins = |prefix| -> Vec<String> {
            let ranges = ranges(prefix).into_iter();
            ranges.map(|(start, _)| start).collect()
        };
        assert_eq!(begins(""), [""]);
        assert_eq!(begins("a-1"), ["A-1", "a-1"]);
        assert_eq!(begins("%_*"), ["%_*"]);
        assert_eq!(begins("Ab"), ["AB", "Ab", "aB", "ab"]);
        let long = begins("release plan");
        assert_eq!(long.len(), RANGES);
        assert!(long.contains(&"relea".to_owned()), "{long:?}");
        // Its upper case has two characters, so it adds no range of its own.
        assert_eq!(begins("ß"), ["ß"]);
    }

    #[test]
    fn id_prefixes_are_searched_as_ranges() {
        let ranges = id_ranges("12");
        assert_eq!(ranges.last(), Some(&(12, 13)));
        assert_eq!(ranges[ranges.len() - 2], (120, 130));
        assert!(ranges.iter().all(|(start, end)| start < end));
        for wrong in ["0", "01", "-1", "+1", "x", "99999999999999999999"] {
            assert_eq!(id_ranges(wrong), [], "{wrong}");
        }
        assert_eq!(id_ranges("9223372036854775807"), []);
    }
}
