//! Answering a question: conversation, routing, search, selection and synthesis, all
//! under one deadline.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Author, Budget, Format, Hit, Record};
use super::fan_out::{Findings, fan_out};
use super::past::asks_about_past;
use super::relevance::Relevance;
use super::skill_tools::SkillTools;
use super::{
    Candidate, Conversations, Decision, FollowUp, Router, StoreKind, Synthesis, Turn, Writers,
    follow_up, select,
};
use crate::caller::{Caller, Grants};
use crate::embed::VectorCache;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::limits;
use crate::memory::Memories;
use crate::procedure::Procedures;
use crate::store::NameStore;

/// Parts of the time, in tenths: encoding the question ends after 4, the
/// searches after 8, following links and comparing after 9. The rest is left for
/// the synthesis.
const ENCODE_TENTHS: u32 = 4;
const SEARCH_TENTHS: u32 = 8;
const COMPARE_TENTHS: u32 = 9;
/// Part of the budget for results, in tenths. The rest is left for the synthesis.
const RESULT_TENTHS: usize = 6;

/// Answers questions from everything that is stored.
pub(crate) struct Ask {
    pub(super) memories: Arc<Memories>,
    pub(super) graph: Arc<Graph>,
    pub(super) procedures: Procedures,
    /// Absent if there is no registry.
    pub(super) skills: Option<Arc<dyn SkillTools>>,
    pub(super) writers: Writers,
    pub(super) vectors: VectorCache,
    conversations: Conversations,
    /// Made at the first question, so that it does not delay the start.
    router: OnceLock<Router>,
}

pub(crate) struct Question {
    pub(crate) query: String,
    /// Overrides routing; the first is the primary store.
    pub(crate) stores: Option<Vec<StoreKind>>,
    pub(crate) timeout: Duration,
    /// Bound of the whole answer in its format.
    pub(crate) max_bytes: usize,
    /// Bound of its quotations; without one, all that is relevant is quoted.
    pub(crate) quoted_bytes: Option<usize>,
    /// The conversation to continue.
    pub(crate) context_id: Option<String>,
    /// Where memories and triples are looked for; empty means all within reach.
    pub(crate) projects: Vec<String>,
}

/// One query for every store.
#[derive(Clone)]
pub(super) struct StoreQuery {
    /// The question, completed from the conversation.
    pub(crate) text: String,
    /// Its vector; `None` if it could not be encoded.
    pub(crate) vector: Option<Vec<f32>>,
    /// Entities it is about without naming them.
    pub(crate) entities: Vec<String>,
    /// Whether replaced statements may be the answer.
    pub(crate) include_superseded: bool,
    /// What the caller may see.
    pub(crate) grants: Arc<Grants>,
    pub(crate) projects: Vec<String>,
}

/// When a question was asked, and how long answering it may take.
#[derive(Clone, Copy)]
struct TimeBudget {
    start: Instant,
    timeout: Duration,
}

impl TimeBudget {
    /// The moment at which this many tenths are used up.
    fn after_tenths(self, tenths: u32) -> Instant {
        self.start + self.timeout * tenths / 10
    }

    fn synthesis_deadline(self) -> Instant {
        let margin = Duration::from_millis(limits::ASK_MODEL_MARGIN_MILLIS);
        self.start + self.timeout.saturating_sub(margin)
    }
}

impl Ask {
    /// The port that knows the names of what is stored.
    pub(crate) fn names(&self) -> &dyn NameStore {
        self.memories.names()
    }

    pub(crate) fn new(
        memories: Arc<Memories>,
        graph: Arc<Graph>,
        procedures: Procedures,
        skills: Option<Arc<dyn SkillTools>>,
        writers: Writers,
    ) -> Ask {
        Ask {
            conversations: Conversations::new(memories.clock()),
            memories,
            graph,
            procedures,
            skills,
            writers,
            vectors: VectorCache::new(limits::ASK_VECTORS_KEPT_MAX),
            router: OnceLock::new(),
        }
    }

