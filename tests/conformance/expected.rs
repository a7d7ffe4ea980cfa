//! What becomes of each scenario that a revision requires.

/// A revision, and the scenarios that Mimo passes whole.
pub struct Revision {
    pub name: &'static str,
    pub passing: &'static [&'static str],
}

/// Both lifecycles: sessions, and requests that stand alone.
pub const REVISIONS: [Revision; 2] = [
    Revision {
        name: "2025-11-25",
        passing: &[
            "server-initialize",
            "logging-set-level",
            "ping",
            "completion-complete",
            "tools-list",
            "server-sse-multiple-streams",
            "resources-list",
            "prompts-list",
        ],
    },
    Revision {
        name: "2026-07-28",
        passing: &[
            "server-stateless",
            "completion-complete",
            "tools-list",
            "server-sse-multiple-streams",
            "resources-list",
            "sep-2164-resource-not-found",
            "prompts-list",
            "caching",
            "input-required-result-unsupported-methods",
        ],
    },
];

const FIXTURE: &str = "calls a tool, a resource or a prompt that the suite wants to find";

/// Scenarios that Mimo is not held to, and why.
pub const SCENARIOS_LEFT_OUT: &[(&str, &str)] = &[
    (
        "dns-rebinding-protection",
        "is HTTP's: here it would try the bridge",
    ),
    ("tools-call-simple-text", FIXTURE),
    ("tools-call-image", FIXTURE),
    ("tools-call-audio", FIXTURE),
    ("tools-call-embedded-resource", FIXTURE),
    ("tools-call-mixed-content", FIXTURE),
    ("tools-call-with-logging", FIXTURE),
    ("tools-call-error", FIXTURE),
    ("tools-call-with-progress", FIXTURE),
    ("tools-call-sampling", FIXTURE),
    ("tools-call-elicitation", FIXTURE),
    ("elicitation-sep1034-defaults", FIXTURE),
    ("elicitation-sep1330-enums", FIXTURE),
    ("resources-read-text", FIXTURE),
    ("resources-read-binary", FIXTURE),
    ("resources-templates-read", FIXTURE),
    ("resources-subscribe", FIXTURE),
    ("resources-unsubscribe", FIXTURE),
    ("prompts-get-simple", FIXTURE),
    ("prompts-get-with-args", FIXTURE),
    ("prompts-get-embedded-resource", FIXTURE),
    ("prompts-get-with-image", FIXTURE),
    ("input-required-result-basic-elicitation", FIXTURE),
    ("input-required-result-basic-sampling", FIXTURE),
    ("input-required-result-basic-list-roots", FIXTURE),
    ("input-required-result-request-state", FIXTURE),
    ("input-required-result-multiple-input-requests", FIXTURE),
    ("input-required-result-multi-round", FIXTURE),
    ("input-required-result-missing-input-response", FIXTURE),
    ("input-required-result-non-tool-request", FIXTURE),
    ("input-required-result-result-type", FIXTURE),
    ("input-required-result-tampered-state", FIXTURE),
    ("input-required-result-capability-check", FIXTURE),
    ("input-required-result-ignore-extra-params", FIXTURE),
    ("input-required-result-validate-input", FIXTURE),
];

const HEADERS: &str = "compares a header of HTTP with the message";

/// Single checks of scenarios that pass otherwise, and why.
pub const CHECKS_LEFT_OUT: &[(&str, &str)] = &[
    ("sep-2575-http-server-header-mismatch-400", HEADERS),
    ("sep-2575-server-rejects-undeclared-capability", FIXTURE),
    ("sep-2575-missing-capability-http-400", FIXTURE),
    (
        "sep-2575-http-server-no-independent-requests-on-stream",
        FIXTURE,
    ),
    ("sep-2575-server-no-log-without-loglevel", FIXTURE),
    (
        "sep-2575-server-sends-prompts-list-changed-on-subscription",
        FIXTURE,
    ),
    (
        "sep-2575-server-sends-tools-list-changed-on-subscription",
        FIXTURE,
    ),
    ("sep-2549-resources-read-caching-hints", FIXTURE),
];
