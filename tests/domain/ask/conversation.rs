//! Conversations: completing follow-ups, and expiry.

use std::sync::Arc;

use mimo::ask::{Conversations, FollowUp, Turn, follow_up};
use mimo::caller::Caller;
use mimo::clock::{FixedClock, Timestamp};
use mimo::limits;

fn turn(query: &str, entities: &[&str]) -> Turn {
    Turn {
        query: query.to_owned(),
        entities: entities.iter().map(|each| (*each).to_owned()).collect(),
        citations: Vec::new(),
    }
}

#[test]
fn follow_ups_are_completed_from_the_conversation() {
    let turns = [
        turn(
            "Who leads the mobile team?",
            &["person:alice", "team:mobile"],
        ),
        turn("What is project Apollo?", &["project:apollo"]),
    ];
    for (asked, expanded, entities) in [
        (
            "And who leads it?",
            "And who leads apollo?",
            vec!["project:apollo"],
        ),
        (
            "what's its budget",
            "what's apollo's budget",
            vec!["project:apollo"],
        ),
        (
            "Where does she live?",
            "Where does alice live?",
            vec!["person:alice"],
        ),
        (
            "does he work on it",
            "does alice work on apollo",
            vec!["person:alice", "project:apollo"],
        ),
        (
            "who works there?",
            "What is project Apollo? who works there?",
            vec!["project:apollo"],
        ),
        (
            "Why?",
            "What is project Apollo? Why?",
            vec!["project:apollo"],
        ),
        (
            "what about Tuesday?",
            "What is project Apollo? what about Tuesday?",
            vec!["project:apollo"],
        ),
        (
            "and the costs?",
            "What is project Apollo? and the costs?",
            vec!["project:apollo"],
        ),
        (
            "tell me more",
            "What is project Apollo? tell me more",
            vec!["project:apollo"],
        ),
    ] {
        let expected = FollowUp::Continues {
            query: expanded.to_owned(),
            entities: entities.into_iter().map(str::to_owned).collect(),
        };
        assert_eq!(follow_up(&turns, asked), expected, "{asked}");
    }
    for asked in [
        "Who leads Gemini?",
        "Why did we drop MongoDB last year?",
        "How do I restart that old printer in the hallway?",
        "Is there a tool for PDFs?",
        "what do we know of the dentist",
        "",
    ] {
        assert_eq!(follow_up(&turns, asked), FollowUp::NewTopic, "{asked}");
    }
    assert_eq!(follow_up(&[], "and who leads it?"), FollowUp::NewTopic);
}

#[test]
fn unmatched_pronoun_refers_to_the_last_question() {
    let turns = [turn("When did we move to Oslo?", &["person:alice"])];
    let FollowUp::Continues { query, .. } = follow_up(&turns, "was that expensive?") else {
        panic!("a new topic");
    };
    assert_eq!(query, "When did we move to Oslo? was that expensive?");
}

#[test]
fn conversation_expires_and_is_reported_as_forgotten() {
    let clock = Arc::new(FixedClock::at(Timestamp(0)));
    let conversations = Conversations::new(clock.clone());
    let caller = Caller::local("global", "session-1");
    let opened = conversations.open(&caller, None);
    assert!(opened.turns.is_empty() && !opened.is_unknown);
    conversations.add(&caller, &opened.id, turn("one", &[]));
    clock.advance_seconds(limits::CONVERSATION_SECONDS_MAX - 1);
    assert_eq!(
        conversations.open(&caller, Some(&opened.id)).turns,
        [turn("one", &[])]
    );
    // Reading does not extend the conversation; asking does.
    conversations.add(&caller, &opened.id, turn("two", &[]));
    clock.advance_seconds(limits::CONVERSATION_SECONDS_MAX - 1);
    assert_eq!(conversations.open(&caller, Some(&opened.id)).turns.len(), 2);
    clock.advance_seconds(1);
    let later = conversations.open(&caller, Some(&opened.id));
    assert!(later.is_unknown && later.turns.is_empty());
    assert_ne!(later.id, opened.id);
}

#[test]
fn conversations_turns_and_entities_are_bounded() {
    let clock = Arc::new(FixedClock::at(Timestamp(0)));
    let conversations = Conversations::new(clock.clone());
    let caller = Caller::local("global", "session-1");
    let ids: Vec<String> = (0..=limits::CONVERSATIONS_MAX)
        .map(|_| {
            clock.advance_seconds(1);
            let id = conversations.open(&caller, None).id;
            conversations.add(&caller, &id, Turn::default());
            id
        })
        .collect();
    assert!(
        conversations.open(&caller, Some(&ids[0])).is_unknown,
        "the longest silent"
    );
    assert!(!conversations.open(&caller, Some(&ids[1])).is_unknown);
    let id = &ids[1];
    for nth in 0..2 * limits::CONVERSATION_TURNS_MAX {
        let mut turn = turn(&nth.to_string(), &[]);
        turn.query
            .push_str(&" long".repeat(limits::CONVERSATION_QUESTION_BYTES_MAX));
        turn.entities = (0..1000).map(|each| format!("thing:{each}")).collect();
        turn.citations = vec!["x".repeat(100_000)];
        conversations.add(&caller, id, turn);
    }
    let turns = conversations.open(&caller, Some(id)).turns;
    assert_eq!(turns.len(), limits::CONVERSATION_TURNS_MAX);
    assert!(turns[0].query.starts_with("8 "), "the newest stay");
    for turn in turns {
        assert!(turn.query.len() <= limits::CONVERSATION_QUESTION_BYTES_MAX);
        assert_eq!(turn.entities.len(), limits::CONVERSATION_NAMES_MAX);
        assert!(turn.citations.is_empty());
    }
}
