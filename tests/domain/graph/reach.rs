//! Two callers on one graph: whatever one of them does, the other gets the same
//! answers as if it were alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use mimo::caller::{Access, Caller, Grants, Reach};
use mimo::clock::FixedClock;
use mimo::failure::{Failure, Kind};
use mimo::graph::{Graph, Settings};
use mimo::store::NameStore;
use mimo::store::names::{self, NamesQuery};
use mimo::tools::graph::resource;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::tools::{Mimo, NOON};

/// Reads and writes its project; the first one reads the shared project too.
fn caller(nth: usize) -> Caller {
    let own = [
        ("a".to_owned(), Access::Write),
        ("b".to_owned(), Access::Write),
    ];
    let shared = (nth == 0).then(|| ("global".to_owned(), Access::Read));
    let reach = Reach::of(shared.into_iter().chain([own[nth].clone()]));
    let project = ["a", "b"][nth];
    let grants = Grants {
        reach,
        ..Grants::local(project)
    };
    Caller::new(grants, format!("session-{project}"))
}

/// Names that both use, and one that only one of them does.
const NAMES: [&str; 6] = ["alice", "Alice", "alicia", "acme", "berlin", "secret"];
const KINDS: [&str; 3] = ["", "person:", "city:"];
const PREDICATES: [&str; 3] = ["lives_in", "knows", "alias"];
const PROJECTS: [&str; 5] = ["", "a", "b", "global", "*"];

#[derive(Clone, Copy, Debug)]
struct Name(usize, usize);

impl Name {
    fn text(self, who: usize) -> String {
        let name = NAMES[self.1];
        match name {
            "secret" => format!("{}{name} of {who}", KINDS[self.0]),
            name => format!("{}{name}", KINDS[self.0]),
        }
    }
}

/// A triple or memory of the caller itself, or one that only the other has.
#[derive(Clone, Copy, Debug)]
enum Id {
    Own(usize),
    Foreign(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Assert([usize; 2], Vec<(Name, usize, Name)>),
    Rename(Name, Name),
    Retract(Id),
    Remember(Name),
    Reach(Name, usize, usize),
    ReachMemory(Id),
    Path(Name, Name, usize),
    Match(Vec<(Option<Name>, Option<usize>, Option<Name>)>, usize),
    Read(Name),
    Complete(bool, usize),
    Status,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || (0..KINDS.len(), 0..NAMES.len()).prop_map(|(kind, name)| Name(kind, name));
    let id = || {
        prop_oneof![
            (0..4usize).prop_map(Id::Own),
            (0..4usize).prop_map(Id::Foreign)
        ]
    };
    let project = || 0..PROJECTS.len();
    let triple = (name(), 0..PREDICATES.len(), name());
    let triples = proptest::collection::vec(triple, 1..4);
    let pattern = (
        proptest::option::of(name()),
        proptest::option::of(0..2usize),
        proptest::option::of(name()),
    );
    let patterns = proptest::collection::vec(pattern, 1..3);
    prop_oneof![
        6 => (prop_oneof![4 => Just(0), 1 => 0..4usize], 0..2usize, triples)
            .prop_map(|(project, similar, triples)| Step::Assert([project, similar], triples)),
        1 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => id().prop_map(Step::Retract),
        1 => name().prop_map(Step::Remember),
        2 => (name(), 0..3usize, project()).prop_map(|(n, d, p)| Step::Reach(n, d, p)),
        1 => id().prop_map(Step::ReachMemory),
        1 => (name(), name(), project()).prop_map(|(n, m, p)| Step::Path(n, m, p)),
        2 => (patterns, project()).prop_map(|(ps, p)| Step::Match(ps, p)),
        1 => name().prop_map(Step::Read),
        1 => (any::<bool>(), 0..4usize).prop_map(|(keys, p)| Step::Complete(keys, p)),
        1 => Just(Step::Status),
    ]
}

/// A store with something in the shared project, and what each caller made.
struct World {
    mimo: Mimo,
    graph: Graph,
    triples: [Vec<i64>; 2],
    memories: [Vec<i64>; 2],
}

impl World {
    fn new() -> World {
        let mimo = Mimo::with("global", &["lives_in"], |store| store);
        let shared = [
            ("person:alice", "lives_in", "city:berlin"),
            ("acme", "knows", "person:alice"),
        ];
        let shared = shared.map(|(s, p, o)| json!({"subject": s, "predicate": p, "object": o}));
        mimo.call("graph_update", json!({"assert": shared}))
            .expect("asserted");
        let graph = Graph::new(
            mimo.store.clone(),
            Arc::new(FixedClock::at(NOON)),
            Settings::default(),
        );
        World {
            mimo,
            graph,
            triples: [Vec::new(), Vec::new()],
            memories: [Vec::new(), Vec::new()],
        }
    }

