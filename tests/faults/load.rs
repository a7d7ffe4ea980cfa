//! Calls of `memory_store` to put a server under, some in flight at once, and
//! the account of what it acknowledged. Which calls they are follows from a
//! seed alone.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;

use serde_json::{Value, json};

use super::audit::WORD;
use crate::support::server::Reply;
use crate::support::{Server, call_of};

/// Some memories that one call stores, by their texts.
pub type Call = Vec<String>;

/// What became of the calls.
#[derive(Default)]
pub struct Account {
    /// Stored, said the server.
    pub acknowledged: Vec<Call>,
    /// Sent and never answered: the server may have stored them or not.
    pub unanswered: Vec<Call>,
    /// Answered with an error: nothing of them was stored.
    pub refused: Vec<(Call, Value)>,
}

impl Account {
    /// Holds what is in the file against what was said: what was acknowledged
    /// is there exactly once, what was refused is not, and what was never
    /// answered is there whole or not at all. Takes what it accounts for.
    pub fn settle(&self, stored: &mut BTreeMap<String, usize>) {
        for text in self.acknowledged.iter().flatten() {
            assert_eq!(stored.remove(text), Some(1), "acknowledged: {text}");
        }
        for (call, _) in &self.refused {
            let there = call.iter().find(|text| stored.contains_key(*text));
            assert_eq!(there, None, "refused");
        }
        for call in &self.unanswered {
            let there = call.iter().filter(|text| stored.remove(*text) == Some(1));
            let there = there.count();
            assert!(
                there == 0 || there == call.len(),
                "{there} of the {} memories of one call",
                call.len()
            );
        }
    }
}

/// Calls that together store `total` memories, each text once: single ones and
/// batches of up to `most`, as `seed` has it.
pub fn calls(name: &str, total: usize, most: usize, seed: u64) -> Vec<Call> {
    let mut random = seed;
    let mut numbers = 0..total;
    let mut calls = Vec::new();
    loop {
        // A linear congruential generator; its high bits are good enough.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let draw = (random >> 33) as usize;
        let size = if draw.is_multiple_of(2) {
            1
        } else {
            draw / 2 % most + 1
        };
        let text = |n| format!("In the {WORD}, ship {name}x{n} waits for the tide");
        let call: Call = numbers.by_ref().take(size).map(text).collect();
        if call.is_empty() {
            return calls;
        }
        calls.push(call);
    }
}

/// Sends `calls` with `flight` of them open at any time, until all are
/// answered or the server is gone. `killed` is asked at each answer, with the
/// number of memories acknowledged by then, and may end the server; nothing
/// more is sent then.
pub fn drive(
    server: &mut Server,
    calls: Vec<Call>,
    flight: usize,
    mut killed: impl FnMut(&Server, usize) -> bool,
) -> Account {
    let mut account = Account::default();
    let mut open: HashMap<u64, Call> = HashMap::new();
    let mut rest = (0..).zip(calls);
    let mut gone = false;
    for (id, call) in rest.by_ref().take(flight) {
        gone = gone || !send(server, id, &call);
        open.insert(id, call);
    }
    let mut count = 0;
    while !open.is_empty() {
        let Some(line) = server.line() else { break };
        // What a killed server wrote last may be a part of a line.
        let Ok(answer) = serde_json::from_str::<Value>(&line) else {
            break;
        };
        let id = answer["id"].as_u64().expect("an id of ours");
        let call = open.remove(&id).expect("each call is answered once");
        let reply = Reply::of(&answer["result"]);
        if reply.is_error {
            account.refused.push((call, reply.bad()));
        } else {
            let results = reply.document["results"].as_array().map_or(0, Vec::len);
            assert_eq!(results, call.len(), "{}", reply.document);
            count += call.len();
            account.acknowledged.push(call);
        }
        // What it wrote before it died is read to the end all the same.
        gone = gone || killed(server, count);
        if !gone && let Some((id, call)) = rest.next() {
            gone = !send(server, id, &call);
            open.insert(id, call);
        }
    }
    account.unanswered.extend(open.into_values());
    account
}

/// Whether the server was there to read it: one may die before its first call,
/// since it opens the database when it starts.
fn send(server: &mut Server, id: u64, call: &Call) -> bool {
    let memory = |text: &String| json!({"content": text});
    let arguments = match &call[..] {
        [one] => memory(one),
        several => json!({"memories": several.iter().map(memory).collect::<Vec<_>>()}),
    };
    let message = call_of(id, "memory_store", arguments);
    match server.try_write(format!("{message}\n").as_bytes()) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
        Err(error) => panic!("{error}"),
    }
}
