//! What a model reads about Mimo before it reads any tool.

use crate::limits;

/// The instructions of the server.
pub const INSTRUCTIONS: &str = "Mimo keeps what should outlast this conversation, on this machine, \
for every session and client.
- When a task begins, or may have a history: memory_search, before you ask the user again. \
ask_mimo puts one question to everything stored, and cites its sources.
- When a decision, preference or fact comes up that is worth keeping: memory_store, one \
self-contained statement each, no secrets. What replaces something gets supersedes_id or a topic_key.
- How people, things and places are related: graph_update, graph_query.
- Steps that will be repeated: procedure_find, procedure_define, procedure_run.
- A tool that you lack: skill_find.
A failed call changes nothing; its error says what to do instead.";

const _: () = assert!(words(INSTRUCTIONS) <= limits::INSTRUCTIONS_WORDS_MAX);

/// How many words a text has.
const fn words(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut count, mut at) = (0, 0);
    while at < bytes.len() {
        let begins = at == 0 || bytes[at - 1].is_ascii_whitespace();
        if begins && !bytes[at].is_ascii_whitespace() {
            count += 1;
        }
        at += 1;
    }
    count
}