    /// The id that a step means; one that is nobody's where there is none.
    fn id(of: &[Vec<i64>; 2], who: usize, id: Id) -> i64 {
        let found = match id {
            Id::Own(nth) => of[who].get(nth),
            Id::Foreign(nth) => of[1 - who].get(nth),
        };
        found.copied().unwrap_or(1_000_000)
    }

    /// Takes a step; the answer as far as it does not depend on how things were
    /// numbered.
    fn take(&mut self, who: usize, step: &Step) -> Value {
        let call = |tool: &str, arguments: Value| self.mimo.call_as(caller(who), tool, arguments);
        let within = |mut arguments: Value, project: usize| {
            if project > 0 {
                arguments["project"] = json!(PROJECTS[project]);
            }
            arguments["min_confidence"] = json!(0);
            arguments["limit"] = json!(500);
            arguments["max_tokens"] = json!(20_000);
            arguments
        };
        let answer = match step {
            Step::Assert([project, _], triples) => {
                let triples = triples.iter().map(|(s, p, o)| {
                    let (s, o) = (s.text(who), o.text(who));
                    json!({"subject": s, "predicate": PREDICATES[*p], "object": o})
                });
                let mut arguments = json!({"assert": triples.collect::<Vec<_>>()});
                if *project > 0 {
                    arguments["project"] = json!(PROJECTS[*project]);
                }
                let answer = call("graph_update", arguments);
                for triple in answer
                    .iter()
                    .flat_map(|a| a["triples"].as_array())
                    .flatten()
                {
                    if let Some(id) = triple["id"].as_i64()
                        && !self.triples[who].contains(&id)
                    {
                        self.triples[who].push(id);
                    }
                }
                answer
            }
            Step::Rename(from, to) => {
                let rename = json!([{"from": from.text(who), "to": to.text(who)}]);
                call("graph_update", json!({ "rename": rename }))
            }
            Step::Retract(id) => {
                let id = World::id(&self.triples, who, *id);
                call("graph_update", json!({"retract": [id]}))
            }
            Step::Remember(name) => {
                let content = format!("Somebody met {} today.", name.text(who));
                let stored = call("memory_store", json!({"content": content})).expect("stored");
                let id = stored["results"][0]["id"].as_i64().expect("an id");
                self.memories[who].push(id);
                return json!("stored");
            }
            Step::Reach(start, direction, project) => {
                let direction = ["in", "out", "both"][*direction];
                let asked = json!({"start": start.text(who), "direction": direction});
                call("graph_query", within(asked, *project))
            }
            Step::ReachMemory(id) => {
                let id = World::id(&self.memories, who, *id);
                let asked = json!({"start": format!("memory:{id}"), "direction": "both"});
                call("graph_query", within(asked, 4))
            }
            Step::Path(start, goal, project) => {
                let (start, goal) = (start.text(who), goal.text(who));
                let asked = json!({"start": start, "to": goal, "direction": "both"});
                call("graph_query", within(asked, *project))
            }
            Step::Match(patterns, project) => {
                let patterns = patterns.iter().enumerate().map(|(nth, (s, p, o))| {
                    let or = |name: &Option<Name>, variable: String| {
                        name.map_or(variable, |name| name.text(who))
                    };
                    let predicate = p.map_or("?p".to_owned(), |p| PREDICATES[p].to_owned());
                    let end = or(o, format!("?{}", nth + 1));
                    json!([or(s, format!("?{nth}")), predicate, end])
                });
                let asked = json!({"patterns": patterns.collect::<Vec<_>>()});
                call("graph_query", within(asked, *project))
            }
            Step::Read(name) => {
                let uri = format!("mimo://graph/{}", name.text(who).replace(' ', "%20"));
                let caller = caller(who);
                let read = resource::resource(&self.graph, &uri, &caller);
                let document = self.mimo.wait(read);
                document.map(|document| serde_json::from_str(&document.0).expect("JSON"))
            }
            Step::Complete(keys, prefix) => {
                let query = NamesQuery {
                    kind: match keys {
                        true => names::NameKind::EntityKey,
                        false => names::NameKind::EntityName,
                    },
                    reach: caller(who).reach().clone(),
                    projects: Vec::new(),
                    prefix: ["", "a", "person:", "s"][*prefix].to_owned(),
                    limit: 100,
                };
                let found = self.mimo.wait(self.mimo.store.names(query)).expect("names");
                let mut names = found.names;
                names.sort();
                Ok(json!(names))
            }
            Step::Status => {
                let status = call("mimo_status", json!({}));
                return status.expect("a status")["graph"].clone();
            }
        };
        self.comparable(who, answer)
    }

