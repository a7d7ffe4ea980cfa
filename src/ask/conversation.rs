//! The subjects of recent conversations: a bounded number of turns of a bounded number
//! of conversations, kept in memory for a bounded time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::caller::{Caller, Grants, Reach};
use crate::clock::{Clock, Timestamp};
use crate::limits;
use crate::text::beginning;

/// One question of a conversation, with the subjects of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The completed question.
    pub query: String,
    /// Entities of the answer, the most prominent first: `person:alice`, or a
    /// bare name if the type is not known.
    pub entities: Vec<String>,
    pub citations: Vec<String>,
}

/// A conversation to continue, or a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConversation {
    pub id: String,
    /// Oldest first.
    pub turns: Vec<Turn>,
    /// Whether the given id is not, or no longer, known to this caller.
    pub is_unknown: bool,
}

/// Kept by this process only.
pub struct Conversations {
    clock: Arc<dyn Clock>,
    conversations: Mutex<HashMap<String, Conversation>>,
}

struct Conversation {
    owner: Owner,
    turns: VecDeque<Turn>,
    last_turn_at: Timestamp,
}

/// Who may continue a conversation.
#[derive(PartialEq, Eq)]
enum Owner {
    /// The user at this machine, from any session.
    LocalUser,
    /// The same session with the same grants.
    Session(Arc<str>, Arc<Grants>),
}

impl Owner {
    fn of(caller: &Caller) -> Owner {
        match caller.grants.is_local && *caller.reach() == Reach::Everything {
            true => Owner::LocalUser,
            false => Owner::Session(caller.session.clone(), caller.grants.clone()),
        }
    }
}

impl Conversations {
    pub fn new(clock: Arc<dyn Clock>) -> Conversations {
        Conversations {
            clock,
            conversations: Mutex::default(),
        }
    }

    /// The caller's conversation `id`, or a new one. Nothing is kept before
    /// [`Conversations::add`].
    pub fn open(&self, caller: &Caller, id: Option<&str>) -> OpenConversation {
        let conversations = self.unexpired();
        let owner = Owner::of(caller);
        let known = id.and_then(|id| Some((id, conversations.get(id)?)));
        match known.filter(|(_, conversation)| conversation.owner == owner) {
            Some((id, conversation)) => OpenConversation {
                id: id.to_owned(),
                turns: conversation.turns.iter().cloned().collect(),
                is_unknown: false,
            },
            None => OpenConversation {
                id: self.clock.new_id(),
                turns: Vec::new(),
                is_unknown: id.is_some(),
            },
        }
    }

    /// Adds a turn to the conversation that [`Conversations::open`] gave to this
    /// caller.
    pub fn add(&self, caller: &Caller, id: &str, turn: Turn) {
        let mut conversations = self.unexpired();
        if !conversations.contains_key(id) && conversations.len() >= limits::CONVERSATIONS_MAX {
            let each = conversations.iter();
            let oldest = each.min_by_key(|(id, conversation)| (conversation.last_turn_at, *id));
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                conversations.remove(&oldest);
            }
        }
        let conversation = conversations
            .entry(id.to_owned())
            .or_insert_with(|| Conversation {
                owner: Owner::of(caller),
                turns: VecDeque::new(),
                last_turn_at: Timestamp::default(),
            });
        conversation.last_turn_at = self.clock.now();
        conversation.turns.push_back(bounded(turn));
        if conversation.turns.len() > limits::CONVERSATION_TURNS_MAX {
            conversation.turns.pop_front();
        }
    }

    fn unexpired(&self) -> MutexGuard<'_, HashMap<String, Conversation>> {
        let mut conversations = self
            .conversations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let expiry = |last: Timestamp| last.plus_seconds(limits::CONVERSATION_SECONDS_MAX);
        conversations.retain(|_, conversation| expiry(conversation.last_turn_at) > now);
        conversations
    }
}

fn bounded(turn: Turn) -> Turn {
    let bounded = |names: Vec<String>| {
        let names = names.into_iter();
        let names = names.filter(|name| name.len() <= 2 * limits::NAME_BYTES_MAX);
        names.take(limits::CONVERSATION_NAMES_MAX).collect()
    };
    Turn {
        query: beginning(&turn.query, limits::CONVERSATION_QUESTION_BYTES_MAX).to_owned(),
        entities: bounded(turn.entities),
        citations: bounded(turn.citations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn conversation_is_unknown_to_every_other_limited_caller() {
        let conversations = Conversations::new(Arc::new(FixedClock::at(Timestamp(0))));
        let fenced = |project: &str, session: &str| Caller::new(Grants::fenced(project), session);
        let (alice, local) = (fenced("a", "s"), Caller::local("a", "s"));
        let others = [fenced("a", "t"), fenced("b", "s"), local.clone()];
        let id = conversations.open(&alice, None).id;
        conversations.add(&alice, &id, Turn::default());
        assert!(!conversations.open(&alice, Some(&id)).is_unknown);
        for other in others {
            assert!(conversations.open(&other, Some(&id)).is_unknown);
        }
        let id = conversations.open(&local, None).id;
        conversations.add(&local, &id, Turn::default());
        assert!(
            !conversations
                .open(&Caller::local("a", "t"), Some(&id))
                .is_unknown
        );
        assert!(conversations.open(&alice, Some(&id)).is_unknown);
    }
}