    /// Answers from what `caller` may read, in at most `question.max_bytes` of
    /// `format`.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        question: Question,
        caller: &Caller,
        cancel: &CancellationToken,
        format: &dyn Format,
    ) -> Result<Answer, Failure> {
        let time = TimeBudget {
            start: Instant::now(),
            timeout: question.timeout,
        };
        let context_id = question.context_id.as_deref();
        let conversation = self.conversations.open(caller, context_id);
        let projects = question.projects.clone();
        let mut store_query = store_query(caller, &conversation.turns, &question.query, projects);
        let stores = question.stores.as_deref();
        let (decision, mut findings) = self.search(&mut store_query, stores, time).await?;
        if conversation.is_unknown {
            let why = "this context_id has expired; asked without it";
            findings.degraded.push(why.to_owned());
        }

        let budget = Budget {
            bytes: question.max_bytes,
            quoted_bytes: question.quoted_bytes,
            format,
        };
        let mut answer = Answer {
            query_id: self.memories.clock().new_id(),
            context_id: conversation.id,
            decision,
            failed: findings.failed,
            degraded: findings.degraded,
            hits: Vec::new(),
            is_truncated: true,
            author: Author::Extract,
            synthesis: Synthesis::default(),
        };
        let result_bytes = budget.remaining(&answer) * RESULT_TENTHS / 10;
        let hits = findings.hits.into_values();
        let ranked = hits.flat_map(|hits| hits.into_iter().enumerate());
        let is_routed = question.stores.is_none();
        keep_best(
            &mut answer,
            &store_query.text,
            is_routed,
            ranked,
            format,
            result_bytes,
        );

        let deadline = time.synthesis_deadline();
        self.synthesize(
            &store_query.text,
            &mut answer,
            &budget,
            caller,
            cancel,
            deadline,
        )
        .await;
        let recalled = answer.hits.iter().filter_map(Hit::memory_id);
        self.memories.count_recall(recalled.collect());
        let turn = Turn {
            query: store_query.text,
            entities: answer.entities(),
            citations: answer.synthesis.citations.clone(),
        };
        self.conversations.add(caller, &answer.context_id, turn);
        Ok(answer)
    }

    /// Searches the stores that the router or the caller chose. If none of the
    /// router's has an answer, the other stores too.
    async fn search(
        self: &Arc<Self>,
        store_query: &mut StoreQuery,
        chosen: Option<&[StoreKind]>,
        time: TimeBudget,
    ) -> Result<(Decision, Findings), Failure> {
        let encoding = self.memories.encode(vec![store_query.text.clone()]);
        let encoding = timeout_at(time.after_tenths(ENCODE_TENTHS), encoding).await;
        store_query.vector = encoding.ok().and_then(Result::ok).and_then(|mut v| v.pop());
        let mut decision = self.route(store_query, chosen)?;
        let mut findings = Findings::default();
        let first: Vec<StoreKind> = decision.stores().collect();
        self.search_stores(store_query, &first, &mut findings, time)
            .await;
        let rest = StoreKind::ALL.into_iter();
        let rest: Vec<StoreKind> = rest.filter(|store| !first.contains(store)).collect();
        let is_in_time = || Instant::now() < time.after_tenths(SEARCH_TENTHS);
        if chosen.is_none()
            && !rest.is_empty()
            && !has_answer(store_query, &findings)
            && is_in_time()
        {
            self.search_stores(store_query, &rest, &mut findings, time)
                .await;
            decision.secondary.extend(rest);
            decision.reasoning += "; nothing there answers, so the other stores were asked too";
        }
        if store_query.vector.is_none() {
            let why = "compared by words only: the question could not be encoded in time";
            findings.degraded.push(why.to_owned());
        }
        Ok((decision, findings))
    }

    fn route(
        &self,
        store_query: &StoreQuery,
        chosen: Option<&[StoreKind]>,
    ) -> Result<Decision, Failure> {
        let router = match self.router.get() {
            Some(router) => router,
            None => {
                let router = Router::new()?;
                self.router.get_or_init(|| router)
            }
        };
        let vector = store_query.vector.as_deref();
        let vector = vector.map(|vector| (self.memories.model(), vector));
        let routed = router.route(&store_query.text, vector);
        Ok(match chosen {
            Some([primary, secondary @ ..]) => Decision {
                primary: *primary,
                secondary: secondary.to_vec(),
                confidence: 1.0,
                reasoning: "the caller chose the stores".to_owned(),
                requires_synthesis: routed.requires_synthesis,
            },
            _ => routed,
        })
    }

    /// Adds the hits of `stores` to `findings`, follows links between stores, and
    /// compares all hits with the question.
    async fn search_stores(
        self: &Arc<Self>,
        store_query: &StoreQuery,
        stores: &[StoreKind],
        findings: &mut Findings,
        time: TimeBudget,
    ) {
        let searches = stores.iter();
        let searches =
            searches.map(|store| (*store, self.store_search(*store, store_query.clone())));
        let deadline = time.after_tenths(SEARCH_TENTHS);
        findings.merge(fan_out(searches.collect(), deadline).await);
        let deadline = time.after_tenths(COMPARE_TENTHS);
        self.follow_links(findings, store_query, deadline).await;
        if let Some(vector) = &store_query.vector {
            self.compare(findings, vector, deadline).await;
        }
    }
}

/// The question, completed from the conversation.
fn store_query(caller: &Caller, turns: &[Turn], query: &str, projects: Vec<String>) -> StoreQuery {
    let (query, entities) = match follow_up(turns, query) {
        FollowUp::NewTopic => (query.to_owned(), Vec::new()),
        FollowUp::Continues { query, entities } => (query, entities),
    };
    StoreQuery {
        include_superseded: asks_about_past(&query),
        text: query,
        vector: None,
        entities,
        grants: caller.grants.clone(),
        projects,
    }
}

fn has_answer(store_query: &StoreQuery, findings: &Findings) -> bool {
    let hits = findings.hits.values().flatten();
    Relevance::to(&store_query.text).is_answered_by(hits.map(|hit| &hit.evidence))
}

/// Gives `answer` the best of the hits, each of which comes with its rank in its
/// store, within `bytes`.
fn keep_best(
    answer: &mut Answer,
    query: &str,
    is_routed: bool,
    ranked: impl Iterator<Item = (usize, Hit)>,
    format: &dyn Format,
    bytes: usize,
) {
    let (mut candidates, mut hits) = (Vec::new(), Vec::new());
    for (rank, hit) in ranked {
        let rank = match hit.record {
            // It came by a link, not by the search.
            Record::Memory(_, None) => usize::MAX,
            _ => rank,
        };
        candidates.push(Candidate {
            evidence: hit.evidence.clone(),
            rank,
            bytes: format.hit_bytes(&hit),
        });
        hits.push(Some(hit));
    }
    let decision = is_routed.then_some(&answer.decision);
    let selection = select(query, decision, &candidates, bytes / limits::TOKEN_BYTES);
    let selected = selection.indices.into_iter();
    answer.hits = selected.filter_map(|index| hits[index].take()).collect();
    answer.is_truncated = selection.is_truncated;
}
