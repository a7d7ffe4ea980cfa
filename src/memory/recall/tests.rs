use super::*;
use crate::text::features::features;

fn hit(id: MemoryId, score: f32, thread: u32, position: i64) -> Hit {
    Hit {
        id,
        score,
        thread,
        position,
    }
}

/// The candidates of these hits: notes, or turns of conversations.
fn candidates(keyword: Vec<Hit>, semantic: Vec<Hit>, is_talk: bool) -> Candidates {
    let mut pool: Vec<Candidate> = Vec::new();
    for hit in keyword.iter().chain(&semantic) {
        if !pool.iter().any(|known| known.id == hit.id) {
            pool.push(Candidate {
                id: hit.id,
                thread: hit.thread,
                position: hit.position,
                words: 1,
                surroundings: Surroundings {
                    labelled: f32::from(u8::from(is_talk)),
                    thread_questions: 0.2,
                    ..Surroundings::default()
                },
                ..Candidate::default()
            });
        }
    }
    Candidates {
        keyword,
        semantic,
        pool,
        idf: vec![1.0],
    }
}

fn texts(texts: &[&str], is_talk: bool) -> Candidates {
    let hits = texts.iter().enumerate();
    // All score alike, and none is a neighbour of another.
    let hits = hits.map(|(nth, _)| hit(nth as i64, 1.0, nth as u32, 1));
    let mut all = candidates(hits.collect(), vec![], is_talk);
    for (candidate, text) in all.pool.iter_mut().zip(texts) {
        candidate.features = features(text);
        candidate.is_labelled = candidate.features.label.is_some();
    }
    all
}

fn first(question: &str, candidates: &Candidates) -> MemoryId {
    let question = Question::of(question);
    rank(&question, candidates, Weights::default(), 0.0)[0].id
}

fn ids(candidates: &Candidates, weights: Weights) -> Vec<MemoryId> {
    let ranked = rank(&Question::default(), candidates, weights, 0.0);
    assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
    ranked.into_iter().map(|ranked| ranked.id).collect()
}

#[test]
fn both_sides_count_by_their_weights() {
    let keyword = vec![hit(1, 9.0, 0, 1), hit(2, 1.0, 1, 1)];
    let semantic = vec![hit(3, 0.9, 2, 1), hit(2, 0.2, 1, 1)];
    let ranked = |keyword_weight, semantic_weight| {
        let weights = Weights {
            keyword: keyword_weight,
            semantic: semantic_weight,
            neighbours: [0.0; 2],
            ..Weights::default()
        };
        let fused = fuse(&keyword, &semantic, weights).into_iter();
        fused.map(|ranked| ranked.id).collect::<Vec<_>>()
    };
    assert_eq!(ranked(0.6, 0.4), [1, 3, 2]);
    assert_eq!(ranked(0.4, 0.6), [3, 1, 2]);
    let none = candidates(vec![], vec![], true);
    assert_eq!(ids(&none, Weights::default()), Vec::<MemoryId>::new());
}

#[test]
fn memories_too_far_in_meaning_only_scale_the_others() {
    let semantic = vec![hit(1, 0.5, 0, 1), hit(2, 0.4, 0, 9), hit(3, 0.1, 0, 2)];
    let ranked = |all: &Candidates, threshold| {
        let ranked = rank(&Question::default(), all, Weights::default(), threshold);
        ranked
            .into_iter()
            .map(|ranked| (ranked.id, ranked.score))
            .collect::<Vec<_>>()
    };
    let mut all = candidates(vec![], semantic, false);
    let scores = ranked(&all, 0.0);
    assert_eq!(scores.len(), 3);
    assert_eq!(ranked(&all, 0.3), scores[..2]);
    // A word of the query is enough, and so is a neighbour in a conversation.
    all.keyword = vec![hit(3, 1.0, 0, 2)];
    assert_eq!(ranked(&all, 0.3).len(), 3);
    all.keyword.clear();
    for candidate in &mut all.pool {
        candidate.surroundings.questions = 0.1;
    }
    assert_eq!(ranked(&all, 0.3).len(), 3);
    assert_eq!(ranked(&all, 0.6), []);
}

