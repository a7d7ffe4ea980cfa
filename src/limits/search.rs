//! Bounds of memory search and of its codes.

/// Bytes of a query.
pub(crate) const QUERY_BYTES_MAX: usize = 100 * 1024;
/// Distinct words of a keyword query; others are ignored.
pub(crate) const QUERY_WORDS_MAX: usize = 128;
/// Bytes of a word in the keyword index on PostgreSQL, whose index entries are bounded;
/// longer words are cut off.
pub(crate) const KEYWORD_BYTES_MAX: usize = 256;
/// Matches in a long text that are compared to find the passage to show.
pub(crate) const PASSAGE_MATCHES_MAX: usize = 200;
/// The newest memories of which the most important answer who the user is.
pub(crate) const OVERVIEW_MEMORIES_MAX: usize = 500;
/// The best results that are sorted by age if the question asks for the newest.
pub(crate) const SORTED_BY_AGE_MAX: usize = 20;
/// Results that a page has however weak they are.
pub(crate) const WEAK_RESULTS_MIN: usize = 5;
/// Results on one page.
pub(crate) const SEARCH_LIMIT_MAX: usize = 100;
/// An empty result says how many memories pass each filter alone, up to this count.
pub(crate) const EMPTY_RESULT_COUNT_MAX: usize = 100;
/// Bytes of the nearest memory that an empty result shows.
pub(crate) const EMPTY_RESULT_NEAREST_BYTES_MAX: usize = 80;
/// Ids in one `memory_search`.
pub(crate) const SEARCH_IDS_MAX: usize = 200;
/// Candidates of each side of a search that are ranked together. The weights were
/// measured with this many; later pages take more.
pub(crate) const CANDIDATES_DEFAULT: usize = 200;
/// The best candidates of each side whose neighbours in a conversation are ranked too.
pub(crate) const CANDIDATES_WITH_NEIGHBOURS_MAX: usize = 100;
/// Neighbours on each side of a candidate, in positions of its thread.
pub(crate) const CANDIDATE_NEIGHBOURS_MAX: i64 = 4;
/// Candidates of each side, however far a client pages.
pub(crate) const CANDIDATES_MAX: usize = 2_000;
/// The nearest vectors by code are rescored with their exact cosines: this many times as
/// many as memories are wanted.
pub(crate) const NEAREST_RESCORED_FACTOR: usize = 4;
/// Vectors that are rescored at least.
pub(crate) const NEAREST_RESCORED_MIN: usize = 100;
/// The factor by which that number may grow while a filter drops too many of them.
pub(crate) const NEAREST_RESCORED_GROWTH: usize = 16;
/// Codes that are compared in the time of an exact cosine: a million take 46 ms, and 800
/// cosines 4.3 ms, their vectors read.
pub(crate) const NEAREST_CODES_A_COSINE: usize = 200;
/// Where at most this many memories pass the filter, all are compared exactly.
pub(crate) const NEAREST_COMPARED_MAX: usize = 4_096;
/// A search first reads the ids that pass a filter from an index, where at most
/// `sqrt(this * N)` of N memories pass. Reading n ids with their vectors takes 1.2 µs
/// each, and saves both sides of the search 200 N / n look-ups of 12 µs: the costs are
/// equal at n² = 4,000 N.
pub(crate) const PREFILTER_FACTOR: usize = 4_000;

/// Where several indexes lead to a listing, it reads the one that leads to the fewest. It
/// counts what each leads to up to the first of these, and where all lead to more, to the
/// next: an entry is counted in a fiftieth of the time that reading its memory takes.
pub(crate) const LISTING_COUNTED_MAX: [usize; 2] = [1_000, 100_000];

/// Vectors without a code; beyond it the next write codes them.
pub(crate) const VECTORS_UNCODED_MAX: i64 = 256;
/// Vectors of each model that one write codes.
pub(crate) const VECTORS_CODED_AT_ONCE_MAX: i64 = 4_096;

/// The longest text before a colon that can name who speaks.
pub(crate) const LABEL_CHARS_MAX: usize = 30;
/// The longest phrase that says when: "in the last three days".
pub(crate) const WHEN_PHRASE_WORDS_MAX: usize = 6;
