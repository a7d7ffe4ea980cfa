use super::*;

/// Own tools, and the scope of each.
const TOOLS: [(&str, Scope); 4] = [
    ("memory_search", Scope::Read),
    ("memory_store", Scope::Write),
    ("skill_call", Scope::Write),
    ("reload", Scope::Admin),
];
/// A tool of a skill, which no table of ours names.
const SKILL_TOOL: &str = "github__create_issue";

fn words(text: &str) -> Vec<String> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn parse(scopes: &str, projects: &str, tools: &str) -> Result<Grant, Failure> {
    Grant::parse(GrantWords {
        scopes: &words(scopes),
        projects: &words(projects),
        tools: &words(tools),
        ..GrantWords::default()
    })
}

fn caller(scopes: &str, projects: &str, tools: &str) -> caller::Grants {
    let grant = parse(scopes, projects, tools).expect("a grant");
    grant.to_caller("current", TOOLS)
}

fn allowed(scopes: &str, projects: &str, tools: &str) -> String {
    let grants = caller(scopes, projects, tools).tools;
    let names = TOOLS.iter().map(|(name, _)| *name).chain([SKILL_TOOL]);
    let names: Vec<&str> = names.filter(|name| grants.allow(name)).collect();
    names.join(" ")
}

#[test]
fn a_scope_includes_those_below_it() {
    for (scopes, names) in [
        ("read", "read"),
        ("write", "read write"),
        ("admin,read", "read write admin"),
        ("metrics", "metrics"),
        ("metrics,write", "read write metrics"),
    ] {
        let scopes = parse(scopes, "", "").expect("a grant").scopes;
        assert_eq!(scopes.names().join(" "), names);
    }
}

#[test]
fn scopes_choose_among_tools() {
    let all = "memory_search memory_store skill_call reload github__create_issue";
    assert_eq!(allowed("admin", "", ""), all);
    assert_eq!(allowed("write", "", ""), all.replace("reload ", ""));
    assert_eq!(allowed("read", "", ""), "memory_search");
    assert_eq!(allowed("metrics", "", ""), "");
    assert_eq!(allowed("metrics", "", "*"), "");
}

#[test]
fn patterns_never_give_more_than_the_scopes() {
    assert_eq!(allowed("write", "", "*"), allowed("write", "", ""));
    assert_eq!(allowed("write", "", "reload"), "");
    assert_eq!(allowed("read", "", "*"), "memory_search");
    assert_eq!(allowed("read", "", "github__*"), "");
    assert_eq!(allowed("read", "", "skill_*"), "");
}

#[test]
fn exclamation_marks_take_tools_away() {
    assert_eq!(allowed("write", "", "memory_*,!*_store"), "memory_search");
    assert_eq!(
        allowed("write", "", "!skill_call"),
        "memory_search memory_store github__create_issue"
    );
    assert_eq!(allowed("read", "", "!memory_*"), "");
}

#[test]
fn a_key_of_some_projects_gets_tools_of_skills_only_by_name() {
    let own = "memory_search memory_store skill_call";
    assert_eq!(allowed("write", "website", ""), own);
    assert_eq!(
        allowed("write", "website", "!memory_store"),
        "memory_search skill_call"
    );
    assert_eq!(allowed("write", "website", "github__*"), SKILL_TOOL);
}

#[test]
fn projects_become_the_reach() {
    let grants = caller("write", "website,docs:read,global", "");
    let expected = [
        ("website", Access::Write),
        ("docs", Access::Read),
        ("global", Access::Read),
    ];
    let expected = expected.map(|(name, access)| (name.to_owned(), access));
    assert_eq!(grants.reach, Reach::of(expected));
    assert_eq!(grants.project, "website");
    assert!(!grants.is_local);
    assert_eq!(caller("write", "", "").reach, Reach::Everything);
    assert_eq!(caller("write", "", "").project, "current");
    // A tool that no pattern names is not visible.
    assert!(!caller("write", "website", "").reach.can_read("global"));
    assert!(
        caller("write", "website,global:write", "")
            .reach
            .can_write("global")
    );
    assert!(!caller("read", "website", "").reach.can_write("website"));
}

#[test]
fn the_current_project_is_the_first_that_is_not_shared() {
    assert_eq!(caller("read", "global,b,a", "").project, "b");
    assert_eq!(caller("read", "global", "").project, "global");
    let with_colon = caller("write", "team:web", "");
    assert_eq!(with_colon.project, "team:web");
}

#[test]
fn mistakes_are_named() {
    for (scopes, projects, tools, said) in [
        ("", "", "", "without a scope"),
        ("raed", "", "", "no scope \"raed\""),
        ("read", "website:write", "", "lacks the scope write"),
        ("read", "a,a:read", "", "named twice"),
        ("read", "*", "", "stands for all projects"),
        ("read", ":read", "", "cannot be empty"),
        ("read", "", "a b", "not a pattern"),
        ("read", "", "!", "not a pattern"),
    ] {
        let failure = parse(scopes, projects, tools).expect_err(said);
        assert!(failure.message.contains(said), "{failure}");
        assert!(failure.hint.is_some(), "{failure}");
    }
    let many = |count: usize| (0..count).map(|nth| format!("p{nth}")).collect::<Vec<_>>();
    assert!(parse("read", &many(KEY_PROJECTS_MAX).join(","), "").is_ok());
    assert!(parse("read", &many(KEY_PROJECTS_MAX + 1).join(","), "").is_err());
    assert!(parse("read", "", &many(KEY_TOOLS_MAX + 1).join(",")).is_err());
    for value in [0, KEY_AT_ONCE_MAX + 1] {
        let words = GrantWords {
            scopes: &["read".to_owned()],
            at_once: Some(value),
            ..GrantWords::default()
        };
        assert!(Grant::parse(words).is_err(), "{value}");
    }
}

#[test]
fn grants_survive_json_and_unknown_members_are_refused() {
    let mut grant = parse("admin,metrics", "website,global", "memory_*,!a").expect("a grant");
    grant.profile = Some("core".to_owned());
    let text = serde_json::to_string(&grant).expect("serialises");
    assert_eq!(serde_json::from_str::<Grant>(&text).expect("parses"), grant);
    for wrong in [
        text.replace("\"admin\"", "\"owner\""),
        text.replace("\"profile\"", "\"profiles\""),
    ] {
        assert!(serde_json::from_str::<Grant>(&wrong).is_err(), "{wrong}");
    }
}