#[test]
fn preceding_neighbour_in_a_conversation_raises_rank_most() {
    // All but the first score nothing of their own.
    let keyword = vec![
        hit(10, 5.0, 0, 10),
        hit(1, 0.0, 0, 11), // follows it
        hit(2, 0.0, 0, 9),  // precedes it
        hit(3, 0.0, 0, 12), // two after
        hit(4, 0.0, 0, 13),
        hit(5, 0.0, 0, 14),
        hit(6, 0.0, 0, 15), // too far
        hit(7, 0.0, 1, 11), // elsewhere
    ];
    let talk = candidates(keyword.clone(), vec![], true);
    assert_eq!(ids(&talk, Weights::default()), [10, 1, 2, 3, 4, 5, 6, 7]);
    let notes = candidates(keyword, vec![], false);
    assert_eq!(
        ids(&notes, Weights::default()),
        [10, 1, 2, 3, 4, 5, 6, 7],
        "notes gain nothing from neighbours, so their ids decide"
    );
    let scores = rank(&Question::default(), &notes, Weights::default(), 0.0);
    assert!(scores[1..].iter().all(|ranked| ranked.score == 0.0));
}

#[test]
fn note_with_one_generic_word_does_not_beat_the_one_that_is_meant() {
    let keyword = vec![hit(1, 9.0, 0, 1), hit(3, 1.0, 2, 1)];
    let semantic = vec![hit(2, 0.9, 1, 1), hit(1, 0.3, 0, 1)];
    let mut notes = candidates(keyword, semantic, false);
    // The first has one word of ten.
    notes.idf = vec![1.0; 10];
    assert_eq!(ids(&notes, Weights::default())[0], 2);
}

#[test]
fn turns_of_the_speaker_in_question_come_first() {
    let turns = ["Tom: I like tea a lot", "Ann: I like tea a lot"];
    assert_eq!(first("What does Ann like?", &texts(&turns, true)), 1);
    assert_eq!(first("What do Ann and Tom like?", &texts(&turns, true)), 0);
    assert_eq!(first("What does Ann like?", &texts(&turns, false)), 0);
}

#[test]
fn turns_that_answer_come_before_turns_that_ask() {
    let turns = ["do you like tea?", "you do like tea"];
    assert_eq!(first("tea", &texts(&turns, true)), 1);
    assert_eq!(first("tea", &texts(&turns, false)), 0);
}

#[test]
fn turns_with_a_time_answer_when() {
    let turns = ["we met at the lake", "we met there yesterday"];
    assert_eq!(first("When did they meet?", &texts(&turns, true)), 1);
    assert_eq!(first("Where did they meet?", &texts(&turns, true)), 0);
}

#[test]
fn another_of_a_series_is_not_meant() {
    let notes = ["Room 1 has no window.", "Room 2 has no window."];
    assert_eq!(first("Has room 2 a window?", &texts(&notes, false)), 1);
    assert_eq!(first("Has a room a window?", &texts(&notes, false)), 0);
}

#[test]
fn text_of_another_day_is_not_meant() {
    let notes = ["[8 May, 2023] A walk.", "[8 June, 2023] A walk."];
    assert_eq!(
        first("Who walked on June 7, 2023?", &texts(&notes, false)),
        1
    );
    assert_eq!(first("Who walked?", &texts(&notes, false)), 0);
}

#[test]
fn labels_without_questions_are_no_conversation() {
    let around = |labelled, thread_questions| Surroundings {
        labelled,
        thread_questions,
        ..Surroundings::default()
    };
    assert_eq!(talk(&around(1.0, 0.004)), 0.0);
    assert_eq!(talk(&around(1.0, 0.1)), 1.0);
    assert_eq!(talk(&around(0.3, 0.1)), 0.0);
    let unlabelled = |coherence: f32| Surroundings {
        questions: 0.2,
        thread_questions: 0.2,
        coherence: Some(coherence),
        ..Surroundings::default()
    };
    assert_eq!(talk(&unlabelled(0.01)), 0.0);
    assert_eq!(talk(&unlabelled(0.1)), 1.0);
}

#[test]
fn older_version_at_the_same_position_counts_once() {
    let keyword = vec![
        hit(1, 5.0, 0, 1),
        hit(2, 5.0, 0, 1),
        hit(3, 0.0, 0, 2),
        hit(4, 5.0, 1, 1),
        hit(5, 0.0, 1, 2),
    ];
    let all = candidates(keyword, vec![], true);
    let ranked = rank(&Question::default(), &all, Weights::default(), 0.0);
    let score = |id| ranked.iter().find(|r| r.id == id).map(|r| r.score);
    assert_eq!(score(3), score(5));
}

#[test]
fn equal_scores_stand_in_the_order_of_their_ids() {
    let same = vec![hit(7, 1.0, 0, 1), hit(3, 1.0, 1, 1), hit(5, 1.0, 2, 1)];
    assert_eq!(
        ids(&candidates(same, vec![], true), Weights::default()),
        [3, 5, 7]
    );
}
