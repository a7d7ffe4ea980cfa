//! Cleanup, restore and statistics by hand.

use serde_json::json;

use super::home::Home;

#[test]
fn restore_brings_back_archived_memories_and_counts_them() {
    let home = Home::new();
    let ids = home.store(json!([
        {"content": "minor one", "importance": 0.1}, {"content": "minor two", "importance": 0.1},
        {"content": "forgotten on purpose", "importance": 0.1}, {"content": "kept", "project": "other"},
        {"content": "minor three", "importance": 0.1},
    ]));
    let days = 8 * 24 * 3600 * 1_000_000_i64;
    home.database()
        .execute(
            "UPDATE memory SET created_at = created_at - ?1, updated_at = updated_at - ?1",
            [days],
        )
        .expect("made older");
    home.edit(json!({"action": "forget", "ids": [ids[2]]}));
    let dry = home.run(&["memory", "cleanup", "--dry-run"]);
    assert!(
        dry.out
            .starts_with("3 would be archived: not used for 30 days"),
        "{dry:?}"
    );
    assert!(dry.out.contains("minor two"), "{dry:?}");
    let cleaned = home.run(&["memory", "cleanup"]);
    assert_eq!(cleaned.out, "archived 3 memories, erased 0\n");
    // A memory protected since then was still archived by the cleanup, not
    // forgotten.
    home.edit(json!({"action": "protect", "ids": [ids[0]]}));
    home.edit(json!({"action": "protect", "ids": [ids[2]]}));
    home.store(json!([{"content": "minor three"}]));

    let since = |more: &[&str]| {
        let list = [
            "--json",
            "memory",
            "restore",
            "--archived-since",
            "1d",
            "--dry-run",
        ];
        home.run(&[&list, more].concat()).json()["restored"].clone()
    };
    assert_eq!(since(&[]), json!([ids[0], ids[1], ids[4]]));
    assert_eq!(
        since(&["--forgotten"]),
        json!([ids[0], ids[1], ids[2], ids[4]])
    );
    let back = home.run(&[
        "--json",
        "memory",
        "restore",
        "--archived-since",
        "2020-01-01",
    ]);
    assert_eq!(back.code, Some(1), "one cannot come back: {back:?}");
    let back = back.json();
    assert_eq!(back["restored"], json!([ids[0], ids[1]]));
    assert_eq!(
        (
            &back["failed"][0]["id"],
            &back["failed"][0]["error"]["kind"]
        ),
        (&json!(ids[4]), &json!("conflict"))
    );
    let again = home.run(&["memory", "cleanup"]);
    assert_eq!(
        again.out, "archived 0 memories, erased 0\n",
        "what came back stays"
    );
    let one = home.run(&[
        "memory",
        "restore",
        &ids[2].to_string(),
        &ids[3].to_string(),
    ]);
    assert_eq!(
        one.out,
        "restored 1 memory\nleft 1 that had not been archived\n"
    );
    let none = home.run(&["memory", "restore", "999"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.err.contains("memory 999: no memory has the id 999"),
        "{none:?}"
    );
    assert_eq!(home.run(&["memory", "restore"]).code, Some(2));
    let odd = home.run(&["memory", "restore", "--archived-since", "soon"]);
    assert!(
        odd.code == Some(2) && odd.err.contains("not a day, a time or a span"),
        "{odd:?}"
    );

    let stats = home.run(&["--json", "memory", "stats"]).json();
    let all = &stats["all"];
    assert_eq!(
        [
            &all["active"],
            &all["superseded"],
            &all["archived"],
            &all["protected"]
        ],
        [5, 0, 1, 2]
    );
    assert_eq!(stats["projects"]["other"]["active"], 1);
    assert_eq!(stats["projects"]["other"]["content_bytes"], 4);
    assert_eq!(stats["categories"]["fact"]["archived"], 1);
    assert_eq!(
        [
            &stats["vectors"][0]["memories"],
            &stats["vectors"][0]["vectors"]
        ],
        [6, 6]
    );
    assert_eq!(stats["last_cleanup"]["number"], 2);
    let shown = home.run(&["memory", "stats"]);
    assert!(
        shown.out.contains("last cleanup: 20") && shown.out.contains("number 2"),
        "{shown:?}"
    );
}

#[test]
fn a_cleanup_after_a_clock_jump_says_what_it_keeps() {
    let home = Home::new();
    let ids = home.store(json!([{"content": "forgotten long ago"}]));
    home.edit(json!({"action": "forget", "ids": ids}));
    let days = 400 * 24 * 3600 * 1_000_000_i64;
    home.database()
        .execute(
            "UPDATE memory SET created_at = created_at - ?1, updated_at = updated_at - ?1",
            [days],
        )
        .expect("made older");
    let dry = home.run(&["memory", "cleanup", "--dry-run"]);
    assert!(dry.out.contains("kept 1 archived memory"), "{dry:?}");
    for _ in 0..2 {
        let cleaned = home.run(&["memory", "cleanup"]);
        let says = "archived 0 memories, erased 0\nkept 1 archived memory that would be erased: \
                    the clock jumped";
        assert!(cleaned.out.starts_with(says), "{cleaned:?}");
    }
    let cleaned = home.run(&["--json", "memory", "cleanup"]).json();
    assert_eq!(
        (&cleaned["erased"], &cleaned["held"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn an_import_beyond_the_maximum_warns() {
    let home = Home::with_config("[memory.retention]\nactive_max = 2\n");
    let lines = |from: u32, to: u32| -> String {
        let line = |nth| format!("{{\"content\": \"note {nth}\"}}\n");
        (from..to).map(line).collect()
    };
    let within = home.run_with(&["import", "-"], &lines(0, 2));
    assert_eq!((within.code, within.err.as_str()), (Some(0), ""));
    let beyond = home.run_with(&["import", "-"], &lines(2, 5));
    assert_eq!(beyond.code, Some(0));
    let says = "5 memories are active, and the next cleanup archives the 3 least important: \
                memory.retention.active_max is 2.";
    assert!(beyond.err.contains(says), "{beyond:?}");
}
