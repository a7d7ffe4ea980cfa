//! `skill_find` over 77 tools of one skill: the first search of a process, and later
//! ones in turns with `memory_search` over as many memories.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::child::{OBJECTS, VERBS};
use super::support::{Client, cpu_time, milliseconds, mimo};

const TOOLS: usize = VERBS.len() * OBJECTS.len();
const PROCESSES: usize = 7;
const SEARCHES: usize = 100;

/// Wall clock and CPU time of the same calls.
#[derive(Default)]
struct Times {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Times {
    fn of(&mut self, client: &mut Client, tool: &str, arguments: &Value) -> Value {
        let (cpu, start) = (cpu_time(client.pid()), Instant::now());
        let document = client.document(tool, arguments);
        self.wall.push(start.elapsed());
        self.cpu.push(cpu_time(client.pid()).saturating_sub(cpu));
        document
    }

    fn figures(&self) -> Value {
        let [wall, cpu] = [&self.wall, &self.cpu].map(|times| milliseconds(times, 0.5));
        json!({"ms_p50": wall, "cpu_ms_p50": cpu})
    }
}

pub fn find() {
    let folder = mimo::folder();
    let mut command = mimo::command(folder.path(), &[("many", "many")], false);
    let [mut first, mut later, mut memory] = <[Times; 3]>::default();
    for process in 0..=PROCESSES {
        let mut client = Client::start(&mut command);
        client.initialize();
        let listed = |client: &mut Client| {
            client.document("mimo_status", &json!({"section": "skills"}))["skills"][0]["tools"]
                == TOOLS
        };
        while !listed(&mut client) {}
        if process == 0 {
            store(&mut client);
            continue;
        }
        let search = |times: &mut Times, client: &mut Client, nth: usize| {
            let (verb, object) = (VERBS[nth % VERBS.len()], OBJECTS[nth % OBJECTS.len()]);
            let query = json!({"query": format!("{verb} {object} number {nth}")});
            let found = times.of(client, "skill_find", &query);
            assert!(found["tools"][0]["tool"].is_string(), "{found}");
            query
        };
        search(&mut first, &mut client, process);
        client.document("memory_search", &json!({"query": "warm up"}));
        for nth in 0..SEARCHES / PROCESSES {
            let query = search(&mut later, &mut client, process * SEARCHES + nth);
            memory.of(&mut client, "memory_search", &query);
        }
    }
    let ratio = milliseconds(&later.wall, 0.5) / milliseconds(&memory.wall, 0.5);
    println!(
        "{}",
        json!({"bench": "skills", "figure": "skill_find", "tools": TOOLS,
        "first": first.figures(), "later": later.figures(), "memory_search": memory.figures(),
        "later_to_memory_search": (ratio * 100.0).round() / 100.0})
    );
}

/// As many memories as there are tools.
fn store(client: &mut Client) {
    let text = |(verb, object): (&str, &str)| json!({"content": format!("We {verb} {object} of the workspace each Monday."), "category": "fact"});
    let pairs = VERBS
        .iter()
        .flat_map(|verb| OBJECTS.map(|object| (*verb, object)));
    let memories: Vec<Value> = pairs.map(text).collect();
    client.document("memory_store", &json!({"memories": memories}));
}