    fn comparable(&self, who: usize, answer: Result<Value, Failure>) -> Value {
        match answer {
            Ok(document) => {
                let text = document.to_string();
                let secret = format!("secret of {}", 1 - who);
                assert!(!text.contains(&secret.replace(' ', "_")), "{text}");
                assert!(!text.contains(&secret), "{text}");
                self.canonical(who, &document, "")
            }
            // Candidates are listed in the order of their ids.
            Err(failure) => {
                let mut message = failure.message.clone();
                let digits = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
                let words = message.split([' ', ',']).filter(|word| !word.is_empty());
                let mut words: Vec<&str> = words.filter(|word| !digits(word)).collect();
                words.sort_unstable();
                message = words.join(" ");
                json!([failure.kind.name(), failure.path, message])
            }
        }
    }

    /// Triples by their number among the caller's own, lists in a fixed order. Of
    /// equally good paths any may be found.
    fn canonical(&self, who: usize, value: &Value, key: &str) -> Value {
        match (value, key) {
            (Value::Number(id), "id" | "triple" | "with" | "triples" | "retracted") => {
                let id = id.as_i64().expect("an id");
                let own = self.triples[who].iter().position(|own| *own == id);
                let is_shared = who == 0 && id <= 2;
                assert!(own.is_some() || is_shared, "{id} is the other's");
                json!(own.map_or(format!("shared {id}"), |own| format!("own {own}")))
            }
            (Value::Array(items), _) => {
                let items = items.iter().map(|item| self.canonical(who, item, key));
                let mut items: Vec<Value> = items.collect();
                if !matches!(key, "entities" | "triples" | "predicates") {
                    items.sort_by_key(Value::to_string);
                }
                json!(items)
            }
            (Value::Object(path), "paths") => {
                let entities = path["entities"].as_array().expect("entities");
                json!([
                    entities.first(),
                    entities.last(),
                    entities.len(),
                    path["confidence"]
                ])
            }
            (Value::Object(fields), _) => {
                let fields = fields.iter();
                let fields = fields.map(|(key, item)| (key, self.canonical(who, item, key)));
                json!(fields.collect::<BTreeMap<_, _>>())
            }
            (other, _) => other.clone(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn callers_never_see_each_others_data(steps in proptest::collection::vec((0..2usize, step()), 1..24)) {
        let mut both = World::new();
        let together: Vec<(usize, Value)> = steps.iter()
            .map(|(who, step)| (*who, both.take(*who, step))).collect();
        for who in 0..2 {
            let mut alone = World::new();
            for ((of, step), (_, answer)) in steps.iter().zip(&together) {
                if *of == who {
                    prop_assert_eq!(&alone.take(who, step), answer, "{} {:?}", who, step);
                }
            }
        }
    }
}

fn update(mimo: &Mimo, who: usize, triples: &[(&str, &str, &str)]) -> Result<Value, Failure> {
    let triples = triples.iter();
    let triples = triples.map(|(s, p, o)| json!({"subject": s, "predicate": p, "object": o}));
    let arguments = json!({"assert": triples.collect::<Vec<_>>()});
    mimo.call_as(caller(who), "graph_update", arguments)
}

#[test]
fn only_writable_projects_are_changed() {
    let world = World::new();
    for project in ["global", "b", "nowhere"] {
        let arguments = json!({
            "assert": [{"subject": "x", "predicate": "y", "object": "z"}], "project": project,
        });
        let answer = world.mimo.call_as(caller(0), "graph_update", arguments);
        assert_eq!(answer.expect_err(project).kind, Kind::Refused);
    }
    let rename = json!({"rename": [{"from": "acme", "to": "Umbrella"}]});
    let answer = world.mimo.call_as(caller(0), "graph_update", rename);
    assert_eq!(answer.expect_err("read only").kind, Kind::Refused);
    // The shared triple 1 can be read but not retracted; for the second caller
    // there is none.
    let retract = |who| {
        world
            .mimo
            .call_as(caller(who), "graph_update", json!({"retract": [1]}))
    };
    assert_eq!(retract(0).expect_err("read only").kind, Kind::Refused);
    let failure = retract(1).expect_err("not there");
    assert_eq!(failure.kind, Kind::NotFound);
    assert_eq!(failure.path.as_deref(), Some("/retract"));
    let status = world.mimo.call("mimo_status", json!({}));
    assert_eq!(status.expect("a status")["graph"]["triples"], 2);
}

#[test]
fn entities_are_displayed_by_names_within_reach() {
    let world = World::new();
    update(&world.mimo, 1, &[("person:Bo Diddley", "knows", "x")]).expect("asserted");
    update(&world.mimo, 1, &[("person:bo_diddley", "alias", "Ellas")]).expect("asserted");
    update(&world.mimo, 0, &[("person:BO_DIDDLEY", "knows", "y")]).expect("asserted");
    let read = |who: usize| {
        let uri = "mimo://graph/person:bo_diddley";
        let caller = caller(who);
        let read = resource::resource(&world.graph, uri, &caller);
        let document = world.mimo.wait(read).expect("a document");
        serde_json::from_str::<Value>(&document.0).expect("JSON")
    };
    let (a, b) = (read(0), read(1));
    assert_eq!((&a["name"], a.get("aliases")), (&json!("BO DIDDLEY"), None));
    assert_eq!(b["name"], "Bo Diddley");
    assert_eq!(b["aliases"], json!(["Ellas"]));
    let start = json!({"start": "Ellas"});
    let failure = world.mimo.call_as(caller(0), "graph_query", start);
    assert_eq!(failure.expect_err("unknown").kind, Kind::NotFound);
}

/// Both know `thing:bo`; the first gives it a type and the second keeps it.
#[test]
fn a_type_is_given_within_reach_alone() {
    let world = World::new();
    update(&world.mimo, 1, &[("Bo", "knows", "x")]).expect("asserted");
    update(&world.mimo, 0, &[("Bo", "knows", "y")]).expect("asserted");
    update(&world.mimo, 0, &[("person:Bo", "knows", "z")]).expect("asserted");
    let ends = |who: usize| {
        let found = world
            .mimo
            .call_as(caller(who), "graph_query", json!({"start": "Bo"}));
        let found = found.expect("found");
        let paths = found["paths"].as_array().expect("paths").iter();
        paths
            .map(|path| path["entities"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ends(0),
        [
            json!(["person:bo", "thing:y"]),
            json!(["person:bo", "thing:z"])
        ]
    );
    assert_eq!(ends(1), [json!(["thing:bo", "thing:x"])]);
}
