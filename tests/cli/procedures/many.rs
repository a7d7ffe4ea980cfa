//! A thousand executions, each requested from two processes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::workspace::{Mimo, Workspace};

const EXECUTIONS: usize = 1_000;

#[test]
fn thousand_executions_on_two_processes_run_once_each() {
    skip_unless!(node);
    let workspace = Workspace::counting();
    let mut both = [workspace.start(&[]), workspace.start(&[])];
    let definition = json!({
        "name": "many", "version": "1", "initial_state": "a", "timeout_ms": 600_000,
        "states": {
            "a": {"action": {"tool": "counter__once", "arguments": {"id": "{{ context.n | string }}"}}, "next": "b"},
            "b": {"end": true},
        },
    });
    both[0].good("procedure_define", json!({"definition": definition}));
    let ids: Vec<BTreeSet<String>> = std::thread::scope(|scope| {
        let started: Vec<_> = both
            .iter_mut()
            .map(|mimo| scope.spawn(|| start(mimo)))
            .collect();
        started
            .into_iter()
            .map(|each| each.join().expect("they started"))
            .collect()
    });
    assert_eq!(
        ids[0], ids[1],
        "a key stands for one execution, whoever was asked"
    );
    assert_eq!(ids[0].len(), EXECUTIONS);
    // Waiting for each execution waits for all, without sleeping.
    for id in &ids[0] {
        let done = both[0].good("procedure_run", json!({"execution_id": id}));
        assert_eq!(done["status"], "completed", "{done}");
    }
    let calls = workspace.calls();
    let different: BTreeSet<&String> = calls.iter().collect();
    assert_eq!((calls.len(), different.len()), (EXECUTIONS, EXECUTIONS));
    let status = both[1].good("mimo_status", json!({"section": "procedures"}));
    assert_eq!(
        status["procedures"]["executions"],
        json!({"completed": EXECUTIONS})
    );
    for mimo in both {
        assert!(mimo.server.exit().success());
    }
    let left = std::fs::read_dir(workspace.path("data")).expect("the folder");
    let locks = left.filter(|entry| {
        entry
            .as_ref()
            .is_ok_and(|e| e.file_name().to_string_lossy().contains("-owner-"))
    });
    assert_eq!(locks.count(), 0, "who ends well leaves no lock");
}

fn start(mimo: &mut Mimo) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let all: Vec<usize> = (0..EXECUTIONS).collect();
    for some in all.chunks(50) {
        for n in some {
            let start = json!({"name": "many", "context": {"n": n}, "async": true, "idempotency_key": format!("k{n}")});
            mimo.send("procedure_run", start);
        }
        for _ in some {
            let begun: Value = mimo.answer().expect("it lives");
            ids.insert(
                begun["execution_id"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{begun}"))
                    .to_owned(),
            );
        }
    }
    ids
}
