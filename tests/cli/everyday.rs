//! What a person types every day: remember, search, ask, list, show, edit.

use crate::home::Home;

#[test]
fn what_was_remembered_is_found_shown_changed_and_taken_back() {
    let home = Home::new();
    let ran = |words: &str| home.run(&words.split(' ').collect::<Vec<_>>());
    let stored = ran("remember Raj deploys on Mondays --tag ops");
    assert_eq!(
        (stored.code, &*stored.out),
        (Some(0), "created: memory 1\n")
    );
    let from_pipe = home.run_with(&["remember", "-", "--category", "plan"], "Ship it\nin May");
    assert_eq!(from_pipe.out, "created: memory 2\n");
    let found = ran("search who deploys");
    assert!(found.out.starts_with("1  ") && found.out.ends_with("Raj deploys on Mondays  #ops\n"));
    assert!(ran("ask When does Raj deploy?").out.contains("[memory:1"));
    let listed = ran("memory list -n 1");
    assert!(listed.out.contains("Ship it in May") && !listed.out.contains("Raj"));
    let cursor = listed
        .err
        .trim()
        .rsplit(' ')
        .next()
        .expect("where it goes on");
    let rest = ran(&format!("memory list --cursor {cursor}"));
    assert!(rest.out.contains("Raj") && !rest.out.contains("Ship"));
    assert!(ran("memory list --category plan").out.contains("Ship"));
    assert!(ran("memory list --tag ops").out.contains("Raj"));
    let shown = ran("memory show 2");
    assert!(
        shown.out.ends_with("\n  | Ship it\n  | in May\n"),
        "{shown:?}"
    );
    assert_eq!(ran("memory show 2 99").code, Some(1));
    let edited = ran("memory edit 1 --forget");
    assert!(ran("search deploys Mondays").out.is_empty());
    let undo = edited.out.split('`').nth(1).expect("a command");
    assert_eq!(ran(undo.strip_prefix("mimo ").expect("ours")).code, Some(0));
    assert!(ran("search who deploys").out.contains("Raj"));
    let again = ran("remember Ship it\nin May");
    assert_eq!(again.out, "merged: memory 2\n");
    assert!(ran("memory list --category plan").out.contains("Ship"));
    assert!(ran("status").out.contains("2 memories"));
}

#[test]
fn mistakes_are_named_with_what_to_type() {
    let home = Home::new();
    for (words, code, says) in [
        (&["memory", "edit", "1"][..], 2, "--text"),
        (
            &["memory", "edit", "1", "--forget", "--protect"],
            2,
            "--protect",
        ),
        (&["memory", "show", "x"], 2, "x"),
        (&["search", "--mode", "fuzzy", "a"], 2, "hybrid"),
        (&["search"], 2, "WORDS"),
        (&["call", "memory_search", "query"], 2, "query"),
        (&["call", "memory_search", "query=a", "query=b"], 2, "twice"),
    ] {
        let refused = home.run(words);
        assert_eq!(refused.code, Some(code), "{words:?}: {refused:?}");
        assert!(refused.err.contains(says), "{words:?}: {refused:?}");
    }
    let none = home.run(&["search", "zebra"]);
    assert_eq!((none.code, &*none.out), (Some(0), ""));
    assert!(none.err.contains("mimo memory list"), "{none:?}");
}

#[test]
fn a_script_gets_the_document_of_the_tool() {
    let home = Home::new();
    home.run(&["remember", "Raj deploys on Mondays"]);
    let typed = home.run(&["--json", "search", "deploys"]).json();
    assert_eq!(typed["items"][0]["id"], 1);
    let called = home.run(&["call", "memory_search", "query=deploys", "limit=1"]);
    assert_eq!(
        called.json()["items"][0]["content"],
        "Raj deploys on Mondays"
    );
    assert_eq!(
        home.run(&["--json", "status"]).json()["memory"]["active"],
        1
    );
}
