//! The expected outcome of the scenarios that a revision requires of a server. With
//! the skill, all pass except those listed here.

/// A revision, and the scenarios that Mimo passes without the skill too: those
/// that ask for no tool, prompt or resource by name.
pub struct Revision {
    pub name: &'static str,
    /// Required and passing scenarios, as the guide says.
    pub counts: (usize, usize),
    pub alone: &'static [&'static str],
}

/// Sessions, as they begin with `initialize`.
pub const SESSIONS: Revision = Revision {
    name: "2025-11-25",
    counts: (30, 30),
    alone: &[
        "server-initialize",
        "dns-rebinding-protection",
        "logging-set-level",
        "ping",
        "completion-complete",
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "prompts-list",
    ],
};

/// Stateless requests.
pub const STATELESS: Revision = Revision {
    name: "2026-07-28",
    counts: (37, 33),
    alone: &[
        "server-stateless",
        "dns-rebinding-protection",
        "completion-complete",
        "tools-list",
        "server-sse-multiple-streams",
        "resources-list",
        "sep-2164-resource-not-found",
        "prompts-list",
        "caching",
        "input-required-result-unsupported-methods",
    ],
};

/// Scenarios that Mimo is not held to, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "input-required-result-basic-elicitation",
        "wants the question under a key of the tool's own; Mimo names the questions of skills",
    ),
    (
        "input-required-result-ignore-extra-params",
        "answers a question of a call that it does not name; Mimo keeps the call that asked",
    ),
    (
        "input-required-result-multiple-input-requests",
        "wants several questions at once; Mimo passes a skill's on one at a time",
    ),
    (
        "input-required-result-non-tool-request",
        "asks for a prompt; stateless clients hear a skill's questions in calls of tools",
    ),
];

/// Checks that need the skill, in scenarios that Mimo passes alone otherwise.
pub const CHECKS_WITH_SKILL: &[&str] = &[
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
    "sep-2575-http-server-no-independent-requests-on-stream",
    "sep-2575-server-no-log-without-loglevel",
    "sep-2575-server-sends-prompts-list-changed-on-subscription",
    "sep-2575-server-sends-tools-list-changed-on-subscription",
    "sep-2549-resources-read-caching-hints",
];
