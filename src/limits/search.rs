//! Bounds of searching memories, and of the codes that it reads.

/// The text of a query.
pub const QUERY_BYTES_MAX: usize = 100 * 1024;
/// Different words of one keyword query; the rest are left out.
pub const QUERY_WORDS_MAX: usize = 128;
/// Results on one page.
pub const SEARCH_LIMIT_MAX: usize = 100;
/// Ids in one `memory_search`.
pub const SEARCH_IDS_MAX: usize = 200;
/// The best of each side of a search that are ranked together. The weights
/// were measured with this many; later pages take more.
pub const CANDIDATES_DEFAULT: usize = 200;
/// How deep into a ranked result pages can go.
pub const CANDIDATES_MAX: usize = 2_000;
/// Of the vectors nearest by their codes, how many have their cosines taken: so
/// many times the memories that are wanted, and no fewer than this.
pub const NEAREST_RESCORED_FACTOR: usize = 4;
/// See [`NEAREST_RESCORED_FACTOR`].
pub const NEAREST_RESCORED_MIN: usize = 100;
/// How many times as many are taken where a filter leaves out most of them.
pub const NEAREST_RESCORED_GROWTH: usize = 8;
/// Memories that pass such a filter and are compared each, instead.
pub const NEAREST_COMPARED_MAX: usize = 4_096;

/// Vectors without a code; more of them are coded with the next write.
pub const VECTORS_UNCODED_MAX: i64 = 256;
/// Vectors that one write codes, for each model.
pub const VECTORS_CODED_AT_ONCE_MAX: i64 = 4_096;
