//! A load of `memory_store` calls, some concurrent, and a record of what the server
//! acknowledged. The seed alone determines the calls.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;

use serde_json::{Value, json};

use super::audit::WORD;
use crate::support::server::Reply;
use crate::support::{Server, call_of};

/// The texts that one call stores.
pub type Call = Vec<String>;

/// The outcome of the calls.
#[derive(Default)]
pub struct Account {
    /// Acknowledged as stored.
    pub acknowledged: Vec<Call>,
    /// Sent and never answered: stored or not.
    pub unanswered: Vec<Call>,
    /// Answered with an error: not stored.
    pub refused: Vec<(Call, Value)>,
}

impl Account {
    /// Compares the file with the outcomes: acknowledged texts exist exactly
    /// once, refused ones do not, and unanswered calls are stored completely or
    /// not at all. Removes what it explains.
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

/// Sends `calls`, `flight` of them concurrently, until all are answered or the
/// server is gone. `killed` gets the number of acknowledged memories at each
/// answer and may kill the server; then nothing more is sent.
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
        // The last line of a killed server may be incomplete.
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
        // The output from before its death is still read to the end.
        gone = gone || killed(server, count);
        if !gone && let Some((id, call)) = rest.next() {
            gone = !send(server, id, &call);
            open.insert(id, call);
        }
    }
    account.unanswered.extend(open.into_values());
    account
}

/// Whether the server read it. It may die before its first call, since it opens
/// the database at its start.
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
