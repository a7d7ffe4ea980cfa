//! Bounds of memory search and of its codes.

/// The text of a query.
pub(crate) const QUERY_BYTES_MAX: usize = 100 * 1024;
/// Distinct words of a keyword query; others are ignored.
pub(crate) const QUERY_WORDS_MAX: usize = 128;
/// A word of the keyword index on PostgreSQL, whose entries have a bound; longer ones are
/// cut off.
pub(crate) const KEYWORD_BYTES_MAX: usize = 256;
/// Matches in a long text that are compared to find the passage to show.
pub(crate) const PASSAGE_MATCHES_MAX: usize = 200;
/// The newest memories of which the most important answer who the user is.
pub(crate) const OVERVIEW_MEMORIES_MAX: usize = 500;
/// Results that are sorted by age if the newest is asked for.
pub(crate) const NEWEST_OF_MAX: usize = 20;
/// The fewest results on a page that may end before the usual number.
pub(crate) const SHOWN_MIN: usize = 5;
/// Results on one page.
pub(crate) const SEARCH_LIMIT_MAX: usize = 100;
/// Memories that a search without results counts for each of its filters.
pub(crate) const COUNTED_MAX: usize = 100;
/// The text that it shows of the nearest memory.
pub(crate) const NEAREST_BYTES_MAX: usize = 80;
/// Ids in one `memory_search`.
pub(crate) const SEARCH_IDS_MAX: usize = 200;
/// Candidates of each side of a search that are ranked together. The weights were
/// measured with this many; later pages take more.
pub(crate) const CANDIDATES_DEFAULT: usize = 200;
/// The best candidates of each side whose neighbours in a conversation are ranked too.
pub(crate) const CANDIDATES_WITH_NEIGHBOURS_MAX: usize = 100;
/// Neighbours on each side of a candidate, in positions of its thread.
pub(crate) const CANDIDATE_NEIGHBOURS_MAX: i64 = 4;
/// The greatest number of candidates, which bounds paging.
pub(crate) const CANDIDATES_MAX: usize = 2_000;
/// Exact cosines are computed for the nearest vectors by code: this many times the
/// wanted memories.
pub(crate) const NEAREST_RESCORED_FACTOR: usize = 4;
/// The least number of exact cosines.
pub(crate) const NEAREST_RESCORED_MIN: usize = 100;
/// The most by which that number is multiplied if a filter drops too many of them.
pub(crate) const NEAREST_RESCORED_GROWTH: usize = 16;
/// With at most this many memories that pass the filter, all are compared instead.
pub(crate) const NEAREST_COMPARED_MAX: usize = 4_096;
/// A search reads by index which memories pass a filter if that takes no longer than the
/// look-ups it saves: at most the root of this many times the number of memories. A
/// filter that n of N memories pass costs each side of a search 200 N / n look-ups of
/// 12 µs, and an entry of the index and of its vector costs 1.2 µs.
pub(crate) const FILTER_LOOK_UPS_SAVED: usize = 4_000;

/// A listing sorts at most this many memories of a tag, a thread or a project by age;
/// beyond it, memories are read in the order of age until enough pass.
pub(crate) const LISTING_SORTED_MAX: usize = 1_000;

/// Vectors without a code; beyond it the next write codes them.
pub(crate) const VECTORS_UNCODED_MAX: i64 = 256;
/// Vectors of each model that one write codes.
pub(crate) const VECTORS_CODED_AT_ONCE_MAX: i64 = 4_096;

/// The longest text before a colon that can name who speaks.
pub(crate) const LABEL_CHARS_MAX: usize = 30;
/// The longest phrase that says when: "in the last three days".
pub(crate) const WHEN_PHRASE_WORDS_MAX: usize = 6;
