//! Snapshots of the documents of each memory tool, which clients rely on.

use serde_json::{Value, json};

use crate::support::tools::Mimo;

/// Calls in order, each with its complete expected document.
#[test]
fn result_documents_are_as_before() {
    let mimo = Mimo::in_project("site");
    let calls: [(&str, Value, Value); 8] = [
        (
            "memory_store",
            json!({"content": "Raj deploys the site every Monday", "topic_key": "deploys", "tags": ["team"], "importance": 0.8}),
            json!({"results": [{"id": 1, "outcome": "created", "project": "site"}]}),
        ),
        (
            "memory_store",
            json!({"memories": [{"content": "Raj deploys the site every Monday"}, {"content": "Raj deploys the site every Monday morning", "category": "plan"}]}),
            json!({"results": [
                {"id": 1, "outcome": "merged", "project": "site"},
                {
                    "id": 2, "outcome": "created", "project": "site", "similar": [1],
                    "similar_texts": [{"id": 1, "content": "Raj deploys the site every Monday"}],
                },
            ]}),
        ),
        (
            "memory_search",
            json!({"query": "raj", "mode": "keyword", "limit": 1}),
            json!({
                "items": [{
                    "id": 1, "content": "Raj deploys the site every Monday", "created_at": "2026-11-22T12:00:00Z",
                    "importance": 0.8, "score": 0.6, "tags": ["team"], "topic_key": "deploys",
                }],
                "truncated": false,
                "next_cursor": "r.1.7887de0e",
            }),
        ),
        (
            "memory_edit",
            json!({"action": "update", "ids": [1], "content": "Ines deploys", "reason": "she is back"}),
            json!({"changed": [1], "dry_run": false, "project": "site", "undo_id": "0000000000000001"}),
        ),
        (
            "memory_edit",
            json!({"action": "protect", "ids": [1, 2], "dry_run": true}),
            json!({"changed": [1, 2], "dry_run": true, "project": "site"}),
        ),
        (
            "memory_search",
            json!({"ids": [3, 1], "project": "*"}),
            json!({
                "items": [
                    {
                        "id": 3, "content": "Raj deploys the site every Monday", "created_at": "2026-11-22T12:00:00Z",
                        "importance": 0.8, "state": "superseded", "tags": ["team"],
                        "topic_key": "deploys",
                    },
                    {
                        "id": 1, "content": "Ines deploys", "created_at": "2026-11-22T12:00:00Z",
                        "edited_at": "2026-11-22T12:00:03Z",
                        "importance": 0.8, "supersedes": 3, "tags": ["team"],
                        "topic_key": "deploys",
                    },
                ],
                "truncated": false,
            }),
        ),
        (
            "memory_search",
            json!({}),
            json!({
                "items": [
                    {
                        "id": 1, "content": "Ines deploys", "created_at": "2026-11-22T12:00:00Z",
                        "edited_at": "2026-11-22T12:00:03Z",
                        "importance": 0.8, "supersedes": 3, "tags": ["team"],
                        "topic_key": "deploys",
                    },
                    {
                        "id": 2, "content": "Raj deploys the site every Monday morning", "category": "plan",
                        "created_at": "2026-11-22T12:00:01Z",
                    },
                ],
                "truncated": false,
            }),
        ),
        (
            "mimo_status",
            json!({"section": "memory"}),
            json!({
                "version": env!("CARGO_PKG_VERSION"), "uptime_s": 7, "project": "site",
                "memory": {
                    "state": "ok", "active": 2, "superseded": 1, "archived": 0, "projects": 1,
                    "embedding_model": "word-counts",
                },
            }),
        ),
    ];
    for (tool, arguments, expected) in calls {
        let mut document = mimo.call(tool, arguments.clone()).expect("answered");
        if let Some(memory) = document.get_mut("memory").and_then(Value::as_object_mut) {
            let bytes = memory.remove("file_bytes").expect("a size");
            // More than the empty first page, since the data is still in the
            // log.
            assert!(bytes.as_u64() > Some(50_000), "{bytes}");
        }
        assert_eq!(document, expected, "{tool} {arguments}");
    }
    let wrong = mimo.call("memory_edit", json!({"action": "forget", "ids": [7]}));
    let failure = wrong.expect_err("there is no such memory");
    assert_eq!(
        failure.document(),
        json!({"error": {
            "kind": "not_found",
            "message": "no memory has the id 7",
            "hint": "nothing was changed; memory_search shows the ids there are",
        }})
    );
}
