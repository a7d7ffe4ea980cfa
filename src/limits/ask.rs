//! Bounds of `ask_mimo` and of the models that write its answers.

use super::CALL_SECONDS_MAX;

/// Evidence considered for one question: each piece is compared with every other.
pub(crate) const ANSWER_EVIDENCE_MAX: usize = 256;
/// Hits of one store for one question.
pub(crate) const ASK_HITS_PER_STORE_MAX: usize = 20;
/// Hits encoded for one question: 20 tokens take about 1 ms, 200 about 10.
pub(crate) const ASK_VECTORS_MAX: usize = 12;
/// Vectors of hits kept for later questions, of 1.5 KB each.
pub(crate) const ASK_VECTORS_KEPT_MAX: usize = 1_024;
/// The encoded beginning of a hit.
pub(crate) const ASK_VECTOR_BYTES_MAX: usize = 400;
/// The timeout of a question.
pub(crate) const ASK_MILLIS_MIN: u64 = 50;
/// See [`ASK_MILLIS_MIN`].
pub(crate) const ASK_MILLIS_MAX: u64 = (CALL_SECONDS_MAX - 5) * 1000;
/// The least budget of an answer: the routing decision and a sentence.
pub(crate) const ASK_TOKENS_MIN: usize = 256;
/// The text of `degraded`.
pub(crate) const ASK_DEGRADED_BYTES_MAX: usize = 200;
/// Attempts to shorten a synthesis until it fits.
pub(crate) const ASK_ATTEMPTS_MAX: usize = 4;
/// Entities that one question may name.
pub(crate) const ASK_ENTITIES_MAX: usize = 8;
/// Triples considered around the entities of one question.
pub(crate) const ASK_TRIPLES_MAX: usize = 128;
/// Triples of one entity in each direction: of an entity that the question names,
/// and of one next to it.
pub(crate) const ASK_EDGES_OF_ONE_MAX: [usize; 2] = [32, 8];
/// Phrases of one question looked up as predicates.
pub(crate) const ASK_PREDICATE_PHRASES_MAX: usize = 64;
/// Latest memories of each entity considered for one question.
pub(crate) const ASK_NAMING_MAX: usize = 32;
/// Hits that links add to a store.
pub(crate) const ASK_LINKED_HITS_MAX: usize = 8;
/// Best memories whose entities lead into the graph.
pub(crate) const ASK_LINKING_MEMORIES_MAX: usize = 3;
/// The quotations of an answer if only the cited passages are wanted.
pub(crate) const ASK_QUOTED_BYTES_MAX: usize = 800;
/// The quoted beginning of a sentence.
pub(crate) const ANSWER_SENTENCE_BYTES_MAX: usize = 500;
/// Sentences quoted from one source.
pub(crate) const ANSWER_SENTENCES_PER_SOURCE_MAX: usize = 3;
/// The beginning of a source from which sentences are quoted.
pub(crate) const ANSWER_SOURCE_BYTES_MAX: usize = 16 * 1024;
pub(crate) const ASK_PROMPT_QUESTION_BYTES_MAX: usize = 4 * 1024;
pub(crate) const ASK_PROMPT_SOURCE_BYTES_MAX: usize = 2_000;
/// All sources in a prompt.
pub(crate) const ASK_PROMPT_BYTES_MAX: usize = 24 * 1024;
/// The length of the answer that a model is asked for.
pub(crate) const ASK_WRITTEN_TOKENS_MAX: usize = 1_000;
/// The part of a model's answer that is read; the rest is dropped.
pub(crate) const ASK_WRITTEN_BYTES_MAX: usize = 16 * 1024;
/// With less time left, no model is called.
pub(crate) const ASK_MODEL_MILLIS_MIN: u64 = 100;
/// Time left for the answer after a model's deadline.
pub(crate) const ASK_MODEL_MARGIN_MILLIS: u64 = 50;
/// A reason that a client or a model gives for refusing.
pub(crate) const ASK_REASON_BYTES_MAX: usize = 80;

/// Concurrent requests to the endpoint.
pub(crate) const ENDPOINT_REQUESTS_MAX: usize = 4;
/// One response of the endpoint.
pub(crate) const ENDPOINT_BODY_BYTES_MAX: u64 = 1024 * 1024;

/// Conversations kept; beyond it the one with the oldest last turn is dropped.
pub const CONVERSATIONS_MAX: usize = 256;
/// How long a conversation is kept after its last turn.
pub const CONVERSATION_SECONDS_MAX: i64 = 3_600;
/// Latest turns kept of a conversation.
pub const CONVERSATION_TURNS_MAX: usize = 8;
/// Entities kept of one turn, and as many citations.
pub const CONVERSATION_NAMES_MAX: usize = 32;
/// The question kept of one turn.
pub const CONVERSATION_QUESTION_BYTES_MAX: usize = 1_000;
